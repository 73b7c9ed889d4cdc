//! Any other sender's JSON, by a mapping from the configuration.

use super::payload::Payload;
use super::{Incoming, Receipt, TITLE_LIMIT, is_over, severity, text};
use crate::config::Mapping;
use sentinell_core::alert::fingerprint;
use sentinell_core::signal::{SignalState, SignalType};
use serde_json::{Value, json};

/// The alerts of one delivery: those of the list that the mapping names, or the body itself.
///
/// # Errors
/// When there is no list where the mapping says.
pub fn alerts(mapping: &Mapping, body: Value) -> Result<Vec<Value>, String> {
    let Some(each) = &mapping.each else { return Ok(vec![body]) };
    match body.pointer(each) {
        Some(Value::Array(items)) => Ok(items.clone()),
        _ => Err(format!("expected a list of alerts here, as [[generic]] `{}` says", mapping.name)),
    }
}

/// Maps one alert. The same `key` is the same alert.
pub fn incoming(mapping: &Mapping, alert: &Value, receipt: Receipt) -> Incoming {
    let said = Payload(alert);
    let at = |pointer: &Option<String>| pointer.as_deref().map(|pointer| said.word(pointer)).unwrap_or_default();
    let title = said.word(&mapping.title);
    let keys: Vec<String> = mapping.key.iter().map(|pointer| said.word(pointer)).collect();
    let parts = keys.iter().map(String::as_str);
    let fingerprint = match keys.iter().all(String::is_empty) {
        true => fingerprint(["generic", &mapping.name, &title]),
        false => fingerprint(["generic", mapping.name.as_str()].into_iter().chain(parts)),
    };
    let body = match at(&mapping.text) {
        empty if empty.is_empty() => title.clone(),
        body => body,
    };
    let state = at(&mapping.state);
    let over = match mapping.resolved.as_slice() {
        [] => is_over(&state),
        words => words.iter().any(|word| word.eq_ignore_ascii_case(state.trim())),
    };
    let mut signal = receipt.signal(SignalType::Alert, &mapping.name, &title, &body);
    signal.state = if over { SignalState::Resolved } else { SignalState::Firing };
    signal.severity = severity(&at(&mapping.severity));
    let moment = mapping.at.as_deref().and_then(|pointer| said.time(pointer));
    signal.occurred_at = moment.unwrap_or(signal.received_at);
    signal.source_ref = mapping.link.as_deref().and_then(|pointer| said.line(&[pointer]));
    let label =
        |(name, pointer): (&String, &String)| Some((name.clone(), text::line(&said.word(pointer), TITLE_LIMIT)));
    signal.labels = mapping.labels.iter().filter_map(label).filter(|(_, value)| !value.is_empty()).collect();
    signal.metadata = json!({ "state": text::line(&state, TITLE_LIMIT) });
    Incoming { signal, fingerprint }
}

#[cfg(test)]
mod tests {
    use super::super::tests::receipt;
    use super::*;

    fn mapping(more: &str) -> Mapping {
        let text = format!(
            "name = \"bells\"\ntitle = \"/what\"\nkey = [\"/where\", \"/check\"]\nstate = \"/state\"\n\
             severity = \"/state\"\nlabels = {{ service = \"/where\", floor = \"/floor\" }}\n{more}"
        );
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn a_mapping_finds_what_it_names() {
        let bell = |state: &str| json!({"what": "rings", "where": "mill", "check": 7, "state": state, "floor": 2});
        let bad = incoming(&mapping(""), &bell("CRITICAL"), receipt());
        assert_eq!((bad.signal.state, &*bad.signal.source), (SignalState::Firing, "bells"));
        assert_eq!((&*bad.signal.labels["service"], &*bad.signal.labels["floor"]), ("mill", "2"));
        let over = incoming(&mapping(""), &bell("OK"), receipt());
        assert_eq!((over.signal.state, &over.fingerprint), (SignalState::Resolved, &bad.fingerprint));
        let quiet = mapping("resolved = [\"quiet\"]");
        assert_eq!(incoming(&quiet, &bell("OK"), receipt()).signal.state, SignalState::Firing);
        assert_eq!(incoming(&quiet, &bell("Quiet"), receipt()).signal.state, SignalState::Resolved);
    }

    #[test]
    fn several_come_as_a_list_and_nothing_makes_it_stumble() {
        let list = mapping("each = \"/bells\"");
        assert_eq!(alerts(&list, json!({"bells": [1, {}]})).unwrap().len(), 2);
        assert!(alerts(&list, json!({"bells": 1})).unwrap_err().contains("`bells`"));
        for odd in [json!(null), json!([]), json!({"what": {"a": 1}, "where": [1]})] {
            incoming(&mapping(""), &odd, receipt());
        }
    }
}
