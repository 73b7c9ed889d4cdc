//! What the engine tells of a container, as far as it is read.

use super::moment;
use crate::docker::Known;
use crate::text::one_line;
use sentinell_core::evidence::{LogLine, Telemetry};
use sentinell_core::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// How one container is.
pub(super) struct Container {
    pub created: Option<Timestamp>,
    pub image_id: String,
    pub running: bool,
    pub tty: bool,
    name: String,
    state: String,
    exit_code: i64,
    oom_killed: bool,
    restarts: i64,
    health: String,
    memory_limit: u64,
    error: String,
}

impl Container {
    /// Of the engine's answer; only these fields are ever read of it.
    pub(super) fn of(details: &Value, known: &Known) -> Self {
        let state = &details["State"];
        let word = |value: &Value| one_line(value.as_str().unwrap_or_default(), 40).replace(' ', "_");
        let health = &state["Health"];
        let failing = health["Log"].as_array().and_then(|log| log.last()).filter(|last| last["ExitCode"] != 0);
        let said = failing.and_then(|last| last["Output"].as_str()).unwrap_or_default();
        let error = state["Error"].as_str().filter(|text| !text.is_empty()).unwrap_or(said);
        Self {
            created: details["Created"].as_str().and_then(moment),
            image_id: one_line(details["Image"].as_str().unwrap_or_default(), 80),
            running: state["Running"] == true,
            tty: details["Config"]["Tty"] == true,
            name: one_line(&known.name, 200).replace(' ', "_"),
            state: word(&state["Status"]),
            exit_code: state["ExitCode"].as_i64().unwrap_or_default(),
            oom_killed: state["OOMKilled"] == true,
            restarts: details["RestartCount"].as_i64().unwrap_or_default(),
            health: word(&health["Status"]),
            memory_limit: details["HostConfig"]["Memory"].as_u64().unwrap_or_default(),
            error: one_line(error, 300),
        }
    }

    /// The state as one line, which the engine of evidence reads.
    pub(super) fn line(&self, now: Timestamp) -> LogLine {
        let mut text = format!(
            "container={} state={} exit_code={} OOMKilled={} restarts={}",
            self.name, self.state, self.exit_code, self.oom_killed, self.restarts
        );
        if !self.health.is_empty() && self.health != "none" {
            text.push_str(&format!(" health={}", self.health));
        }
        if self.memory_limit > 0 {
            text.push_str(&format!(" memory_limit={}", self.memory_limit));
        }
        if !self.error.is_empty() {
            text.push_str(&format!(" error={}", self.error));
        }
        LogLine { at: Some(now), level: None, text, trace: None }
    }

    /// Figures of this moment.
    pub(super) fn figures(&self, stats: &Value, subject: &str, source: &str, now: Timestamp) -> Vec<Telemetry> {
        let memory = &stats["memory_stats"];
        let cache = ["total_inactive_file", "inactive_file"];
        let cache = cache.iter().find_map(|name| memory["stats"][*name].as_f64()).unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "figures for people")]
        let limit = (self.memory_limit > 0).then_some(self.memory_limit as f64);
        let figures = [
            ("container_memory_working_set_bytes", memory["usage"].as_f64().map(|usage| usage - cache)),
            ("container_memory_limit_bytes", limit),
            ("container_processes", stats["pids_stats"]["current"].as_f64()),
            ("container_cpu_throttled_periods", stats["cpu_stats"]["throttling_data"]["throttled_periods"].as_f64()),
        ];
        let told = |(name, value): (&str, Option<f64>)| {
            let points = vec![(now.0, value.filter(|value| value.is_finite())?)];
            let labels = BTreeMap::from([("container".to_owned(), self.name.clone())]);
            let (subject, source) = (subject.to_owned(), source.to_owned());
            Some(Telemetry::Metric { subject, name: name.to_owned(), labels, source, points })
        };
        figures.into_iter().filter_map(told).collect()
    }
}

/// An event as one line: `container=till-1 event=die exit_code=137`.
pub(super) fn happened(event: &Value) -> Option<LogLine> {
    let action = event["Action"].as_str()?;
    let word = |text: &str| one_line(text, 200).replace(' ', "_");
    let attributes = &event["Actor"]["Attributes"];
    let mut text =
        format!("container={} event={}", word(attributes["name"].as_str()?), word(&action.replace(": ", "=")));
    if let Some(code) = attributes["exitCode"].as_str().and_then(|code| code.parse::<i64>().ok()) {
        text.push_str(&format!(" exit_code={code}"));
    }
    let at = event["time"].as_i64().map(|seconds| Timestamp(seconds.saturating_mul(1000)));
    Some(LogLine { at, level: None, text, trace: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_container_is_known_by_its_labels_or_its_name_and_nothing_of_its_environment_is_told() {
        let id = "0123456789abcdef";
        let known =
            |names: Value, labels: Value| Known::of(&json!({"Id": id, "Names": names, "Labels": labels})).unwrap();
        assert!(known(json!(["/fair-till-1"]), json!({"com.docker.compose.service": "till"})).is_of("Till"));
        assert!(known(json!(["/x"]), json!({"com.docker.swarm.service.name": "fair_till"})).is_of("till"));
        assert!(
            known(json!(["/till-2"]), json!({})).is_of("till") && !known(json!(["/tiller"]), json!({})).is_of("till")
        );
        assert!(Known::of(&json!({"Id": "../../images/json", "Names": ["/x"]})).is_none());
        let details = json!({"Config": {"Env": ["TOKEN=hunter2"], "Cmd": ["--key=hunter2"]}, "Args": ["hunter2"],
            "State": {"Status": "exited", "ExitCode": 3, "Error": ""}});
        let container = Container::of(&details, &known(json!(["/till-1"]), json!({})));
        let line = container.line(Timestamp(1)).text;
        assert_eq!(line, "container=till-1 state=exited exit_code=3 OOMKilled=false restarts=0");
    }
}
