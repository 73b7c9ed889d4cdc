//! Lines of log groups. CloudWatch gives them oldest first, so where a stretch holds too many, its errors are asked for
//! once more by themselves.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html>

use super::LOGS;
use crate::aws::Caller;
use crate::text::{leading_time, one_line};
use crate::tools::gathered::{Gathered, Part, line};
use crate::window::{Stretch, Window, spelled};
use sentinell_core::evidence::Gap;
use sentinell_core::ports::ToolError;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// Lines of one group and stretch that are read.
const MAX_LINES: usize = 2000;
/// Pages of one group and stretch: a page may be empty and yet have a next one.
const MAX_PAGES: usize = 10;
/// Pages of group names.
const GROUP_PAGES: usize = 4;
/// Groups that are read in one look.
pub(super) const MAX_GROUPS: usize = 3;
/// What a line that matters holds, as CloudWatch's filters say it.
const TROUBLE: &str = "?error ?Error ?ERROR ?exception ?Exception ?fatal ?Fatal ?FATAL ?panic ?PANIC ?Traceback ?WARN ?timeout ?refused ?killed";
/// How often and how long a query of Logs Insights is waited for.
const POLLS: usize = 24;
const POLL: Duration = Duration::from_millis(500);

/// The groups whose name has the service as a word, the closest first; only those that may be read.
pub(super) async fn groups(caller: &Caller, service: &str, allowed: &[String]) -> Result<Vec<String>, ToolError> {
    let mut found: Vec<String> = vec![];
    let mut next = Value::Null;
    for _ in 0..GROUP_PAGES {
        let mut body = json!({"logGroupNamePattern": service, "limit": 50});
        if next.is_string() {
            body["nextToken"] = next;
        }
        let answer = caller.call(LOGS, "DescribeLogGroups", &body).await?;
        let names = answer["logGroups"].as_array().into_iter().flatten();
        found.extend(names.filter_map(|group| group["logGroupName"].as_str()).map(str::to_owned));
        next = answer["nextToken"].clone();
        if !next.is_string() {
            break;
        }
    }
    found.retain(|name| may_be_read(name, allowed) && nearness(name, service).is_some());
    found.sort_by_key(|name| (nearness(name, service), name.len(), name.clone()));
    found.dedup();
    found.truncate(MAX_GROUPS);
    Ok(found)
}

/// Whether a group is among those that may be read: all, unless beginnings of names were listed.
pub(super) fn may_be_read(group: &str, allowed: &[String]) -> bool {
    allowed.is_empty() || allowed.iter().any(|beginning| group.starts_with(beginning.as_str()))
}

/// 0: a part of the path is the name; 1: a part has it as words. `/ecs/till-api` has `till`, `/ecs/tiller` has not.
fn nearness(group: &str, service: &str) -> Option<u8> {
    if group.split('/').any(|part| part.eq_ignore_ascii_case(service)) {
        return Some(0);
    }
    let (group, service) = (group.to_ascii_lowercase(), service.to_ascii_lowercase());
    let apart = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    let word = group
        .match_indices(&service)
        .any(|(at, found)| apart(group[..at].chars().next_back()) && apart(group[at + found.len()..].chars().next()));
    (word && !service.is_empty()).then_some(1)
}

/// Lines of one group, of the trouble and of the calm before. `contains` is a literal text.
pub(super) async fn read(
    caller: &Caller,
    group: &str,
    subject: &str,
    contains: Option<&str>,
    window: Window,
    gathered: &mut Gathered,
) -> Result<Vec<Gap>, ToolError> {
    let pattern = contains.map(|text| format!("\"{}\"", text.replace(['"', '\\'], "?")));
    let calm = async {
        match window.calm {
            Some(calm) => events(caller, group, calm, pattern.as_deref()).await.map(Some),
            None => Ok(None),
        }
    };
    let (calm, trouble) = futures::join!(calm, events(caller, group, window.trouble, pattern.as_deref()));
    let mut trouble = trouble?;
    let mut gaps = vec![];
    if let Some(until) = trouble.cut {
        let mut what = format!("lines of {group} after {}", sentinell_core::time::Timestamp(until));
        if pattern.is_none() {
            let rest = (until.max(window.trouble.0), window.trouble.1);
            trouble.lines.extend(events(caller, group, rest, Some(TROUBLE)).await?.lines);
            what.push_str(", errors excepted");
        }
        let why = format!(
            "one look reads {MAX_LINES} lines, oldest first; ask with contains, or with a query of Logs Insights"
        );
        gaps.push(Gap { what, why });
    }
    let mut known = BTreeSet::new();
    for event in trouble.lines.iter().filter(|event| known.insert(event.id.clone())) {
        gathered.add(subject, Part::Trouble, line(event.at, None, &event.text, None));
    }
    match calm {
        Ok(Some(calm)) => {
            for event in &calm.lines {
                gathered.add(subject, Part::Calm, line(event.at, None, &event.text, None));
            }
        }
        Ok(None) => {}
        Err(error) => {
            gaps.push(Gap { what: format!("the calm before, to compare {group} with"), why: error.to_string() })
        }
    }
    Ok(gaps)
}

struct Event {
    id: String,
    at: Option<i64>,
    text: String,
}

#[derive(Default)]
struct Events {
    lines: Vec<Event>,
    /// The time up to which was read, if not to the end.
    cut: Option<i64>,
}

async fn events(caller: &Caller, group: &str, (from, to): Stretch, pattern: Option<&str>) -> Result<Events, ToolError> {
    let mut found = Events::default();
    let mut next = Value::Null;
    for page in 0.. {
        let mut body = json!({"logGroupName": group, "startTime": from, "endTime": to, "limit": 1000});
        if let Some(pattern) = pattern {
            body["filterPattern"] = pattern.into();
        }
        if next.is_string() {
            body["nextToken"] = next;
        }
        let answer = caller.call(LOGS, "FilterLogEvents", &body).await?;
        for event in answer["events"].as_array().into_iter().flatten() {
            let Some(text) = event["message"].as_str() else { continue };
            let id = event["eventId"].as_str().map(str::to_owned);
            let id = id.unwrap_or_else(|| format!("{} {text}", event["timestamp"]));
            found.lines.push(Event { id, at: event["timestamp"].as_i64(), text: text.to_owned() });
        }
        next = answer["nextToken"].clone();
        if !next.is_string() {
            return Ok(found);
        }
        if found.lines.len() >= MAX_LINES || page + 1 >= MAX_PAGES {
            break;
        }
    }
    found.cut = Some(found.lines.iter().filter_map(|event| event.at).max().unwrap_or(from));
    Ok(found)
}

/// What one query of Logs Insights brings: every row a line.
pub(super) async fn insights(
    caller: &Caller,
    groups: &[String],
    query: &str,
    window: Window,
    subject: &str,
    gathered: &mut Gathered,
) -> Result<Vec<Gap>, ToolError> {
    let (from, to) = window.whole();
    let body = json!({"logGroupNames": groups, "startTime": from / 1000, "endTime": to / 1000, "queryString": query,
        "limit": MAX_LINES});
    let started = caller.call(LOGS, "StartQuery", &body).await?;
    let id = started["queryId"].as_str().ok_or_else(|| ToolError::BadQuery("the query got no id".to_owned()))?;
    let asked = json!({"queryId": id});
    for _ in 0..POLLS {
        let answer = caller.call(LOGS, "GetQueryResults", &asked).await?;
        match answer["status"].as_str().unwrap_or_default() {
            "Complete" => {
                let rows = answer["results"].as_array().map_or(&[][..], Vec::as_slice);
                for row in rows.iter().take(MAX_LINES) {
                    let (at, text) = told(row);
                    gathered.add(subject, Part::Trouble, line(at, None, &text, None));
                }
                let full = rows.len() >= MAX_LINES;
                let why = format!("one look brings {MAX_LINES} rows; ask more narrowly");
                return Ok(full.then(|| Gap { what: "more rows".to_owned(), why }).into_iter().collect());
            }
            "Scheduled" | "Running" | "Unknown" => tokio::time::sleep(POLL).await,
            state => {
                let state = one_line(state, 40);
                return Err(ToolError::BadQuery(format!("the query of Logs Insights ended as {state}")));
            }
        }
    }
    // It costs as long as it runs.
    let _ = caller.call(LOGS, "StopQuery", &asked).await;
    let why = format!("it did not end within {} s; ask about less time", POLLS / 2);
    Ok(vec![Gap { what: format!("a query of Logs Insights {}", spelled((from, to))), why }])
}

/// A row's time and its message; of other rows every field.
fn told(row: &Value) -> (Option<i64>, String) {
    let fields = row.as_array().into_iter().flatten();
    let fields: Vec<(&str, &str)> =
        fields.filter_map(|cell| Some((cell["field"].as_str()?, cell["value"].as_str()?))).collect();
    let get = |name: &str| fields.iter().find(|(field, _)| *field == name).map(|(_, value)| *value);
    let at = get("@timestamp").and_then(leading_time).map(|at| at.0);
    let all = || {
        let shown = fields.iter().filter(|(field, _)| !matches!(*field, "@ptr" | "@timestamp"));
        shown.map(|(field, value)| format!("{field}={value}")).collect::<Vec<_>>().join(" ")
    };
    (at, get("@message").map_or_else(all, str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_belongs_to_a_service_whose_name_it_has_as_words() {
        assert_eq!(nearness("/ecs/fair/till", "till"), Some(0));
        assert_eq!(nearness("/aws/lambda/Till-api", "till"), Some(1));
        for other in ["/ecs/tiller", "/ecs/still", "/ecs/booth", ""] {
            assert_eq!(nearness(other, "till"), None, "{other}");
        }
        let row = json!([{"field": "@timestamp", "value": "2026-11-22 12:00:00.250"}, {"field": "n", "value": "7"},
            {"field": "@ptr", "value": "x"}]);
        assert_eq!(told(&row), (Some(1_795_348_800_250), "n=7".to_owned()));
    }
}
