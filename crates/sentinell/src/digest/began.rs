//! When it began, as the alerting rule knows it: an alert is told only after its condition has held for a while (`for:`), and
//! what is measured meanwhile is not how it is usually.

use sentinell_core::evidence::{Observation, Telemetry};
use sentinell_core::signal::Signal;
use sentinell_core::time::Timestamp;

/// What Prometheus calls its record of pending and firing alerts
/// (<https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/>, "Inspecting alerts during runtime").
const ALERTS: &str = "ALERTS";
/// So many steps of the record may be missing in the middle.
const MISSING: i64 = 3;

/// When the signal says that it began, or earlier, where the observation holds the record of its alert: when its condition
/// began to hold.
pub(super) fn began(signal: &Signal, observation: &Observation) -> Timestamp {
    let of_this = |telemetry: &Telemetry| match telemetry {
        Telemetry::Metric { name, labels, points, .. } if name == ALERTS => {
            let named = labels.get("alertname").is_some_and(|name| signal.labels.get("alertname") == Some(name));
            let same = labels.iter().all(|(key, value)| signal.labels.get(key).is_none_or(|told| told == value));
            (named && same).then(|| points.iter().map(|(at, _)| *at).collect::<Vec<_>>())
        }
        _ => None,
    };
    let mut times: Vec<i64> = observation.telemetry.iter().filter_map(of_this).flatten().collect();
    times.sort_unstable();
    times.dedup();
    let step = times.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap_or(0);
    let mut began = signal.occurred_at.0;
    for at in times.into_iter().rev().skip_while(|at| *at > signal.occurred_at.0) {
        if began - at > MISSING * step {
            break;
        }
        began = at;
    }
    Timestamp(began)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sentinell_core::signal::{Severity, SignalState, SignalType};
    use serde_json::Value;

    const MINUTE: i64 = 60_000;

    fn record(state: &str, service: &str, minutes: std::ops::Range<i64>) -> Telemetry {
        let labels = [("alertname", "Slow"), ("alertstate", state), ("service", service)];
        Telemetry::Metric {
            subject: format!("service/{service}"),
            name: ALERTS.into(),
            labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            source: ALERTS.into(),
            points: minutes.map(|minute| (minute * MINUTE, 1.0)).collect(),
        }
    }

    fn told(telemetry: Vec<Telemetry>) -> i64 {
        let labels = [("alertname", "Slow"), ("service", "kiosk")];
        let signal = Signal {
            id: "s1".into(),
            signal_type: SignalType::Alert,
            source: "alertmanager".into(),
            delivery_id: None,
            state: SignalState::Firing,
            severity: Severity::High,
            title: "Slow".into(),
            text: String::new(),
            labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            repo_id: None,
            source_ref: None,
            occurred_at: Timestamp(100 * MINUTE),
            received_at: Timestamp(101 * MINUTE),
            tags: vec![],
            metadata: Value::Null,
        };
        began(&signal, &Observation { telemetry, ..Observation::default() }).0 / MINUTE
    }

    #[test]
    fn an_alert_that_was_pending_for_a_while_began_then() {
        let earlier = record("firing", "kiosk", 20..30);
        assert_eq!(told(vec![]), 100, "as the signal says");
        assert_eq!(
            told(vec![earlier.clone(), record("pending", "kiosk", 90..100), record("firing", "kiosk", 100..103)]),
            90
        );
        assert_eq!(told(vec![earlier, record("pending", "till", 80..100)]), 100, "another service's, or long over");
    }
}
