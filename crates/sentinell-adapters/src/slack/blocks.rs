//! What the bot says, as Block Kit blocks. Text from outside stands in `plain_text` and preformatted elements only, where
//! Slack neither formats nor links nor calls anybody.
//!
//! <https://docs.slack.dev/reference/block-kit/blocks>

use super::Message;
use sentinell_core::notice::{DeedShown, Notice, NoticeKind};
use serde_json::{Value, json};

/// Characters of a plain text, of 3,000 that Slack takes.
const PLAIN: usize = 2900;

/// The `action_id` of the two buttons.
pub const APPROVE: &str = "sentinell_approve";
/// See [`APPROVE`].
pub const REJECT: &str = "sentinell_reject";

/// The three characters that mean something to Slack.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The first message of an incident that did not come out of Slack.
pub fn root(notice: &Notice, link: Option<&str>) -> Message {
    let (severity, title) = (word(&notice.incident.severity), &notice.incident.title);
    let stands = notice.incident.resolution.as_ref().map_or_else(|| notice.incident.phase.replace('_', " "), word);
    let blocks = json!([plain(title), context(&format!("{severity} · {stands}"), link)]);
    Message { text: escape(&format!("{severity}: {title}")), blocks }
}

/// What there is to say in the thread, with buttons where a person is asked.
pub fn reply(notice: &Notice, link: Option<&str>) -> Message {
    let mut blocks = vec![plain(&notice.summary)];
    if let Some(cause) = notice.cause.as_ref().filter(|_| notice.kind != NoticeKind::Hypothesis) {
        let line = format!("{}: {} ({:.0} % sure)", cause.component, cause.statement, cause.confidence * 100.0);
        blocks.push(plain(&format!("Cause: {line}")));
    }
    if let Some(action) = notice.action.as_ref().filter(|_| notice.kind == NoticeKind::ApprovalWanted) {
        blocks.extend(asked(notice, action));
    }
    blocks.push(context(&notice.kind.word().replace('_', " "), link));
    Message { text: escape(&notice.summary), blocks: Value::Array(blocks) }
}

/// An answer to a question: lines of text from outside.
pub fn answer(text: &str, link: Option<&str>) -> Message {
    let blocks = json!([plain(text), context("from the journal and its evidence alone", link)]);
    Message { text: escape(&cut(text, 300)), blocks }
}

/// The message that asked, without its buttons, and what became of it. `by` is a user's id.
pub fn decided(blocks: &Value, line: &str, by: Option<&str>) -> Message {
    let kept = blocks.as_array().into_iter().flatten().filter(|block| block["type"] != "actions");
    let mut blocks: Vec<Value> = kept.take(40).cloned().collect();
    let plain_id = |id: &&str| id.bytes().all(|c| c.is_ascii_alphanumeric());
    let who = by.filter(plain_id).map(|id| format!(" <@{id}>")).unwrap_or_default();
    blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": format!("{}{who}", escape(line))}]}));
    Message { text: escape(line), blocks: Value::Array(blocks) }
}

/// Exactly what would run, how far it reaches, what takes it back; and two buttons, if all of it is shown.
fn asked(notice: &Notice, action: &DeedShown) -> Vec<Value> {
    let (deed, whole) = shown(&action.deed);
    let mut blocks = vec![code(&deed)];
    let mut facts = format!(
        "On: {} ({})\nReaches: {}\nUntil: {}",
        action.target, action.environment, action.blast_radius, action.expires_at
    );
    match action.undo.as_ref().map(shown) {
        Some((undo, _)) => facts.push_str(&format!("\nTaken back by: {undo}")),
        None => facts.push_str("\nCannot be taken back"),
    }
    blocks.push(plain(&facts));
    if !whole {
        blocks.push(plain("It is too long to be shown here whole: decide on the incident's page."));
        return blocks;
    }
    let value = json!({"incident": notice.incident.id, "action": action.id, "hash": action.hash}).to_string();
    let sure = json!({"title": {"type": "plain_text", "text": "Approve?"}, "confirm": {"type": "plain_text", "text": "Approve"},
        "deny": {"type": "plain_text", "text": "Not yet"}, "style": "primary",
        "text": {"type": "plain_text", "text": cut(&format!("{} on {}", action.kind, action.target), 290), "emoji": false}});
    let button = |id: &str, name: &str, style: &str| {
        json!({"type": "button", "action_id": id, "style": style,
        "text": {"type": "plain_text", "text": name}, "value": value})
    };
    let mut approve = button(APPROVE, "Approve", "primary");
    approve["confirm"] = sure;
    // What does not fit into a button's value cannot be approved by pressing it.
    if value.len() <= 2000 {
        blocks.push(json!({"type": "actions", "elements": [approve, button(REJECT, "Reject", "danger")]}));
    }
    blocks
}

/// A deed as one reads it, and whether nothing of it was cut.
fn shown(deed: &Value) -> (String, bool) {
    let text = match deed["argv"].as_array() {
        Some(argv) => argv.iter().map(|word| quoted(word.as_str().unwrap_or_default())).collect::<Vec<_>>().join(" "),
        None => deed.to_string(),
    };
    let whole = !text.contains('…') && text.chars().count() <= PLAIN;
    (cut(&text, PLAIN), whole)
}

/// A word as a shell would have to be given it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn plain(text: &str) -> Value {
    // Slack refuses an empty text.
    let text = if text.trim().is_empty() { "–" } else { text };
    json!({"type": "section", "text": {"type": "plain_text", "text": cut(text, PLAIN), "emoji": false}})
}

fn code(text: &str) -> Value {
    let element = json!({"type": "rich_text_preformatted", "elements": [{"type": "text", "text": text}]});
    json!({"type": "rich_text", "elements": [element]})
}

/// A small line of our own words, with the way to the incident's page.
fn context(words: &str, link: Option<&str>) -> Value {
    let link = link.map(|link| format!(" · <{}|open>", escape(link).replace('|', "%7C"))).unwrap_or_default();
    json!({"type": "context", "elements": [{"type": "mrkdwn", "text": format!("{}{link}", escape(words))}]})
}

fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest - 1).chain(['…']).collect()
}

fn word<T: serde::Serialize>(value: &T) -> String {
    let word = serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned));
    word.unwrap_or_default().replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sentinell_core::time::Timestamp;

    fn wanted(argv: &[&str], summary: &str) -> Notice {
        let mut notice = Notice::test("n1".into(), Timestamp(0));
        notice.kind = NoticeKind::ApprovalWanted;
        notice.summary = summary.to_owned();
        notice.action = Some(DeedShown {
            id: "a1".into(),
            hash: serde_json::from_value(json!("f".repeat(64))).unwrap(),
            kind: "kubernetes.rollout_undo".into(),
            target: "deployment/shop/cart".into(),
            environment: "staging".into(),
            deed: json!({"argv": argv}),
            undo: None,
            blast_radius: "2 pods".into(),
            why: "it cannot run".into(),
            expires_at: Timestamp(0),
        });
        notice
    }

    #[test]
    fn buttons_carry_exactly_the_action_that_is_shown() {
        let message = reply(&wanted(&["kubectl", "undo", "it's"], "Approval wanted"), Some("https://here.example/#i"));
        let text = message.blocks.to_string();
        assert!(text.contains(r"kubectl undo 'it'\\''s'"), "{text}");
        let buttons = message.blocks.as_array().unwrap().iter().find(|block| block["type"] == "actions").unwrap();
        let value: Value = serde_json::from_str(buttons["elements"][0]["value"].as_str().unwrap()).unwrap();
        assert_eq!((&value["action"], &value["hash"]), (&json!("a1"), &json!("f".repeat(64))));
        let over = decided(&message.blocks, "Approved by", Some("U1"));
        assert!(over.blocks.as_array().unwrap().iter().all(|block| block["type"] != "actions"));
    }

    #[test]
    fn what_is_not_shown_whole_cannot_be_approved_here() {
        let long = "x".repeat(4000);
        let message = reply(&wanted(&["kubectl", &long], "Approval wanted"), None);
        assert!(!message.blocks.to_string().contains(APPROVE));
    }

    #[test]
    fn text_from_outside_calls_nobody() {
        let message = reply(&wanted(&["true"], "<!channel> <@U9> <https://bad.example|ok>"), None);
        assert_eq!(message.blocks[0]["text"]["type"], "plain_text");
        assert!(!message.text.contains('<'), "{}", message.text);
        assert!(!decided(&json!([]), "no", Some("U1> <!channel")).blocks.to_string().contains("<!"));
    }
}
