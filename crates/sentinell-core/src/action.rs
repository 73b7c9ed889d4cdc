//! Deeds as data: what would be done, to what, how it is undone and how one would know that it helped.
//!
//! A reasoner (a model, a runbook) only ever makes an [`ActionDraft`]: a kind, a target, parameters. The actuator that
//! knows the kind turns it into a [`Plan`] with the exact argument vector; what is ruled on, approved and run is that.

use crate::evidence::Query;
use crate::ids::{ActionHash, ActionId, EvidenceId, HypothesisId, IncidentId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What a reasoner may propose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionDraft {
    /// What to do, as an actuator names it (`kubernetes.rollout_undo`, `command.restart_cache`).
    pub kind: String,
    /// What to do it to (`deployment/shop/cart`).
    pub target: String,
    /// Typed by the actuator, which refuses what it does not know.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// The hypothesis it would cure.
    pub because: HypothesisId,
    /// Why this should help, one line.
    pub why: String,
}

/// The thing that is actually done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// A program and its arguments; never a shell line. The first element is a short name that the actuator pins to an
    /// absolute path.
    Argv(Vec<String>),
    /// One request over HTTP, sent once and never redirected.
    Http(HttpDeed),
}

/// A request, as it is shown and as it is sent. What says who we are (a token, a signature, an idempotency key) is added when it
/// is sent and never stands here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpDeed {
    /// `POST`, `PUT`, …
    pub method: String,
    /// Where to, whole.
    pub url: String,
    /// Headers that are part of what is done: an operation's name, a version that must still be current.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Exactly the bytes that are sent, as text; none: nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// What the actuator must find right before it sends, or it does not send: `state` = `running`. Not sent itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expect: BTreeMap<String, String>,
}

impl Deed {
    /// The argument vector, if it is one.
    pub fn argv(&self) -> Option<&[String]> {
        match self {
            Self::Argv(words) => Some(words),
            Self::Http(_) => None,
        }
    }

    /// The request, if it is one.
    pub fn http(&self) -> Option<&HttpDeed> {
        match self {
            Self::Argv(_) => None,
            Self::Http(request) => Some(request),
        }
    }
}

/// How far a deed reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlastRadius {
    /// How many objects change (pods restarted, hosts touched).
    pub objects: u32,
    /// The same for a person.
    pub description: String,
}

/// What must be seen for a deed to have helped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Expectation {
    /// The engine, looking again, finds nothing wrong with the component.
    FindingsGone {
        /// The component (`service/shop/cart`).
        subject: String,
    },
    /// The newest value of every matching series lies within bounds.
    LastValue {
        /// The metric's name.
        metric: String,
        /// Lower bound, inclusive.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_least: Option<f64>,
        /// Upper bound, inclusive.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_most: Option<f64>,
    },
}

/// How one will know. Without a check there is no cure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// The reads to repeat, before the deed and after it.
    pub queries: Vec<Query>,
    /// What they must show.
    pub expect: Expectation,
    /// For how long it must stay so, seconds.
    pub hold_seconds: u32,
    /// How often to look, seconds.
    pub every_seconds: u32,
    /// How long to wait for it at most, seconds.
    pub within_seconds: u32,
}

/// What an actuator makes of a draft: everything that the approval will show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What will run.
    pub deed: Deed,
    /// What would take it back.
    pub undo: Option<Deed>,
    /// Whether to take it back when it did not help.
    pub undo_if_unhelpful: bool,
    /// production, staging, …; from the operator's configuration, never from telemetry.
    pub environment: String,
    /// How one will know.
    pub verification: Verification,
    /// How far it reaches.
    pub blast_radius: BlastRadius,
    /// What the world must look like for it to be right (`revision 4 is still current`), carried by the deed itself
    /// wherever the world can check it.
    pub precondition: String,
}

/// A complete proposal: one deed, bound to one incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Unique within the incident.
    pub id: ActionId,
    /// The incident it belongs to.
    pub incident: IncidentId,
    /// What to do.
    pub kind: String,
    /// What to do it to.
    pub target: String,
    /// The draft's parameters.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// The hypothesis it would cure.
    pub because: HypothesisId,
    /// Why this should help, one line.
    pub why: String,
    /// The evidence it rests on.
    pub evidence: Vec<EvidenceId>,
    /// What exactly would happen.
    #[serde(flatten)]
    pub plan: Plan,
    /// The action that this one takes back, if it is an undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<ActionId>,
    /// After this moment an approval is void.
    pub expires_at: Timestamp,
}

impl Action {
    /// SHA-256 over the RFC 8785 form of `{incident_id, action_id, deed, target, environment, undo, verification,
    /// blast_radius, evidence, expires_at}`: what a person sees is what a person signs.
    pub fn hash(&self) -> ActionHash {
        let covered = json!({
            "incident_id": self.incident, "action_id": self.id, "deed": self.plan.deed, "target": self.target,
            "environment": self.plan.environment, "undo": self.plan.undo, "verification": self.plan.verification,
            "blast_radius": self.plan.blast_radius, "evidence": self.evidence, "expires_at": self.expires_at,
        });
        // A JSON value made of strings, integers and finite bounds always has a canonical form.
        let canonical = crate::canonical::to_vec(&covered).unwrap_or_default();
        ActionHash(hex(&Sha256::digest(canonical)))
    }

    /// The same deed to the same thing, whoever proposes it and when.
    pub fn same_deed(&self, other: &Self) -> bool {
        self.kind == other.kind && self.target == other.target && self.plan.deed == other.plan.deed
    }

    /// The action that takes this one back, if it has an undo.
    pub fn undo(&self, id: ActionId, expires_at: Timestamp) -> Option<Self> {
        let deed = self.plan.undo.clone()?;
        let plan = Plan { deed, undo: None, undo_if_unhelpful: false, ..self.plan.clone() };
        let why = format!("{} did not help; this takes it back", self.id);
        Some(Self { id, plan, why, undoes: Some(self.id.clone()), expires_at, ..self.clone() })
    }
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn rollback(incident: &str) -> Action {
        Action {
            id: "a1".into(),
            incident: incident.into(),
            kind: "kubernetes.rollout_undo".into(),
            target: "deployment/shop/cart".into(),
            params: BTreeMap::new(),
            because: "h1".into(),
            why: "the image of revision 5 does not exist".into(),
            evidence: vec!["e1".into()],
            plan: Plan {
                deed: Deed::Argv(vec!["kubectl".into(), "rollout".into(), "undo".into()]),
                undo: None,
                undo_if_unhelpful: false,
                environment: "test".into(),
                verification: Verification {
                    queries: vec![],
                    expect: Expectation::FindingsGone { subject: "service/shop/cart".into() },
                    hold_seconds: 10,
                    every_seconds: 2,
                    within_seconds: 60,
                },
                blast_radius: BlastRadius { objects: 2, description: "2 pods restart".into() },
                precondition: "revision 5 is current".into(),
            },
            undoes: None,
            expires_at: Timestamp(1_000_000),
        }
    }

    #[test]
    fn any_change_to_what_was_shown_changes_the_hash() {
        let shown = rollback("i1");
        assert_eq!(shown.hash(), rollback("i1").hash());
        assert_eq!(shown.hash().0.len(), 64);
        let changes: [fn(&mut Action); 6] = [
            |a| a.target.push('x'),
            |a| a.plan.environment.push('x'),
            |a| a.plan.deed = Deed::Argv(vec!["kubectl".into(), "delete".into()]),
            |a| a.plan.blast_radius.objects += 1,
            |a| a.evidence.clear(),
            |a| a.expires_at = Timestamp(2),
        ];
        for change in changes {
            let mut other = rollback("i1");
            change(&mut other);
            assert_ne!(shown.hash(), other.hash());
        }
        assert_ne!(shown.hash(), rollback("i2").hash());
    }

    #[test]
    fn a_request_is_covered_whole_and_reads_as_the_contract_spells_it() {
        let request = |change: fn(&mut HttpDeed)| {
            let mut deed = HttpDeed { method: "POST".into(), url: "http://docker/x".into(), ..HttpDeed::default() };
            change(&mut deed);
            let mut action = rollback("i1");
            action.plan.deed = Deed::Http(deed);
            action
        };
        let shown = request(|_| {});
        let spelled = serde_json::to_value(&shown.plan.deed).unwrap_or_default();
        assert_eq!(spelled, json!({"http": {"method": "POST", "url": "http://docker/x"}}));
        assert_eq!(serde_json::from_value::<Deed>(spelled).ok(), Some(shown.plan.deed.clone()));
        let changes: [fn(&mut HttpDeed); 5] = [
            |deed| deed.method = "PUT".into(),
            |deed| deed.url.push('/'),
            |deed| drop(deed.headers.insert("if-match".into(), "1".into())),
            |deed| deed.body = Some(String::new()),
            |deed| drop(deed.expect.insert("state".into(), "running".into())),
        ];
        for change in changes {
            assert_ne!(shown.hash(), request(change).hash());
        }
    }
}
