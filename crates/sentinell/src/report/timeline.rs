//! A journal as a person follows it live: one entry, one or a few lines.

use super::chart::{bar, sparkline};
use super::paint::{Paint, plain};
use sentinell_core::action::{Action, Deed, HttpDeed};
use sentinell_core::hypothesis::Hypothesis;
use sentinell_core::investigation::{Event, Health, Node, Outcome};
use sentinell_core::policy::Ruling;
use sentinell_core::time::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// One frame of `/stream`, or one entry of `/journal`.
#[derive(Debug, Clone, Deserialize)]
pub struct Frame {
    /// Its place over all journals; none for partial text.
    #[serde(default)]
    pub position: Option<u64>,
    /// Whose journal.
    #[serde(default)]
    pub incident_id: String,
    /// Its place in that journal.
    #[serde(default)]
    pub seq: u64,
    /// When it was appended.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// The event's tag.
    #[serde(rename = "type")]
    pub kind: String,
    /// The event's fields.
    #[serde(default)]
    pub data: Value,
    /// For `lagged`: where to resume.
    #[serde(default)]
    pub resume_after: Option<u64>,
}

impl Frame {
    /// The event, if this version knows it.
    pub fn event(&self) -> Option<Event> {
        let mut fields = match &self.data {
            Value::Object(fields) => fields.clone(),
            _ => serde_json::Map::new(),
        };
        fields.insert("type".into(), Value::String(self.kind.clone()));
        serde_json::from_value(Value::Object(fields)).ok()
    }
}

/// A frame as lines of text, without the closing line break. `known` are the causes and charts seen so far.
pub fn lines(frame: &Frame, paint: Paint) -> String {
    let clock = frame.at.map(|at| at.to_string().get(11..23).unwrap_or_default().to_owned()).unwrap_or_default();
    let (node, told) = match frame.event() {
        Some(event) => (event.node(), tell(&event, paint)),
        None => (Node::Observe, vec![paint.dim(&plain(&frame.kind, 40))]),
    };
    let badge = match node {
        Node::Observe => paint.cyan("observe "),
        Node::Reason => paint.magenta("reason  "),
        Node::Act => paint.yellow("act     "),
        Node::Evaluate => paint.green("evaluate"),
    };
    let mut told = told.into_iter();
    let mut text = format!("{}  {badge}  {}", paint.dim(&format!("{clock:<12}")), told.next().unwrap_or_default());
    for line in told {
        text.push_str(&format!("\n{:24}{line}", ""));
    }
    text
}

fn tell(event: &Event, paint: Paint) -> Vec<String> {
    match event.node() {
        Node::Observe => observe(event, paint),
        Node::Reason => reason(event, paint),
        Node::Act => act(event, paint),
        Node::Evaluate => evaluate(event, paint),
    }
}

fn observe(event: &Event, paint: Paint) -> Vec<String> {
    match event {
        Event::Opened { signal, .. } => {
            vec![format!("{} {}", paint.bold("incident opened:"), plain(&signal.title, 100))]
        }
        Event::AlertJoined { title, why, .. } => {
            vec![format!("alert joined: {} ({})", plain(title, 80), plain(why, 60))]
        }
        Event::AlertResolved { fingerprint } => vec![format!("an alert is over ({})", plain(fingerprint.as_str(), 16))],
        Event::Reopened { .. } => vec!["the same alert came back: reopened".into()],
        Event::QueriesOpened { queries } => {
            let tools: Vec<&str> = queries.iter().map(|query| query.tool.as_str()).collect();
            vec![format!("{} read(s) opened: {}", queries.len(), plain(&tools.join(", "), 100))]
        }
        Event::EvidenceGathered { query, evidence, gaps, call, millis, .. } => {
            let head = format!("{query}: {} finding(s) in {millis} ms {}", evidence.len(), paint.dim(&plain(call, 70)));
            let shown = evidence.iter().filter(|found| found.kind != "healthy").take(4);
            let lines = shown.flat_map(|found| {
                let line = format!(
                    "{} {} {}",
                    paint.cyan(found.id.as_str()),
                    plain(&found.subject, 40),
                    plain(&found.summary, 90)
                );
                std::iter::once(line).chain(chart_of(&found.finding).map(|chart| paint.cyan(&format!("   {chart}"))))
            });
            let missing = gaps
                .iter()
                .take(3)
                .map(|gap| paint.yellow(&plain(&format!("not seen: {}: {}", gap.what, gap.why), 110)));
            std::iter::once(head).chain(lines).chain(missing).collect()
        }
        Event::QueryDeferred { query, why, .. } => vec![paint.dim(&format!("{query} again later: {}", plain(why, 90)))],
        Event::QueryFailed { query, gap } => {
            vec![paint.yellow(&format!("{query} not seen: {}: {}", plain(&gap.what, 50), plain(&gap.why, 80)))]
        }
        Event::MergedInto { into, by } => vec![format!("merged into {into} by {by}")],
        Event::SplitOff { into, by, .. } => vec![format!("split off as {into} by {by}")],
        _ => vec![paint.dim("a wait is over")],
    }
}

/// The finding's own points as a small chart.
fn chart_of(finding: &Value) -> Option<String> {
    let points: Vec<(i64, f64)> = serde_json::from_value(finding.get("points")?.clone()).ok()?;
    let chart = sparkline(&points, 40);
    (!chart.is_empty()).then_some(chart)
}

fn reason(event: &Event, paint: Paint) -> Vec<String> {
    match event {
        Event::TurnTaken { by, usage, .. } => {
            vec![paint.dim(&format!("turn by {}, {} tokens", plain(by, 40), usage.tokens()))]
        }
        Event::ModelFailed { by, why, .. } => {
            vec![paint.yellow(&format!("{} gave no answer to use: {}", plain(by, 40), plain(why, 90)))]
        }
        Event::Doubted { by, why, .. } => {
            let who = if by.is_empty() { "nobody" } else { by };
            vec![paint.dim(&format!("second look by {}: {}", plain(who, 40), plain(why, 100)))]
        }
        Event::HypothesesFormed { hypotheses, gaps, .. } if hypotheses.is_empty() => {
            vec![paint.yellow(&format!("not enough evidence for a cause; {} gap(s)", gaps.len()))]
        }
        Event::HypothesesFormed { hypotheses, .. } => {
            hypotheses.iter().take(3).map(|cause| cause_line(cause, paint)).collect()
        }
        Event::TurnRefused { why } => vec![paint.yellow(&format!("turn refused: {}", plain(why, 100)))],
        Event::ReasonerFailed { why, .. } => {
            vec![paint.yellow(&format!("the reasoner did not answer: {}", plain(why, 90)))]
        }
        Event::ActionNotPlanned { draft, why } => {
            vec![paint.yellow(&format!(
                "{} on {} cannot be planned: {}",
                plain(&draft.kind, 40),
                plain(&draft.target, 60),
                plain(why, 100)
            ))]
        }
        Event::ActionProposed { action, hash } => proposal(action, hash.as_str(), paint),
        Event::HintGiven { by, text, .. } => vec![format!("{by} hints: {}", plain(text, 100))],
        Event::NoteAdded { by, text } => vec![format!("{by} notes: {}", plain(text, 100))],
        _ => vec![],
    }
}

fn cause_line(cause: &Hypothesis, paint: Paint) -> String {
    let name = paint.bold(&format!("{}: {}", plain(&cause.component, 60), plain(&cause.fault, 40)));
    let cited: Vec<&str> = cause.supports.iter().take(6).map(|id| id.as_str()).collect();
    format!(
        "{} {:>3.0} % {} {}",
        paint.cyan(&bar(cause.confidence, 8)),
        cause.confidence.clamp(0.0, 1.0) * 100.0,
        name,
        paint.dim(&format!("[{}]", cited.join(" ")))
    )
}

/// A proposal with everything that an approval covers.
pub fn proposal(action: &Action, hash: &str, paint: Paint) -> Vec<String> {
    let plan = &action.plan;
    let undo = plan.undo.as_ref().map_or_else(|| "none".to_owned(), deed);
    let check = &plan.verification;
    vec![
        format!("{} {}", paint.bold(&format!("proposes {}:", action.id)), plain(&action.why, 100)),
        format!("do     {}", paint.bold(&deed(&plan.deed))),
        format!("undo   {undo}"),
        format!(
            "check  {} read(s) every {} s, healthy for {} s within {} s",
            check.queries.len(),
            check.every_seconds,
            check.hold_seconds,
            check.within_seconds
        ),
        format!("reach  {} ({})", plain(&plan.blast_radius.description, 80), plain(&plan.environment, 30)),
        paint.dim(&format!("hash   {}", plain(hash, 64))),
    ]
}

/// A deed as one line; words with blanks are quoted, for reading only: nothing ever runs it as a line.
pub fn deed(deed: &Deed) -> String {
    let words = match deed {
        Deed::Argv(words) => words,
        Deed::Http(request) => return self::request(request),
    };
    let spell = |word: &String| {
        let word = plain(word, 120);
        if word.contains([' ', '"']) || word.is_empty() { format!("{word:?}") } else { word }
    };
    words.iter().map(spell).collect::<Vec<_>>().join(" ")
}

/// A request as one line: method, address, then what else is part of it.
pub fn request(request: &HttpDeed) -> String {
    let mut line = format!("{} {}", plain(&request.method, 10), plain(&request.url, 300));
    for (name, value) in &request.headers {
        line.push_str(&format!(" [{}: {}]", plain(name, 60), plain(value, 120)));
    }
    if let Some(body) = &request.body {
        line.push_str(&format!(" {}", plain(body, 400)));
    }
    let expected: Vec<String> =
        request.expect.iter().map(|(name, value)| format!("{}={}", plain(name, 60), plain(value, 120))).collect();
    if !expected.is_empty() {
        line.push_str(&format!(" if {}", expected.join(", ")));
    }
    line
}

fn act(event: &Event, paint: Paint) -> Vec<String> {
    match event {
        Event::ActionRuled { action, ruling } => match ruling {
            Ruling::Allow { why } => {
                vec![format!("{} {}", paint.green(&format!("policy allows {action}:")), plain(why, 90))]
            }
            Ruling::Ask { why, .. } => {
                vec![format!("{} {}", paint.yellow(&format!("policy asks a person about {action}:")), plain(why, 90))]
            }
            Ruling::Deny { why } => {
                vec![format!("{} {}", paint.red(&format!("policy denies {action}:")), plain(why, 90))]
            }
        },
        Event::ApprovalRequested { action, expires_at } => {
            vec![format!("waiting for a person to approve {action} until {expires_at}")]
        }
        Event::ApprovalGranted { action, by, comment, .. } => {
            vec![format!(
                "{} {}",
                paint.green(&format!("{action} approved by {}", plain(by.as_str(), 40))),
                plain(comment, 80)
            )]
        }
        Event::ApprovalRejected { action, by, comment } => {
            vec![format!(
                "{} {}",
                paint.red(&format!("{action} rejected by {}", plain(by.as_str(), 40))),
                plain(comment, 80)
            )]
        }
        Event::ApprovalExpired { action } => vec![paint.yellow(&format!("nobody approved {action} in time"))],
        Event::DeedBlocked { action, why } => {
            vec![paint.red(&format!("{action} blocked at the last moment: {}", plain(why, 90)))]
        }
        Event::ActionStarted { action, attempt, .. } => {
            vec![paint.bold(&format!("{action} starts (attempt {attempt}); the intent is on disk"))]
        }
        Event::ActionFinished { action, ok, output } => {
            let verdict = if *ok { paint.green("done") } else { paint.red("failed") };
            vec![format!("{action} {verdict}: {}", plain(output, 100))]
        }
        Event::Reconciled { action, applied, note } => {
            vec![format!("looked whether {action} was done: {applied:?} {}", plain(note, 80)).to_lowercase()]
        }
        _ => vec![],
    }
}

fn evaluate(event: &Event, paint: Paint) -> Vec<String> {
    match event {
        Event::StateChecked { reading, .. } => {
            let note = plain(&reading.note, 100);
            vec![match reading.health {
                Health::Healthy => format!("{} {note}", paint.green("healthy:")),
                Health::Unhealthy => format!("{} {note}", paint.red("unhealthy:")),
                Health::Unknown => format!("{} {note}", paint.yellow("cannot tell:")),
            }]
        }
        Event::Verified { action, outcome, note } => vec![match outcome {
            Outcome::Fixed => format!("{} {}", paint.green(&format!("{action} helped:")), plain(note, 90)),
            Outcome::Unchanged => format!("{} {}", paint.red(&format!("{action} did not help:")), plain(note, 90)),
            Outcome::Unknown => format!(
                "{} {}",
                paint.yellow(&format!("{action}: nobody can tell whether it helped:")),
                plain(note, 80)
            ),
        }],
        Event::Resolved { resolution, by, why } => {
            let word =
                serde_json::to_value(resolution).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
            vec![format!(
                "{} {} ({})",
                paint.green(&format!("RESOLVED: {word}")),
                plain(why, 90),
                plain(by.as_str(), 40)
            )]
        }
        Event::Escalated { why } => vec![format!("{} {}", paint.red("ESCALATED to a person:"), plain(why, 100))],
        Event::Dismissed { by, why } => vec![format!("dismissed by {}: {}", plain(by.as_str(), 40), plain(why, 90))],
        Event::Retried { by, why } => vec![format!("retried by {}: {}", plain(by.as_str(), 40), plain(why, 90))],
        Event::DeadLettered { why } => vec![paint.red(&format!("dead letter: {}", plain(why, 100)))],
        _ => vec![],
    }
}

/// Whether nothing more will come after this event unless somebody says something.
pub fn is_last(kind: &str) -> bool {
    matches!(kind, "resolved" | "escalated" | "dismissed" | "dead_lettered" | "merged_into")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(json: Value) -> String {
        lines(&serde_json::from_value(json).unwrap(), Paint::plain(120))
    }

    #[test]
    fn an_entry_is_told_in_words_and_hostile_text_cannot_steer_the_terminal() {
        let told = show(serde_json::json!({
            "position": 7, "incident_id": "i1", "seq": 3, "at": "2026-11-22T14:00:00.250Z", "node": "evaluate",
            "type": "escalated", "data": {"why": "out of budget\u{1b}[2J"}
        }));
        assert_eq!(told, "14:00:00.250  evaluate  ESCALATED to a person: out of budget [2J");
    }

    #[test]
    fn an_event_of_a_newer_version_is_named_and_nothing_breaks() {
        assert!(
            show(serde_json::json!({"type": "moon_phase_changed", "data": {"x": 1}})).contains("moon_phase_changed")
        );
    }
}
