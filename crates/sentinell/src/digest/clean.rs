//! Secrets leave an observation before anybody keeps, condenses or shows it.

use sentinell_core::evidence::{LogLine, Observation, Telemetry};
use sentinell_core::redact::redact;
use serde_json::Value;
use std::borrow::Cow;

/// The observation without secrets of a known shape.
#[must_use]
pub fn clean(mut observation: Observation) -> Observation {
    for telemetry in &mut observation.telemetry {
        match telemetry {
            Telemetry::Logs { lines, baseline, .. } => lines.iter_mut().chain(baseline).for_each(clean_line),
            Telemetry::KubernetesJson { object } => clean_value(object),
            Telemetry::KubernetesText { output, .. } => clean_text(output),
            Telemetry::Traces { spans, .. } => spans.iter_mut().for_each(|span| clean_text(&mut span.operation)),
            Telemetry::Change { change } => clean_text(&mut change.summary),
            Telemetry::Precedent { precedent } => {
                [&mut precedent.title, &mut precedent.outcome].into_iter().for_each(clean_text);
            }
            Telemetry::Text { lines, .. } => lines.iter_mut().for_each(clean_text),
            Telemetry::Metric { .. } | Telemetry::Call { .. } => {}
        }
    }
    observation
}

fn clean_line(line: &mut LogLine) {
    clean_text(&mut line.text);
}

fn clean_text(text: &mut String) {
    if let Cow::Owned(clean) = redact(text) {
        *text = clean;
    }
}

/// Strings by themselves, and `{"name": …, "value": …}` pairs as the assignment they are.
fn clean_value(value: &mut Value) {
    match value {
        Value::String(text) => clean_text(text),
        Value::Array(items) => items.iter_mut().for_each(clean_value),
        Value::Object(fields) => {
            if let (Some(Value::String(name)), Some(Value::String(secret))) = (fields.get("name"), fields.get("value"))
            {
                let assignment = format!("{name}={secret}");
                if let Cow::Owned(clean) = redact(&assignment) {
                    let value = clean.strip_prefix(&format!("{name}=")).unwrap_or(&clean).to_owned();
                    fields.insert("value".into(), Value::String(value));
                }
            }
            fields.values_mut().for_each(clean_value);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_password_in_a_pod_template_does_not_survive() {
        let object =
            json!({"env": [{"name": "DB_PASSWORD", "value": "hunter2hunter2"}, {"name": "MODE", "value": "fast"}]});
        let dirty = Observation { telemetry: vec![Telemetry::KubernetesJson { object }], ..Observation::default() };
        let Telemetry::KubernetesJson { object } = &clean(dirty).telemetry[0] else { unreachable!() };
        assert_eq!(object["env"][0]["value"], "[redacted]");
        assert_eq!(object["env"][1]["value"], "fast");
    }
}
