//! Where a signal belongs: to a new incident or to one that is already open. A pure decision; carrying it out is one
//! transaction of the store.

use crate::ids::IncidentId;
use crate::signal::{Severity, Signal, SignalState};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// An alert that comes back within this time after it went away is the same trouble: flapping opens no second incident.
pub const FLAP_MILLIS: i64 = 10 * 60 * 1000;

/// What is known about the fingerprint of a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownAlert {
    /// The newest incident it belongs to.
    pub incident: IncidentId,
    /// Whether that incident is resolved or dismissed.
    pub over: bool,
    /// Whether it went away by itself.
    pub self_recovered: bool,
    /// When that incident last changed.
    pub updated_at: Timestamp,
    /// The gravest severity seen.
    pub severity: Severity,
    /// Whether the alert is firing now.
    pub firing: bool,
}

/// What to do with a signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Triage {
    /// A new incident.
    Open,
    /// The same alert again: count it.
    Repeat {
        /// Where it belongs.
        incident: IncidentId,
    },
    /// The same alert again, but worse, or again after it had been resolved: the investigation should know.
    Join {
        /// Where it belongs.
        incident: IncidentId,
        /// Why.
        why: String,
    },
    /// It came back soon after it had gone away by itself.
    Reopen {
        /// Where it belongs.
        incident: IncidentId,
    },
    /// Its sender says that it is over.
    Resolve {
        /// Where it belongs.
        incident: IncidentId,
    },
    /// Over before it began: stored, and nothing else.
    Ignore,
}

/// Decides where a signal belongs.
pub fn triage(signal: &Signal, known: Option<&KnownAlert>) -> Triage {
    let Some(known) = known else {
        return match signal.state {
            SignalState::Firing => Triage::Open,
            SignalState::Resolved => Triage::Ignore,
        };
    };
    let incident = known.incident.clone();
    match signal.state {
        SignalState::Resolved if known.over => Triage::Ignore,
        SignalState::Resolved => Triage::Resolve { incident },
        SignalState::Firing if known.over => {
            let soon = signal.received_at.millis_since(known.updated_at) <= FLAP_MILLIS;
            if known.self_recovered && soon { Triage::Reopen { incident } } else { Triage::Open }
        }
        SignalState::Firing if !known.firing => Triage::Join { incident, why: "it fires again".into() },
        SignalState::Firing if signal.severity > known.severity => {
            Triage::Join { incident, why: "it got worse".into() }
        }
        SignalState::Firing => Triage::Repeat { incident },
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::signal::SignalType;
    use serde_json::json;
    use std::collections::BTreeMap;

    pub(crate) fn signal(state: SignalState, severity: Severity, at: i64) -> Signal {
        Signal {
            id: "s1".into(),
            signal_type: SignalType::Alert,
            source: "alertmanager".into(),
            delivery_id: None,
            state,
            severity,
            title: "CartErrors".into(),
            text: "5xx on cart".into(),
            labels: BTreeMap::from([("service".into(), "cart".into())]),
            repo_id: None,
            source_ref: None,
            occurred_at: Timestamp(at),
            received_at: Timestamp(at),
            tags: vec![],
            metadata: json!({}),
        }
    }

    fn known(over: bool, firing: bool) -> KnownAlert {
        let (incident, updated_at) = ("i1".into(), Timestamp(0));
        KnownAlert { incident, over, self_recovered: over, updated_at, severity: Severity::Medium, firing }
    }

    fn word(signal: &Signal, known: Option<&KnownAlert>) -> String {
        let value = serde_json::to_value(triage(signal, known)).unwrap();
        value["decision"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_storm_of_the_same_alert_is_one_incident() {
        let firing = signal(SignalState::Firing, Severity::Medium, 1000);
        assert_eq!(word(&firing, None), "open");
        assert_eq!(word(&firing, Some(&known(false, true))), "repeat");
        assert_eq!(word(&signal(SignalState::Firing, Severity::Critical, 1000), Some(&known(false, true))), "join");
        assert_eq!(word(&firing, Some(&known(false, false))), "join");
    }

    #[test]
    fn flapping_goes_on_in_the_same_incident_but_not_for_ever() {
        let after = |millis| signal(SignalState::Firing, Severity::Medium, millis);
        assert_eq!(word(&after(FLAP_MILLIS), Some(&known(true, false))), "reopen");
        assert_eq!(word(&after(FLAP_MILLIS + 1), Some(&known(true, false))), "open");
        let by_a_person = KnownAlert { self_recovered: false, ..known(true, false) };
        assert_eq!(word(&after(1), Some(&by_a_person)), "open");
    }

    #[test]
    fn a_resolved_notice_ends_only_what_is_open() {
        let resolved = signal(SignalState::Resolved, Severity::Medium, 1000);
        assert_eq!(word(&resolved, None), "ignore");
        assert_eq!(word(&resolved, Some(&known(false, true))), "resolve");
        assert_eq!(word(&resolved, Some(&known(true, false))), "ignore");
    }
}
