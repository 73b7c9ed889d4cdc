//! The town's hands.

use crate::cast::{NAMESPACE, Role};
use crate::mischief::{HandMischief, Seam};
use crate::telemetry::metrics;
use crate::town::{Refused, Town};
use crate::world::{DoneDeed, Order, Verb, World};
use sentinell_core::action::{Action, ActionDraft, BlastRadius, Deed, Expectation, Plan, Verification};
use sentinell_core::approval::Warrant;
use sentinell_core::evidence::Query;
use sentinell_core::ids::QueryId;
use sentinell_core::ports::{ActError, Actuator, Applied, BoxFuture, Clock, ToolError};
use sentinell_core::time::Timestamp;
use std::sync::Arc;

/// More failed requests than this are not well.
const MOST_ERRORS: f64 = 0.05;
/// A slower town than this is not well, seconds.
const SLOWEST: f64 = 0.8;
/// More times the usual processor time than this is a process that runs wild.
const BUSY: f64 = 5.0;
/// More memory than this share of the limit is not well.
const MOST_MEMORY: f64 = 0.6;

/// The town's hands.
#[derive(Clone)]
pub struct TownHands {
    town: Town,
    /// What its machine's clock shows; none: the town's own.
    clock: Option<Arc<dyn Clock>>,
}

impl Actuator for TownHands {
    fn kinds(&self) -> Vec<(String, String)> {
        let target = "target service/town/<name>, no parameters";
        let kinds = [
            ("town.rollout_undo", "takes a service back to the release before"),
            ("town.restart", "replaces a service's processes by fresh ones"),
            ("town.revert_config", "puts a service's configuration back to the one before"),
            ("town.renew_certificate", "gives a service a fresh certificate"),
            ("town.scale_back", "gives a service that was scaled down its copies back"),
        ];
        kinds.into_iter().map(|(kind, what)| (kind.to_owned(), format!("{what}; {target}"))).collect()
    }

    fn plan<'a>(&'a self, draft: &'a ActionDraft) -> BoxFuture<'a, Result<Plan, ToolError>> {
        Box::pin(std::future::ready(self.planned(draft)))
    }

    fn apply<'a>(&'a self, action: &'a Action, warrant: Warrant) -> BoxFuture<'a, Result<String, ActError>> {
        Box::pin(async move {
            let order = self.order(action).map_err(ActError::NotStarted)?;
            self.town.hold(Seam::BeforeDeed, action).await;
            let done = self.act(action, &order, warrant)?;
            self.town.hold(Seam::AfterDeed, action).await;
            match self.town.scene().story.mischief.hand {
                _ if !done => Err(ActError::Unknown("the connection broke before the answer".into())),
                HandMischief::SaysUnknown | HandMischief::NeverTells => {
                    Err(ActError::Unknown("the connection broke before the answer".into()))
                }
                _ => Ok(format!("{} is done", action.kind)),
            }
        })
    }

    fn was_applied<'a>(&'a self, action: &'a Action) -> BoxFuture<'a, Result<Applied, ToolError>> {
        let applied = match self.town.scene().story.mischief.hand {
            HandMischief::NeverTells => Applied::Unknown,
            _ if self.town.times_done(&action.hash()) > 0 => Applied::Yes,
            _ => Applied::No,
        };
        Box::pin(std::future::ready(Ok(applied)))
    }
}

impl TownHands {
    pub(crate) fn of(town: &Town) -> Self {
        Self { town: town.clone(), clock: None }
    }

    /// The same hands on a machine with a clock of its own, by which it judges whether a permission has run out.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..self }
    }

    fn order(&self, action: &Action) -> Result<Order, String> {
        let argv = action.plan.deed.argv().ok_or("the town knows no requests")?;
        let order = Order::parse(self.town.scene(), argv)?;
        if self.town.scene().cast.subject(order.role) != action.target {
            return Err(format!("the deed is for another service than {}", action.target));
        }
        Ok(order)
    }

    /// The moment of the deed: permission, precondition, effect. Answers whether it took effect.
    fn act(&self, action: &Action, order: &Order, warrant: Warrant) -> Result<bool, ActError> {
        let (hash, now) = (action.hash(), self.town.clock.now());
        let refuse = |why: String| {
            self.town.memory().refused.push(Refused { at: now, hash: hash.clone(), why: why.clone() });
            ActError::NotStarted(why)
        };
        let on_the_wall = self.clock.as_ref().map_or(now, |clock| clock.now());
        warrant.redeem(&hash, on_the_wall).map_err(refuse)?;
        let world = self.town.world();
        let current = world.service(order.role, now).revision;
        let mischief = &world.scene.story.mischief;
        if let Some(expected) = order.if_revision
            && expected != current
            && !mischief.blind
        {
            return Err(refuse(format!("revision {expected} was expected, but revision {current} is there")));
        }
        let mut memory = self.town.memory();
        if mischief.hand == HandMischief::FirstIsLost && memory.lost == 0 {
            memory.lost += 1;
            return Ok(false);
        }
        let argv = action.plan.deed.argv().unwrap_or_default();
        let (incident, id) = (action.incident.clone(), action.id.clone());
        memory.deeds.push(DoneDeed { at: now, hash, incident, action: id, argv: argv.to_vec() });
        Ok(true)
    }

    fn planned(&self, draft: &ActionDraft) -> Result<Plan, ToolError> {
        let bad = |why: String| Err(ToolError::BadQuery(why));
        let cast = &self.town.scene().cast;
        let Some(role) = cast.role(&draft.target).filter(|role| cast.subject(*role) == draft.target) else {
            return bad(format!("{} is no service of the town (service/{NAMESPACE}/<name>)", draft.target));
        };
        if !draft.params.is_empty() {
            return bad(format!("{} takes no parameters", draft.kind));
        }
        if self.town.scene().story.mischief.hand == HandMischief::Denied {
            return Err(ToolError::Denied(format!("the acting identity may not change {}", draft.target)));
        }
        let (world, now) = (self.town.world(), self.town.clock.now());
        let state = world.service(role, now);
        let (verb, undo) = match draft.kind.as_str() {
            "town.rollout_undo" => (Verb::RolloutUndo, Some(Verb::RolloutTo(state.release))),
            "town.restart" => (Verb::Restart, None),
            "town.revert_config" if state.config > 1 => (Verb::RevertConfig, Some(Verb::SetConfig(state.config))),
            "town.revert_config" => return bad(format!("{} has no earlier configuration", draft.target)),
            "town.renew_certificate" => (Verb::RenewCertificate, None),
            "town.scale_back" if state.replicas < role.replicas() => {
                (Verb::ScaleTo(role.replicas()), Some(Verb::ScaleTo(state.replicas)))
            }
            "town.scale_back" => return bad(format!("{} has all its copies", draft.target)),
            other => return bad(format!("the town has no `{other}`")),
        };
        let argv = |verb, revision| Deed::Argv(argv(verb, &draft.target, revision));
        Ok(Plan {
            deed: argv(verb, state.revision),
            undo_if_unhelpful: undo.is_some(),
            undo: undo.map(|undo| argv(undo, state.revision + 1)),
            environment: NAMESPACE.into(),
            verification: verification(&world, role, verb, now),
            blast_radius: BlastRadius { objects: role.replicas(), description: reach(role, verb) },
            precondition: format!("revision {} of {} is current", state.revision, draft.target),
        })
    }
}

fn argv(verb: Verb, target: &str, revision: u32) -> Vec<String> {
    let (word, to) = match verb {
        Verb::RolloutUndo => ("rollout-undo", None),
        Verb::RolloutTo(release) => ("rollout-to", Some(release)),
        Verb::Restart => ("restart", None),
        Verb::RevertConfig => ("revert-config", None),
        Verb::SetConfig(config) => ("set-config", Some(config)),
        Verb::RenewCertificate => ("renew-certificate", None),
        Verb::ScaleTo(replicas) => ("scale-to", Some(replicas)),
    };
    let mut argv = vec!["town".to_owned(), word.to_owned(), target.to_owned()];
    argv.extend(to.into_iter().flat_map(|to| ["--to".to_owned(), to.to_string()]));
    argv.extend(["--if-revision".to_owned(), revision.to_string()]);
    argv
}

fn reach(role: Role, verb: Verb) -> String {
    match (verb, role.replicas()) {
        (Verb::RevertConfig | Verb::SetConfig(_), _) => "one setting changes, nothing restarts".into(),
        (Verb::RenewCertificate, _) => "one certificate changes, nothing restarts".into(),
        (Verb::ScaleTo(0), _) => "every pod goes".into(),
        (Verb::ScaleTo(pods), _) => format!("{pods} pods start"),
        (_, 1) => "1 pod restarts".into(),
        (_, pods) => format!("{pods} pods restart, one after the other"),
    }
}

/// What would show that it helped: for a restart what is bad about that service now, for the rest the town as a whole, so
/// that the wrong deed to a healthy neighbour proves nothing.
fn verification(world: &World, role: Role, verb: Verb, now: Timestamp) -> Verification {
    let value = |metric| metrics::value(world, role, metric, now);
    let limit = metrics::memory_limit(role);
    let busy = metrics::usual_cores(role) * BUSY;
    let (service, metric, at_least, at_most) = match verb {
        Verb::Restart if value("up") == Some(0.0) => (Some(role), "up", Some(1.0), None),
        Verb::Restart if value("memory_working_set_bytes").is_some_and(|bytes| bytes > MOST_MEMORY * limit) => {
            (Some(role), "memory_working_set_bytes", None, Some((MOST_MEMORY * limit).round()))
        }
        Verb::Restart if value("cpu_usage_cores").is_some_and(|cores| cores > busy) => {
            (None, "latency_p99_seconds", None, Some(SLOWEST))
        }
        Verb::RevertConfig | Verb::SetConfig(_) => (None, "latency_p99_seconds", None, Some(SLOWEST)),
        Verb::Restart | Verb::RolloutUndo | Verb::RolloutTo(_) | Verb::RenewCertificate | Verb::ScaleTo(_) => {
            (None, "error_ratio", None, Some(MOST_ERRORS))
        }
    };
    let service = service.map_or("*", |role| world.scene.cast.name(role));
    let args = [("service", service), ("metric", metric), ("minutes", "1")];
    let query = Query {
        id: QueryId("v1".into()),
        tool: "town.metrics".into(),
        args: args.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        why: format!("whether {metric} is as it should be"),
    };
    Verification {
        queries: vec![query],
        expect: Expectation::LastValue { metric: metric.into(), at_least, at_most },
        hold_seconds: 6,
        every_seconds: 2,
        within_seconds: 60,
    }
}
