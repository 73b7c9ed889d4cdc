//! Hands on the containers of a Docker engine (or a Podman): restart, start, stop, other limits. They have an address of their own,
//! which need not be the one that is read; only containers that the operator allows by name are touched.

mod deed;
mod world;

use super::{Watch, is_allowed, query, send};
use crate::docker::{DockerAt, Engine, Known, complaint};
use crate::http::{HeaderMap, HttpLimits};
use crate::text::{arg, known_args, one_line};
use deed::{Bounds, DockerDeed, GRACE};
use sentinell_core::action::{Action, ActionDraft, BlastRadius, Plan};
use sentinell_core::approval::Warrant;
use sentinell_core::ports::{ActError, Actuator, Applied, BoxFuture, Clock, ToolError};
use std::sync::Arc;
use std::time::Duration;
use world::World;

const RESTART: &str = "docker.restart";
const START: &str = "docker.start";
const STOP: &str = "docker.stop";
const UPDATE: &str = "docker.update";
/// What the engine takes at least, MiB.
const LEAST_MEMORY: u64 = 6;
const MIB: i64 = 1 << 20;
const CPU: i64 = 1_000_000_000;
/// How long an engine may take to answer, besides the time that a container may take to end.
const ANSWER: Duration = Duration::from_secs(60);

/// What the operator configures.
#[derive(Debug, Clone)]
pub struct DockerHandsSettings {
    /// Where the engine is.
    pub at: DockerAt,
    /// Names of containers that may be touched; a `*` at the end matches any rest.
    pub containers: Vec<String>,
    /// production, staging, …
    pub environment: String,
    /// More memory than this is never given to one container, MiB.
    pub max_memory_mib: u64,
    /// More processors than this are never given to one container.
    pub max_cpus: u32,
    /// How one watches whether it helped.
    pub watch: Watch,
}

/// The hands for `docker.restart`, `docker.start`, `docker.stop` and `docker.update`.
pub struct DockerHands {
    engine: Engine,
    settings: DockerHandsSettings,
    clock: Arc<dyn Clock>,
}

/// A container that is meant, as the list and its details tell of it.
struct Meant {
    known: Known,
    world: World,
}

impl DockerHands {
    /// Hands on one engine.
    ///
    /// # Errors
    /// If the address makes no sense.
    pub fn new(settings: DockerHandsSettings, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let limits = HttpLimits { body: 8 << 20, ..HttpLimits::default() };
        let engine = Engine::new(&settings.at, limits)?;
        Ok(Self { engine, settings, clock })
    }

    async fn make_plan(&self, draft: &ActionDraft) -> Result<Plan, ToolError> {
        let known: &[&str] = match draft.kind.as_str() {
            RESTART | START => &[],
            STOP => &["service"],
            UPDATE => &["memory_mib", "cpus"],
            other => return Err(ToolError::BadQuery(format!("no action `{}`", one_line(other, 80)))),
        };
        known_args(&draft.params, known).map_err(ToolError::BadQuery)?;
        let meant = self.find(&draft.target).await?;
        let state = &meant.world.state;
        let refuse = |why: &str| Err(ToolError::BadQuery(format!("the container {} {why}", meant.known.name)));
        match draft.kind.as_str() {
            _ if matches!(state.as_str(), "paused" | "removing") => refuse(&format!("is {state}")),
            START if meant.world.runs() => refuse("runs already"),
            STOP if !meant.world.runs() => refuse(&format!("does not run, it is {state}")),
            STOP if meant.world.fleeting => refuse("is removed once it stops (--rm): nothing could start it again"),
            START => Ok(self.plan(&meant, &DockerDeed::Start, "is started")),
            RESTART => {
                let text = format!("is asked to end, killed after {GRACE} s, and started again");
                Ok(self.plan(&meant, &DockerDeed::Restart, &text))
            }
            STOP => self.plan_stop(draft, &meant),
            _ => self.plan_update(draft, &meant),
        }
    }

    /// The one container that a target means: by its name, or as the only one of a service.
    async fn find(&self, target: &str) -> Result<Meant, ToolError> {
        let refuse = |why: String| Err(ToolError::BadQuery(why));
        let name = match target.strip_prefix("container/") {
            Some(name) if !name.is_empty() && !name.contains('/') => name,
            _ => return refuse(format!("`{}` is not a target such as container/till-1", one_line(target, 100))),
        };
        let mut all = self.engine.list().await?;
        if all.iter().any(|one| one.name == name) {
            all.retain(|one| one.name == name);
        } else {
            all.retain(|one| one.service().eq_ignore_ascii_case(name));
        }
        if all.len() > 1 {
            let names: Vec<&str> = all.iter().take(20).map(|one| one.name.as_str()).collect();
            return refuse(format!("several containers are of {}: {}; name one", one_line(name, 80), names.join(", ")));
        }
        let Some(known) = all.pop() else {
            return refuse(format!("no container is called {}", one_line(name, 100)));
        };
        if !is_allowed(&self.settings.containers, &known.name) {
            let name = one_line(&known.name, 100);
            return Err(ToolError::Denied(format!("{name} is not among the containers that may be touched")));
        }
        match World::look(&self.engine, &known.id).await? {
            Some(world) => Ok(Meant { known, world }),
            None => refuse(format!("the container {} has just gone", known.name)),
        }
    }

    fn plan(&self, meant: &Meant, deed: &DockerDeed, what: &str) -> Plan {
        let Meant { known, world } = meant;
        let expect = world.expecting(match deed {
            DockerDeed::Update(_) => &world::LIMITS,
            _ => &world::LIFE,
        });
        let (name, service) = (one_line(&known.name, 200), known.service());
        let queries = vec![query(1, "docker", &[("container", &known.name)], "is the container well?")];
        Plan {
            precondition: format!("the container {} is as it was: {}", short(&known.id), spelled(&expect)),
            deed: deed.deed(&self.engine, &known.id, expect),
            undo: None,
            undo_if_unhelpful: false,
            environment: self.settings.environment.clone(),
            verification: self.settings.watch.until_well(queries, format!("service/{service}")),
            blast_radius: BlastRadius { objects: 1, description: format!("the container {name} {what}") },
        }
    }

    fn plan_stop(&self, draft: &ActionDraft, meant: &Meant) -> Result<Plan, ToolError> {
        let Some(service) = arg(&draft.params, "service").filter(|name| name.len() <= 100 && !name.contains('/'))
        else {
            let why = "service=<name>: whose recovery would tell that stopping this container helped";
            return Err(ToolError::BadQuery(why.to_owned()));
        };
        let mut plan =
            self.plan(meant, &DockerDeed::Stop, &format!("is stopped (killed after {GRACE} s) and stays so"));
        let queries = vec![query(1, "docker", &[("service", service)], "is the service that it troubled well?")];
        plan.verification = self.settings.watch.until_well(queries, format!("service/{service}"));
        let stopped = World { state: "exited".into(), ..meant.world.clone() };
        let expect = stopped.expecting(&world::LIFE);
        plan.undo = Some(DockerDeed::Start.deed(&self.engine, &meant.known.id, expect));
        plan.undo_if_unhelpful = true;
        Ok(plan)
    }

    fn plan_update(&self, draft: &ActionDraft, meant: &Meant) -> Result<Plan, ToolError> {
        let refuse = |why: String| ToolError::BadQuery(why);
        let (now, settings) = (meant.world.bounds, &self.settings);
        let memory = arg(&draft.params, "memory_mib").map(|text| {
            let wanted = text.parse::<u64>().ok().filter(|mib| (LEAST_MEMORY..=settings.max_memory_mib).contains(mib));
            let bytes = wanted.and_then(|mib| i64::try_from(mib).ok()).map(|mib| mib * MIB);
            bytes.ok_or_else(|| {
                refuse(format!("memory_mib must be a number from {LEAST_MEMORY} to {}", settings.max_memory_mib))
            })
        });
        let cpus = arg(&draft.params, "cpus").map(|text| {
            let wanted = billionths(text).filter(|nano| *nano <= i64::from(settings.max_cpus) * CPU);
            wanted
                .ok_or_else(|| refuse(format!("cpus must be a number from 0.01 to {}, such as 1.5", settings.max_cpus)))
        });
        let (memory, cpus) = (memory.transpose()?, cpus.transpose()?);
        if memory.is_none() && cpus.is_none() {
            return Err(refuse("memory_mib=<number>, cpus=<number> or both".into()));
        }
        if cpus.is_some() && meant.world.quota {
            return Err(refuse(
                "its processors are bounded by quota and period, which this hand does not change".into(),
            ));
        }
        let wanted = Bounds {
            memory: memory.unwrap_or(0),
            // As much swap besides as it had.
            swap: memory.map_or(0, |memory| if now.swap > 0 { memory + (now.swap - now.memory) } else { now.swap }),
            cpus: cpus.unwrap_or(0),
        };
        if memory.unwrap_or(now.memory) == now.memory && cpus.unwrap_or(now.cpus) == now.cpus {
            return Err(refuse(format!("{} has these limits already", meant.known.name)));
        }
        let text = format!("goes from {} to {}, while it runs", limits(now, wanted), limits(wanted, wanted));
        let mut plan = self.plan(meant, &DockerDeed::Update(wanted), &text);
        let old = |wanted: i64, old: i64| if wanted == 0 { 0 } else { old };
        let back = Bounds {
            memory: old(wanted.memory, now.memory),
            swap: old(wanted.swap, now.swap),
            cpus: old(wanted.cpus, now.cpus),
        };
        // The engine reads 0 as "leave it": a limit that was not there cannot be taken away again.
        let returns = (wanted.memory == 0 || now.memory > 0) && (wanted.cpus == 0 || now.cpus > 0);
        if returns {
            let keep = |wanted: i64, now: i64| if wanted == 0 { now } else { wanted };
            let bounds = Bounds {
                memory: keep(wanted.memory, now.memory),
                swap: keep(wanted.swap, now.swap),
                cpus: keep(wanted.cpus, now.cpus),
            };
            let then = World { bounds, ..meant.world.clone() };
            let expect = then.expecting(&world::LIMITS);
            plan.undo = Some(DockerDeed::Update(back).deed(&self.engine, &meant.known.id, expect));
            plan.undo_if_unhelpful = true;
        } else {
            plan.blast_radius.description.push_str("; there was no limit, and the engine cannot go back to none");
        }
        Ok(plan)
    }

    async fn act(&self, action: &Action, warrant: Warrant) -> Result<String, ActError> {
        let (_, id) = self.read(action).map_err(ActError::NotStarted)?;
        let not = |error: ToolError| ActError::NotStarted(error.to_string());
        let deed = action.plan.deed.http().ok_or_else(|| ActError::NotStarted("the deed is no request".into()))?;
        let world = World::look(&self.engine, &id).await.map_err(not)?;
        let world = world.ok_or_else(|| ActError::NotStarted(format!("the container {} is gone", short(&id))))?;
        if let Some(why) = world.differs(&deed.expect) {
            return Err(ActError::NotStarted(format!("the container {}: {why}", world.name)));
        }
        let longest = ANSWER + Duration::from_secs(GRACE);
        let sent = send(&self.engine.http, (action, deed), HeaderMap::new(), warrant, (&*self.clock, longest)).await?;
        match sent {
            (200..300, _) => Ok(format!("the engine did it to {}", world.name)),
            (304, _) => Err(ActError::Failed("it was in that state already".into())),
            // A proxy before the engine does not know what became of it.
            (status @ (408 | 502 | 503 | 504), body) => {
                Err(ActError::Unknown(format!("{status}: {}", complaint(&body))))
            }
            (status, body) => Err(ActError::Failed(format!("{status}: {}", complaint(&body)))),
        }
    }

    async fn look_whether(&self, action: &Action) -> Result<Applied, ToolError> {
        let (deed, id) = self.read(action).map_err(ToolError::BadQuery)?;
        let Some(world) = World::look(&self.engine, &id).await? else { return Ok(Applied::Unknown) };
        let happened = match deed {
            DockerDeed::Restart | DockerDeed::Stop => world::happened(&self.engine, &id, self.clock.now()).await?,
            DockerDeed::Start | DockerDeed::Update(_) => vec![],
        };
        let request = action.plan.deed.http();
        let expect = request.map(|request| request.expect.clone()).unwrap_or_default();
        Ok(world.shows(&deed, &expect, &happened))
    }

    /// The deed and the container's id, if this hand itself would have written that deed for that target.
    fn read(&self, action: &Action) -> Result<(DockerDeed, String), String> {
        let read = DockerDeed::read(&action.plan.deed, &self.engine);
        let (deed, id) = read.ok_or_else(|| format!("the deed is none that this hand does to {}", action.target))?;
        let fits = match (&deed, action.undoes.is_some()) {
            (DockerDeed::Restart, false) => action.kind == RESTART,
            (DockerDeed::Start, false) => action.kind == START,
            (DockerDeed::Stop, false) | (DockerDeed::Start, true) => action.kind == STOP,
            (DockerDeed::Update(_), _) => action.kind == UPDATE,
            (DockerDeed::Restart | DockerDeed::Stop, true) => false,
        };
        let expect = |name: &str| action.plan.deed.http().and_then(|request| request.expect.get(name));
        let ours = expect("container").zip(expect("service")).is_some_and(|(name, service)| {
            let shown = action.target.strip_prefix("container/").unwrap_or_default();
            is_allowed(&self.settings.containers, name) && (shown == name || shown.eq_ignore_ascii_case(service))
        });
        match (fits, ours) {
            (true, true) => Ok((deed, id)),
            (false, _) => Err(format!("the deed is not a {}", action.kind)),
            (_, false) => Err(format!("the deed is for another container than {}", action.target)),
        }
    }
}

/// Bounds as a person reads them; only those that `named` names.
fn limits(bounds: Bounds, named: Bounds) -> String {
    let mut parts = vec![];
    if named.memory != 0 {
        parts.push(match bounds.memory {
            0 => "no memory limit".to_owned(),
            bytes => format!("{} MiB", bytes / MIB),
        });
    }
    if named.cpus != 0 {
        parts.push(match bounds.cpus {
            0 => "no limit of processors".to_owned(),
            nano => format!("{}.{:02} processors", nano / CPU, nano % CPU / (CPU / 100)),
        });
    }
    parts.join(" and ")
}

/// `1.5` as billionths; at most two digits behind the point, at least 0.01.
fn billionths(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || whole.len() > 4 || part.len() > 2 {
        return None;
    }
    let hundredths = format!("{part:0<2}").parse::<i64>().ok()?;
    Some(whole.parse::<i64>().ok()? * CPU + hundredths * (CPU / 100)).filter(|nano| *nano > 0)
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

fn spelled(expect: &std::collections::BTreeMap<String, String>) -> String {
    expect.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
}

impl Actuator for DockerHands {
    fn kinds(&self) -> Vec<(String, String)> {
        let target = "target container/<name>";
        let update = format!(
            "{target}; memory_mib={LEAST_MEMORY} to {}, cpus=0.01 to {}: other limits, while it runs",
            self.settings.max_memory_mib, self.settings.max_cpus
        );
        let kinds = [
            (RESTART, format!("{target}; ends it and starts it again")),
            (START, format!("{target}; starts one that ended")),
            (STOP, format!("{target}, service=<name>: stops a container that troubles this service")),
            (UPDATE, update),
        ];
        kinds.map(|(kind, text)| (kind.to_owned(), text)).to_vec()
    }

    fn plan<'a>(&'a self, draft: &'a ActionDraft) -> BoxFuture<'a, Result<Plan, ToolError>> {
        Box::pin(self.make_plan(draft))
    }

    fn apply<'a>(&'a self, action: &'a Action, warrant: Warrant) -> BoxFuture<'a, Result<String, ActError>> {
        Box::pin(self.act(action, warrant))
    }

    fn was_applied<'a>(&'a self, action: &'a Action) -> BoxFuture<'a, Result<Applied, ToolError>> {
        Box::pin(self.look_whether(action))
    }

    fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
        Box::pin(async {
            let all = self.engine.list().await?;
            let ours = all.iter().filter(|one| is_allowed(&self.settings.containers, &one.name)).count();
            Ok(Some(format!("{ours} of {} containers may be touched", all.len())))
        })
    }
}

impl std::fmt::Debug for DockerHands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DockerHands").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_read_as_people_write_them_and_nothing_else() {
        assert_eq!(billionths("1.5"), Some(1_500_000_000));
        assert_eq!((billionths("2"), billionths("0.05")), (Some(2 * CPU), Some(50_000_000)));
        for odd in ["", "0", "0.00", ".5", "1.", "-1", "1e3", "1,5", "0.001", "99999", "+1", "１"] {
            assert_eq!(billionths(odd), None, "{odd}");
        }
    }
}
