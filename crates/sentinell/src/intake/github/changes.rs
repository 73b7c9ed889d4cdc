//! What a GitHub event says that somebody changed.

use super::super::payload::Payload;
use super::super::{TITLE_LIMIT, text};
use super::is_default;
use sentinell_core::evidence::Change;
use sentinell_core::time::Timestamp;
use serde_json::Value;

/// Commits of one push that are looked at.
const COMMITS: usize = 20;
/// Paths kept of one commit.
const PATHS: usize = 50;

/// The changes that an event tells of: commits that reach the default branch, deployments that succeed, releases.
pub(super) fn told(event: &str, payload: &Value) -> Vec<Change> {
    let said = Payload(payload);
    match (event, said.text("/action")) {
        ("push", _) => pushed(payload),
        ("pull_request", "closed") if payload.pointer("/pull_request/merged") == Some(&Value::Bool(true)) => {
            let title = format!("#{} {}", said.word("/pull_request/number"), said.text("/pull_request/title"));
            let reference = "/pull_request/merge_commit_sha";
            let on_default = is_default(payload, said.text("/pull_request/base/ref"));
            let merged =
                change(said, "commit", "/pull_request/merged_at", &title, reference, "/pull_request/merged_by/login");
            merged.filter(|_| on_default).into_iter().collect()
        }
        ("deployment_status", _) if said.text("/deployment_status/state") == "success" => {
            let title =
                format!("{} deployed to {}", said.text("/deployment/ref"), said.text("/deployment/environment"));
            let by = "/deployment/creator/login";
            change(said, "deploy", "/deployment_status/created_at", &title, "/deployment/sha", by).into_iter().collect()
        }
        ("release", "published") => {
            let title = format!("release {}", said.first(&["/release/name", "/release/tag_name"]));
            let by = "/release/author/login";
            change(said, "deploy", "/release/published_at", &title, "/release/tag_name", by).into_iter().collect()
        }
        _ => vec![],
    }
}

fn pushed(payload: &Value) -> Vec<Change> {
    let branch = Payload(payload).text("/ref").strip_prefix("refs/heads/");
    let commits = payload.get("commits").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !branch.is_some_and(|branch| is_default(payload, branch)) {
        return vec![];
    }
    let one = |commit: &Value| {
        let said = Payload(commit);
        let mut change = Change {
            at: said.time("/timestamp")?,
            kind: "commit".into(),
            subject: subject(payload)?,
            summary: said.line(&["/message"])?,
            reference: said.line(&["/id"])?,
            touched: vec![],
            author: said.line(&["/author/username", "/author/name"]),
        };
        let paths = ["added", "modified", "removed"].iter().filter_map(|kind| commit.get(*kind)?.as_array()).flatten();
        change.touched = paths.filter_map(|path| Some(text::line(path.as_str()?, TITLE_LIMIT))).take(PATHS).collect();
        Some(change)
    };
    commits.iter().rev().take(COMMITS).filter_map(one).collect()
}

fn change(said: Payload<'_>, kind: &str, at: &str, title: &str, reference: &str, author: &str) -> Option<Change> {
    Some(Change {
        at: said.time(at)?,
        kind: kind.into(),
        subject: subject(said.0)?,
        summary: text::line(title, TITLE_LIMIT),
        reference: said.line(&[reference])?,
        touched: vec![],
        author: said.line(&[author]),
    })
}

/// The repository's name without its owner: what a service made of it is usually called.
fn subject(payload: &Value) -> Option<String> {
    let name = text::line(payload.pointer("/repository/name")?.as_str()?, TITLE_LIMIT);
    Some(format!("service/{name}")).filter(|_| !name.is_empty())
}

/// What the changes in a stored signal's metadata are, those after `since` and before `until`.
pub(crate) fn within(metadata: &Value, since: Timestamp, until: Timestamp) -> Vec<Change> {
    let changes = metadata.get("changes").cloned().and_then(|changes| serde_json::from_value(changes).ok());
    let changes: Vec<Change> = changes.unwrap_or_default();
    changes.into_iter().filter(|change| (since..=until).contains(&change.at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn repository() -> Value {
        json!({"name": "mill", "full_name": "town/mill", "default_branch": "main"})
    }

    #[test]
    fn a_push_to_the_default_branch_is_its_commits() {
        let push = |branch: &str| {
            json!({"ref": format!("refs/heads/{branch}"), "repository": repository(), "commits": [
                {"id": "aa", "message": "Turn the wheel the other way\n\nlong", "timestamp": "2026-11-22T12:00:00+01:00",
                 "author": {"name": "Ann"}, "added": [], "modified": ["wheel.toml"], "removed": []},
                {"id": "bb", "message": "", "timestamp": "never"}]})
        };
        let told = told("push", &push("main"));
        assert_eq!(told.len(), 1);
        assert_eq!((&*told[0].subject, &*told[0].summary), ("service/mill", "Turn the wheel the other way"));
        assert_eq!((&*told[0].touched[0], told[0].author.as_deref()), ("wheel.toml", Some("Ann")));
        assert_eq!(super::told("push", &push("idea")), vec![]);
        let metadata = json!({ "changes": told });
        let at = told[0].at;
        assert_eq!(within(&metadata, at, at).len(), 1);
        assert_eq!(within(&metadata, at.plus_seconds(1), at.plus_seconds(9)).len(), 0);
    }

    #[test]
    fn merges_deployments_and_releases_are_changes() {
        let merged = json!({"action": "closed", "repository": repository(), "pull_request": {"merged": true, "number": 7,
            "title": "a new wheel", "merged_at": "2026-11-22T12:00:00Z", "merge_commit_sha": "cc", "base": {"ref": "main"}}});
        assert_eq!(told("pull_request", &merged)[0].summary, "#7 a new wheel");
        let deployed = json!({"repository": repository(), "deployment": {"ref": "main", "sha": "dd", "environment": "prod"},
            "deployment_status": {"state": "success", "created_at": "2026-11-22T12:00:00Z"}});
        let deployed = told("deployment_status", &deployed);
        assert_eq!((&*deployed[0].kind, &*deployed[0].summary), ("deploy", "main deployed to prod"));
        let release = json!({"action": "published", "repository": repository(),
            "release": {"tag_name": "v2", "published_at": "2026-11-22T12:00:00Z"}});
        assert_eq!(told("release", &release)[0].reference, "v2");
        for odd in [json!({}), json!([]), json!({"commits": 1, "ref": []})] {
            assert_eq!((told("push", &odd), told("release", &odd)), (vec![], vec![]));
        }
    }
}
