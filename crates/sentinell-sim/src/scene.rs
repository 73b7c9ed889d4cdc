//! A story on stage: with names, moments and the calls for help as signals.

use crate::cast::{Cast, NAMESPACE, Role};
use crate::rng::{SplitMix64, word};
use crate::story::{Beat, Story};
use crate::trouble::Trouble;
use sentinell_core::evidence::Change;
use sentinell_core::ids::SignalId;
use sentinell_core::signal::{Severity, Signal, SignalState, SignalType};
use sentinell_core::time::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;

/// From the beginning of a scene until its trouble begins, at least.
const QUIET_SECONDS: i64 = 60;

/// What is really wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// The service at fault (`service/town/bakery`).
    pub component: String,
    /// The fault in the evidence engine's words (`bad_change`, `down`, `out_of_memory`).
    pub fault: &'static str,
    /// The kind of action that cures it; none: only people can.
    pub cure: Option<&'static str>,
    /// What to do it to.
    pub target: String,
}

/// A signal and when it is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Cue {
    /// When.
    pub at: Timestamp,
    /// What; `received_at` is `at` until somebody really receives it.
    pub signal: Signal,
}

/// A story, a seed and a beginning.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// The story.
    pub story: Story,
    /// The seed of names, moments and noise.
    pub seed: u64,
    /// When it begins; everything before is quiet.
    pub epoch: Timestamp,
    /// The names.
    pub cast: Cast,
    /// When the trouble begins (or, if nothing is wrong, when somebody thinks so).
    pub onset: Timestamp,
    /// What was changed by others: the cause, if it is one, and the innocent.
    pub changes: Vec<(Role, Change)>,
}

impl Story {
    /// The story with the names, moments and noise of a seed.
    pub fn stage(&self, seed: u64, epoch: Timestamp) -> Scene {
        let jitter = SplitMix64::keyed(seed, &[0x0435e7]).below(30_000);
        let onset = epoch.plus_seconds(QUIET_SECONDS).plus_millis(i64::try_from(jitter).unwrap_or(0));
        let cast = Cast::of(seed);
        let changes = changes(self.trouble, seed, onset, &cast);
        Scene { story: self.clone(), seed, epoch, cast, onset, changes }
    }

    /// The story such that its first signal is due `seconds` from now: what the demo wants.
    pub fn stage_live(&self, seed: u64, now: Timestamp, seconds: u32) -> Scene {
        let due = self.stage(seed, now).cues().first().map_or(now, |cue| cue.at);
        self.stage(seed, now.plus_millis(now.millis_since(due)).plus_seconds(i64::from(seconds)))
    }
}

impl Scene {
    /// What is really wrong; none if nothing is.
    pub fn truth(&self) -> Option<Truth> {
        let trouble = self.story.trouble?;
        let component = self.cast.subject(trouble.role());
        Some(Truth { target: component.clone(), component, fault: trouble.fault(), cure: trouble.cure() })
    }

    /// The same town on the same day without the trouble and what caused it.
    #[must_use]
    pub fn quiet_twin(&self) -> Self {
        let story = Story { trouble: None, ..self.story.clone() };
        let guilty = self.story.trouble.map(Trouble::role);
        let innocent = |(role, change): &&(Role, Change)| Some(*role) != guilty || change.author.is_none();
        let changes = self.changes.iter().filter(innocent).cloned().collect();
        Self { story, changes, ..self.clone() }
    }

    /// The calls for help, in order.
    pub fn cues(&self) -> Vec<Cue> {
        self.story.beats.iter().enumerate().map(|(index, beat)| self.cue(index, beat)).collect()
    }

    fn cue(&self, index: usize, beat: &Beat) -> Cue {
        let at = self.onset.plus_seconds(i64::from(beat.after));
        let (role, alert, title, severity) = headline(self.story.trouble);
        let name = self.cast.name(role);
        let labels = [
            ("alertname", alert),
            ("namespace", NAMESPACE),
            ("service", name),
            ("environment", NAMESPACE),
            ("severity", if severity == Severity::Critical { "critical" } else { "warning" }),
        ];
        let run = SplitMix64::keyed(self.seed, &[word(self.story.name)]).bits();
        let signal = Signal {
            id: SignalId(format!("{}-{run:016x}-{index}", self.story.name)),
            signal_type: SignalType::Alert,
            source: "alertmanager".into(),
            delivery_id: Some(format!("{}-{run:016x}-d{}", self.story.name, beat.delivery)),
            state: if beat.firing { SignalState::Firing } else { SignalState::Resolved },
            severity,
            title: format!("{title} {name}"),
            text: format!("{title} {name} in namespace {NAMESPACE}"),
            labels: labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            repo_id: None,
            source_ref: None,
            occurred_at: at,
            received_at: at,
            tags: vec![],
            metadata: json!({}),
        };
        Cue { at, signal }
    }
}

/// Whom the alert names: often somebody who only suffers.
fn headline(trouble: Option<Trouble>) -> (Role, &'static str, &'static str, Severity) {
    match trouble {
        Some(Trouble::BadDeploy) => (Role::Edge, "HighErrorRate", "more than 10 % of requests fail at", Severity::High),
        Some(Trouble::LostDependency) => {
            (Role::Edge, "HighErrorRate", "more than half of all requests fail at", Severity::Critical)
        }
        Some(Trouble::MemoryLeak) => (Role::Lookup, "ContainerRestarts", "containers restart at", Severity::High),
        Some(Trouble::SlowDatabase | Trouble::NoisyNeighbour) => {
            (Role::Edge, "HighLatency", "requests take more than a second at", Severity::High)
        }
        Some(Trouble::FullDisk | Trouble::ExpiredCertificate | Trouble::WrongScale) => {
            (Role::Edge, "HighErrorRate", "more than a quarter of all requests fail at", Severity::Critical)
        }
        None => (Role::Orders, "Unusual", "something looks unusual at", Severity::Medium),
    }
}

/// What people changed: the cause shortly before the onset, something innocent nearby, something innocent long ago.
fn changes(trouble: Option<Trouble>, seed: u64, onset: Timestamp, cast: &Cast) -> Vec<(Role, Change)> {
    let mut rng = SplitMix64::keyed(seed, &[0xc4a6e5]);
    let mut before = |from: u64, to: u64| onset.plus_seconds(-i64::try_from(from + rng.below(to - from)).unwrap_or(0));
    let (long_ago, nearby, just) = (before(1500, 1700), before(100, 300), before(10, 30));
    let bystander = match trouble {
        // Never somebody who suffers: whoever changed last and hurts would be a fair suspect.
        Some(Trouble::NoisyNeighbour) => Role::Queue,
        Some(Trouble::MemoryLeak | Trouble::SlowDatabase | Trouble::WrongScale) | None => Role::Orders,
        Some(_) => Role::Side,
    };
    let mut all = vec![
        (Role::Edge, deploy(cast, Role::Edge, long_ago, "new opening hours on the front page", None)),
        (bystander, deploy(cast, bystander, nearby, "nicer wording in messages", None)),
    ];
    match trouble {
        Some(Trouble::BadDeploy) => {
            let summary = "price surcharges from the rule table";
            all.push((Role::Orders, deploy(cast, Role::Orders, just, summary, Some("ida"))));
        }
        Some(Trouble::SlowDatabase) => {
            let subject = cast.subject(Role::Store);
            let summary = "sort_memory 64MB -> 256kB".to_owned();
            let change = Change {
                at: just,
                kind: "config".into(),
                subject,
                summary,
                reference: "config 2".into(),
                touched: vec!["sort_memory".into()],
                author: Some("otto".into()),
            };
            all.push((Role::Store, change));
        }
        Some(Trouble::WrongScale) => {
            let subject = cast.subject(Role::Lookup);
            let change = Change {
                // It takes effect at once.
                at: onset,
                kind: "scale".into(),
                subject,
                summary: "replicas 2 -> 0".into(),
                reference: "scale".into(),
                touched: vec!["spec.replicas".into()],
                author: Some("otto".into()),
            };
            all.push((Role::Lookup, change));
        }
        _ => {}
    }
    all
}

fn deploy(cast: &Cast, role: Role, at: Timestamp, summary: &str, author: Option<&str>) -> Change {
    Change {
        at,
        kind: "deploy".into(),
        subject: cast.subject(role),
        summary: summary.to_owned(),
        reference: String::new(),
        touched: vec![format!("services/{}/", cast.name(role))],
        author: author.map(str::to_owned),
    }
}

/// Labels as a map.
pub(crate) fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}
