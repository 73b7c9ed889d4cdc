//! Where a signal belongs: to a new incident or to one that is already open. A pure decision; carrying it out is one
//! transaction of the store.

use crate::ids::IncidentId;
use crate::signal::{Severity, Signal, SignalState, SignalType};
use crate::time::Timestamp;
use crate::topology::{self, Spot};
use serde::{Deserialize, Serialize};

/// An alert that comes back within this time after it went away is the same trouble: flapping opens no second incident.
pub const FLAP_MILLIS: i64 = 10 * 60 * 1000;

/// An alert that fires within this time after the last one of its kin belongs to the same incident.
pub const KIN_MILLIS: i64 = 5 * 60 * 1000;
/// However often its kin fires: an incident that has been open for this long takes in no more of it.
pub const KIN_SPAN_MILLIS: i64 = 60 * 60 * 1000;

/// What a new alert may have in common with one that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kin {
    /// What both have: the same text is the same thing.
    pub key: String,
    /// The same in words.
    pub why: String,
}

/// An incident of an alert's kin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KinIncident {
    /// Which.
    pub incident: IncidentId,
    /// Whether it takes in no more: it is resolved or dismissed.
    pub over: bool,
    /// When it opened.
    pub opened_at: Timestamp,
    /// When the last of this kin fired.
    pub last_at: Timestamp,
    /// How long after that one an alert still belongs to it, milliseconds.
    pub within: i64,
    /// What they have in common.
    pub why: String,
}

/// Sources of log lines that nobody picked out: a service in trouble writes many kinds of them.
pub const COLLECTED: [&str; 3] = ["otlp", "loki", "tail"];

/// What makes an alert kin to another, closest first: the same service, the same machine, the same rule in the same namespace.
/// Always within one cluster and environment, and only among alerting systems and collected log lines: what people say, and a
/// log line that somebody chose to send, speaks for itself.
pub fn kin(signal: &Signal) -> Vec<Kin> {
    let collected = signal.signal_type == SignalType::Log && COLLECTED.contains(&signal.source.as_str());
    if signal.signal_type != SignalType::Alert && !collected {
        return vec![];
    }
    let label = |name: &str| signal.labels.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let first = |names: &[&str]| names.iter().find_map(|name| label(name));
    let place = topology::join(&topology::place(signal));
    let kin = |kind: &str, name: &str, why: String| Kin { key: format!("{kind}\u{1f}{place}\u{1f}{name}"), why };
    let namespace = label("namespace").unwrap_or_default();
    let service = Spot::of(signal).map(|spot| Kin { key: spot.key(), why: format!("the same service, {}", spot.name) });
    let machine = first(&["node", "host", "hostname"]);
    let machine = machine.map(|name| kin("machine", name, format!("the same machine, {name}")));
    let rule = label("alertname")
        .map(|name| kin("rule", &format!("{}/{namespace}/{name}", signal.source), format!("the same rule, {name}")));
    service.into_iter().chain(machine).chain(rule).collect()
}

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
    /// Another alert of an outage that is known already.
    Gather {
        /// Where it belongs.
        incident: IncidentId,
        /// What they have in common.
        why: String,
    },
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
    /// It would open, gather or reopen, and somebody said that it is not to: stored, and nothing else.
    Silenced {
        /// The silence, or the window of maintenance.
        by: String,
    },
}

impl Triage {
    /// The same under a silence that is about the signal. What an incident that is open is told stays: a silence keeps away
    /// what is new.
    #[must_use]
    pub fn under(self, silence: Option<String>) -> Self {
        match (self, silence) {
            (Self::Open | Self::Gather { .. } | Self::Reopen { .. }, Some(by)) => Self::Silenced { by },
            (decided, _) => decided,
        }
    }
}

/// Decides where a signal belongs; `kin` are the incidents of its kin, closest first.
pub fn triage(signal: &Signal, known: Option<&KnownAlert>, kin: &[KinIncident]) -> Triage {
    let Some(known) = known else {
        return match signal.state {
            SignalState::Firing => open_or_gather(signal, kin),
            SignalState::Resolved => Triage::Ignore,
        };
    };
    let incident = known.incident.clone();
    match signal.state {
        SignalState::Resolved if known.over => Triage::Ignore,
        SignalState::Resolved => Triage::Resolve { incident },
        SignalState::Firing if known.over => {
            let soon = signal.received_at.millis_since(known.updated_at) <= FLAP_MILLIS;
            if known.self_recovered && soon { Triage::Reopen { incident } } else { open_or_gather(signal, kin) }
        }
        SignalState::Firing if !known.firing => Triage::Join { incident, why: "it fires again".into() },
        SignalState::Firing if signal.severity > known.severity => {
            Triage::Join { incident, why: "it got worse".into() }
        }
        SignalState::Firing => Triage::Repeat { incident },
    }
}

fn open_or_gather(signal: &Signal, kin: &[KinIncident]) -> Triage {
    let near = |kin: &&KinIncident| {
        let since = |then: Timestamp| signal.received_at.millis_since(then);
        !kin.over && since(kin.last_at) <= kin.within && since(kin.opened_at) <= KIN_SPAN_MILLIS
    };
    let gather = |kin: &KinIncident| Triage::Gather { incident: kin.incident.clone(), why: kin.why.clone() };
    kin.iter().find(near).map_or(Triage::Open, gather)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
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
        let value = serde_json::to_value(triage(signal, known, &[])).unwrap();
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

    #[test]
    fn alerts_of_one_outage_gather_while_it_is_young_and_open() {
        let at = |millis| signal(SignalState::Firing, Severity::Medium, millis);
        let incident = |over, opened, last| KinIncident {
            incident: "i1".into(),
            over,
            opened_at: Timestamp(opened),
            last_at: Timestamp(last),
            within: KIN_MILLIS,
            why: "the same service, cart".into(),
        };
        let gathers = |signal: &Signal, kin: KinIncident| matches!(triage(signal, None, &[kin]), Triage::Gather { .. });
        assert!(gathers(&at(KIN_MILLIS), incident(false, 0, 0)));
        assert!(!gathers(&at(KIN_MILLIS + 1), incident(false, 0, 0)), "too late");
        assert!(!gathers(&at(0), incident(true, 0, 0)), "that one is over");
        assert!(gathers(&at(KIN_SPAN_MILLIS), incident(false, 0, KIN_SPAN_MILLIS - 1)));
        assert!(!gathers(&at(KIN_SPAN_MILLIS + 1), incident(false, 0, KIN_SPAN_MILLIS)), "not for ever");
        let second = triage(
            &at(0),
            None,
            &[incident(true, 0, 0), KinIncident { incident: "i2".into(), ..incident(false, 0, 0) }],
        );
        assert!(matches!(second, Triage::Gather { incident, .. } if incident.as_str() == "i2"));
    }

    #[test]
    fn kin_is_the_same_service_machine_or_rule_of_one_place() {
        let alert = |labels: &[(&str, &str)]| Signal {
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..signal(SignalState::Firing, Severity::Medium, 0)
        };
        let keys = |labels: &[(&str, &str)]| kin(&alert(labels)).into_iter().map(|kin| kin.key).collect::<Vec<_>>();
        let cart = keys(&[("service", "cart"), ("namespace", "shop"), ("node", "n1"), ("alertname", "Slow")]);
        assert_eq!(cart.len(), 3);
        assert_eq!(cart[0], keys(&[("app", "cart"), ("namespace", "shop")])[0]);
        assert_ne!(cart[0], keys(&[("app", "cart"), ("namespace", "test")])[0]);
        assert_eq!(cart[2], keys(&[("alertname", "Slow"), ("namespace", "shop")])[0]);
        assert_ne!(cart[2], keys(&[("alertname", "Slow"), ("namespace", "test")])[0], "another tenant's trouble");
        assert_ne!(cart[2], keys(&[("alertname", "Slow"), ("namespace", "shop"), ("cluster", "east")])[0]);
        assert_eq!(keys(&[("service", "")]), Vec::<String>::new());
        let log = Signal { signal_type: SignalType::Log, source: "logs".into(), ..alert(&[("service", "cart")]) };
        assert_eq!(kin(&log), vec![]);
        let collected = Signal { source: "otlp".into(), ..log };
        assert_eq!(kin(&collected)[0].key, keys(&[("app", "cart")])[0], "errors join their service's alert");
    }
}
