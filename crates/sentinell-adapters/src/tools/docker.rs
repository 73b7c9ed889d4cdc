//! A Docker engine (or a Podman, which speaks the same): the containers of a service, how they are and what they write.
//! <https://docs.docker.com/reference/api/engine/>
//!
//! Only GET is ever sent. Of what the engine tells of a container a few fields are read; its environment and its command line are
//! not among them, since that is where secrets stand.

mod container;
mod lines;

use super::gathered::{Gathered, Part};
use crate::docker::{Engine, Known};
use crate::http::HttpLimits;
use crate::text::{arg, known_args, label, one_line};
use crate::window::{self, Stretch, Window};
use container::Container;
use sentinell_core::evidence::{Change, Gap, LogLine, Observation, Query, Telemetry};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Clock, Question, Tool, ToolError};
use sentinell_core::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

pub use crate::docker::DockerAt;

/// Containers of one look.
const MAX_CONTAINERS: usize = 8;
/// Lines of one container and stretch that are asked for; fewer where those are too long together.
const LINES: [usize; 2] = [2000, 200];
/// A container that was made so long before the onset is no news, milliseconds.
const NEWS: i64 = 24 * 3_600_000;
/// What happens to containers and is worth knowing. Runs of commands inside are not: their arguments may hold anything.
const EVENTS: &str = r#"{"type":["container"],"event":["create","start","restart","stop","kill","die","oom","destroy","pause","unpause","health_status"]}"#;

/// Which engine.
#[derive(Debug, Clone)]
pub struct DockerSettings {
    /// Where it is.
    pub at: DockerAt,
    /// What signals call the machine that it runs on; empty: only services are looked for.
    pub host: String,
}

/// The tool `docker`.
pub struct Docker {
    engine: Engine,
    host: String,
    clock: Arc<dyn Clock>,
    describe: String,
}

impl Docker {
    /// An eye on one engine.
    ///
    /// # Errors
    /// If the address makes no sense.
    pub fn new(settings: DockerSettings, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let limits = HttpLimits { body: 8 << 20, ..HttpLimits::default() };
        let engine = Engine::new(&settings.at, limits)?;
        let describe = format!(
            "reads the containers of a Docker engine: state, exit codes, restarts, health, memory, events and logs; args: service, \
             container (an exact name; neither: every container that is not well), {}",
            window::HELP
        );
        Ok(Self { engine, host: settings.host, clock, describe })
    }

    async fn look(&self, query: &Query) -> Result<Observation, ToolError> {
        let args = &query.args;
        let known: Vec<&str> = ["service", "namespace", "container"].iter().chain(&window::ARGS).copied().collect();
        known_args(args, &known).map_err(ToolError::BadQuery)?;
        let window = Window::of(args, self.clock.now()).map_err(ToolError::BadQuery)?;
        let all = self.engine.list().await?;
        let (service, name) = (arg(args, "service"), arg(args, "container"));
        let mut meant: Vec<&Known> = match (service, name) {
            (None, None) => all.iter().filter(|one| one.is_unwell()).collect(),
            _ => all.iter().filter(|one| name == Some(&*one.name) || service.is_some_and(|s| one.is_of(s))).collect(),
        };
        let mut seen = Observation::default();
        if meant.is_empty() && (service.is_some() || name.is_some()) {
            let what = format!("containers of {}", one_line(service.or(name).unwrap_or_default(), 100));
            let names: Vec<&str> = all.iter().take(20).map(|one| one.name.as_str()).collect();
            let why = format!("no container there bears that name; there are {}", one_line(&names.join(", "), 300));
            seen.gaps.push(Gap { what, why });
        }
        let left_out = meant.len().saturating_sub(MAX_CONTAINERS);
        if left_out > 0 {
            let why = format!("one look reads {MAX_CONTAINERS}; name one with container");
            seen.gaps.push(Gap { what: format!("{left_out} more containers"), why });
            meant.sort_by_key(|one| !one.is_unwell());
            meant.truncate(MAX_CONTAINERS);
        }
        let events = match meant.is_empty() {
            true => vec![],
            false => self.events(window.whole()).await.unwrap_or_else(|error| {
                seen.gaps.push(Gap { what: "what happened to the containers".to_owned(), why: error.to_string() });
                vec![]
            }),
        };
        let mut gathered = Gathered::default();
        for one in meant {
            let place = service.and(arg(args, "namespace")).map(|place| one_line(place, 200));
            let subject = match (place, service.map_or_else(|| one.service(), |name| one_line(name, 200))) {
                (Some(place), service) => format!("service/{place}/{service}"),
                (None, service) => format!("service/{service}"),
            };
            self.container(one, &subject, &events, window, &mut seen, &mut gathered).await;
        }
        seen.call = format!("docker ps, inspect, logs, stats, events {}", service.or(name).unwrap_or_default());
        let (logs, gaps) = gathered.finish(&format!("docker logs {}", service.or(name).unwrap_or_default()));
        seen.telemetry.extend(logs);
        seen.gaps.extend(gaps);
        Ok(seen)
    }

    /// Everything about one container; what cannot be read is a gap.
    async fn container(
        &self,
        known: &Known,
        subject: &str,
        events: &[Value],
        window: Window,
        seen: &mut Observation,
        gathered: &mut Gathered,
    ) {
        let lost = |what: &str, error: ToolError| Gap {
            what: format!("{what} of the container {}", one_line(&known.name, 100)),
            why: error.to_string(),
        };
        let path = |rest: &str| format!("containers/{}/{rest}", known.id);
        let inspect = path("json");
        let (details, calm, trouble) = futures::join!(
            self.engine.json(&inspect, &[]),
            self.lines(known, window.calm),
            self.lines(known, Some(window.trouble))
        );
        let details = match details {
            Ok(details) => details,
            Err(error) => return seen.gaps.push(lost("the state", error)),
        };
        let container = Container::of(&details, known);
        let now = self.clock.now();
        let mut said: Vec<LogLine> = vec![];
        let mut before: Vec<LogLine> = vec![];
        for event in events.iter().filter(|event| known.is_told_of(event)) {
            if let Some(line) = container::happened(event) {
                let at = line.at.map_or(0, |at| at.0);
                if at >= window.trouble.0 { said.push(line) } else { before.push(line) }
            }
        }
        said.push(container.line(now));
        let source = format!("docker inspect {}", one_line(&known.name, 200));
        seen.telemetry.push(Telemetry::Logs {
            subject: subject.to_owned(),
            source: source.clone(),
            lines: said,
            baseline: before,
        });
        seen.telemetry.extend(made(known, &container, subject, window.trouble.0 - NEWS));
        if container.running {
            match self.engine.json(&path("stats"), &[("stream", "false"), ("one-shot", "true")]).await {
                Ok(stats) => seen.telemetry.extend(container.figures(&stats, subject, &source, now)),
                Err(error) => seen.gaps.push(lost("memory and processes", error)),
            }
        }
        for (part, answer) in [(Part::Trouble, trouble), (Part::Calm, calm)] {
            match answer {
                Ok((bytes, cut)) => {
                    for line in lines::of(&bytes, container.tty) {
                        gathered.add(subject, part, line);
                    }
                    seen.gaps.extend(cut.then(|| Gap {
                        what: format!("older lines of the container {}", one_line(&known.name, 100)),
                        why: format!("one look brings the newest {}; all of them: docker logs", LINES[0]),
                    }));
                }
                Err(error) => seen.gaps.push(lost("lines", error)),
            }
        }
    }

    async fn events(&self, (from, to): Stretch) -> Result<Vec<Value>, ToolError> {
        let (since, until) = ((from / 1000).to_string(), (to / 1000).to_string());
        self.engine.documents("events", &[("since", &since), ("until", &until), ("filters", EVENTS)]).await
    }

    /// The newest lines of a stretch as the engine frames them, and whether there may be more.
    async fn lines(&self, known: &Known, stretch: Option<Stretch>) -> Result<(Vec<u8>, bool), ToolError> {
        let Some((from, to)) = stretch else { return Ok((vec![], false)) };
        let (since, until) = ((from / 1000).to_string(), (to / 1000 + 1).to_string());
        let path = format!("containers/{}/logs", known.id);
        let mut answer = Err(ToolError::BadQuery("no lines".to_owned()));
        for lines in LINES {
            let tail = lines.to_string();
            let query = [
                ("stdout", "true"),
                ("stderr", "true"),
                ("timestamps", "true"),
                ("since", since.as_str()),
                ("until", until.as_str()),
                ("tail", tail.as_str()),
            ];
            answer = self.engine.get(&path, &query).await.map(|bytes| (lines::count(&bytes) >= lines, bytes));
            match &answer {
                // Too much at once.
                Err(ToolError::BadQuery(_)) => {}
                _ => break,
            }
        }
        answer.map(|(cut, bytes)| (bytes, cut))
    }

    /// Whether a signal is about the machine of this engine.
    fn is_here(&self, case: &Investigation) -> bool {
        let named = label(case, &["instance", "host", "hostname", "node"]);
        let host = named.map(|value| value.rsplit_once(':').map_or(value, |(host, _)| host));
        !self.host.is_empty() && host.is_some_and(|host| host.eq_ignore_ascii_case(&self.host))
    }
}

/// That a container was made, if it was after `since` (Unix milliseconds): another image is a change.
fn made(known: &Known, container: &Container, subject: &str, since: i64) -> Option<Telemetry> {
    let at = container.created.filter(|at| at.0 > since)?;
    let change = Change {
        at,
        kind: "deploy".to_owned(),
        subject: subject.to_owned(),
        summary: format!("container {} made of {}", one_line(&known.name, 100), one_line(&known.image, 150)),
        reference: container.image_id.clone(),
        touched: vec![],
        author: None,
    };
    Some(Telemetry::Change { change })
}

impl Tool for Docker {
    fn name(&self) -> &str {
        "docker"
    }

    fn describe(&self) -> &str {
        &self.describe
    }

    fn first_look(&self, case: &Investigation) -> Vec<Question> {
        let mut args = BTreeMap::from([("onset".to_owned(), case.signal.occurred_at.to_string())]);
        let mut take = |name: &str, value: Option<&str>| {
            args.extend(value.map(|value| (name.to_owned(), value.chars().take(200).collect::<String>())));
            value.is_some()
        };
        let service = take("service", label(case, &["service", "service_name", "app", "compose_service"]));
        let container = take("container", label(case, &["container", "container_name"]));
        // Of a pod the kubelet knows more.
        if label(case, &["pod"]).is_some() || !(service || container || self.is_here(case)) {
            return vec![];
        }
        if service {
            take("namespace", label(case, &["namespace"]).filter(|value| !value.contains('/')));
        }
        let why = "how are its containers, and what do they write?".to_owned();
        vec![Question { tool: self.name().to_owned(), args, why }]
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(self.look(query))
    }

    fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
        Box::pin(async {
            let all = self.engine.list().await.map_err(|error| match error {
                ToolError::Retry(why) => {
                    ToolError::Retry(format!("{why}; does the engine run, and may this user open its socket?"))
                }
                other => other,
            })?;
            let unwell = all.iter().filter(|one| one.is_unwell()).count();
            Ok(Some(format!("{} containers, {unwell} of them not well", all.len())))
        })
    }
}

impl std::fmt::Debug for Docker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Docker").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Seconds and nanoseconds, or RFC 3339; Docker writes the year 1 where it means never.
fn moment(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text).ok().filter(|at| at.0 > 0)
}
