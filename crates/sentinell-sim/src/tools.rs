//! The town's eyes.

use crate::cast::{NAMESPACE, Role};
use crate::telemetry::{changes, cluster, logs, metrics};
use crate::town::Town;
use sentinell_core::evidence::{Gap, Observation, Query, Telemetry};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Question, Tool, ToolError};
use sentinell_core::time::Timestamp;
use std::collections::BTreeMap;

/// Most lines of one answer and stream; the newest are kept.
const MOST_LINES: usize = 5000;
/// Furthest back that anything is read, minutes.
const MOST_MINUTES: i64 = 60;
/// How far before the alert the suspicious stretch begins, seconds; before that everything counts as quiet.
const LEAD_SECONDS: i64 = 360;

/// One of the town's eyes.
#[derive(Clone)]
pub struct TownTool {
    town: Town,
    eye: Eye,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Eye {
    Logs,
    Metrics,
    Changes,
    Cluster,
}

/// All eyes of a town.
pub(crate) fn all(town: &Town) -> Vec<TownTool> {
    let eyes = [Eye::Changes, Eye::Metrics, Eye::Cluster, Eye::Logs];
    eyes.into_iter().map(|eye| TownTool { town: town.clone(), eye }).collect()
}

impl Tool for TownTool {
    fn name(&self) -> &str {
        match self.eye {
            Eye::Logs => "town.logs",
            Eye::Metrics => "town.metrics",
            Eye::Changes => "town.changes",
            Eye::Cluster => "town.cluster",
        }
    }

    fn describe(&self) -> &str {
        match self.eye {
            Eye::Logs => {
                "log lines of one service of the town: service, since (RFC 3339) or last_seconds, baseline_minutes"
            }
            Eye::Metrics => "metrics of the town and who calls whom: service (or *), metric (or *), minutes (30)",
            Eye::Changes => "deploys and configuration changes in the town: service (or *), minutes (60)",
            Eye::Cluster => "Deployments, Services, Pods and Events of the town: service (or *)",
        }
    }

    fn first_look(&self, case: &Investigation) -> Vec<Question> {
        let namespace = case.signal.labels.get("namespace").map(String::as_str);
        if namespace.is_some_and(|namespace| namespace != NAMESPACE) {
            return vec![];
        }
        let ask = |args: &[(&str, &str)], why: &str| Question {
            tool: self.name().to_owned(),
            args: args.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            why: why.to_owned(),
        };
        match self.eye {
            Eye::Metrics => {
                let args = [("service", "*"), ("minutes", "10")];
                vec![ask(&args[..if self.town.brief { 2 } else { 1 }], "numbers of every service and who calls whom")]
            }
            Eye::Changes => vec![ask(&[("service", "*")], "what was changed lately")],
            Eye::Cluster => vec![ask(&[("service", "*")], "what the cluster says")],
            Eye::Logs => {
                let (lead, quiet) = if self.town.brief { (LEAD_SECONDS / 2, "2") } else { (LEAD_SECONDS, "15") };
                let since = case.signal.occurred_at.plus_seconds(-lead).to_string();
                let cast = &self.town.scene().cast;
                let one = |role: Role| {
                    let args = [("service", cast.name(role)), ("since", &since), ("baseline_minutes", quiet)];
                    ask(&args, &format!("what {} writes", cast.name(role)))
                };
                Role::ALL.into_iter().map(one).collect()
            }
        }
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(std::future::ready(self.look(query)))
    }
}

impl TownTool {
    fn look(&self, query: &Query) -> Result<Observation, ToolError> {
        if query.tool != self.name() {
            return Err(ToolError::BadQuery(format!("this is {}, not {}", self.name(), query.tool)));
        }
        let args = Args(&query.args);
        args.only(match self.eye {
            Eye::Logs => &["service", "since", "last_seconds", "baseline_minutes"],
            Eye::Metrics => &["service", "metric", "minutes"],
            Eye::Changes => &["service", "minutes"],
            Eye::Cluster => &["service"],
        })?;
        let roles = self.town.scene().cast.matching(args.get("service")).ok_or_else(|| {
            ToolError::BadQuery(format!("the town has no service {}", args.get("service").unwrap_or_default()))
        })?;
        self.town.admit(self.name())?;
        let now = self.town.clock.now();
        let call = query.args.iter().fold(self.name().to_owned(), |call, (key, value)| format!("{call} {key}={value}"));
        let (telemetry, gaps) = match self.eye {
            Eye::Logs => self.logs(&args, &roles, now)?,
            Eye::Metrics => (self.metrics(&args, &roles, now)?, vec![]),
            Eye::Changes => (self.changes(&args, &roles, now)?, vec![]),
            Eye::Cluster => {
                let object = cluster::read(&self.town.world(), &roles, now);
                (vec![Telemetry::KubernetesJson { object }], vec![])
            }
        };
        Ok(Observation { telemetry, gaps, call })
    }

    fn logs(&self, args: &Args<'_>, roles: &[Role], now: Timestamp) -> Result<(Vec<Telemetry>, Vec<Gap>), ToolError> {
        let last = args.number("last_seconds", LEAD_SECONDS, MOST_MINUTES * 60)?;
        let since = match args.get("since") {
            None => now.plus_seconds(-last),
            Some(text) => Timestamp::parse(text).map_err(|why| ToolError::BadQuery(format!("since: {why}")))?,
        };
        let since = since.max(now.plus_seconds(-MOST_MINUTES * 60));
        let quiet = args.number("baseline_minutes", 0, MOST_MINUTES)?;
        let (world, mut gaps) = (self.town.world(), vec![]);
        let streams = roles.iter().map(|role| {
            let mut lines = logs::read(&world, *role, since, now);
            let subject = world.scene.cast.subject(*role);
            if lines.len() > MOST_LINES {
                let cut = lines.len() - MOST_LINES;
                gaps.push(Gap { what: format!("the {cut} oldest lines of {subject}"), why: "too many lines".into() });
                lines.drain(..cut);
            }
            let baseline = logs::read(&world, *role, since.plus_seconds(-quiet * 60), since);
            Telemetry::Logs { subject, source: format!("logs of {}", world.scene.cast.name(*role)), lines, baseline }
        });
        let streams = streams.collect();
        Ok((streams, gaps))
    }

    fn metrics(&self, args: &Args<'_>, roles: &[Role], now: Timestamp) -> Result<Vec<Telemetry>, ToolError> {
        let minutes = args.number("minutes", 30, MOST_MINUTES)?;
        let names: Vec<&str> = match args.get("metric") {
            None | Some("" | "*") => metrics::NAMES.to_vec(),
            Some(name) => metrics::NAMES.into_iter().filter(|known| *known == name).collect(),
        };
        if names.is_empty() {
            return Err(ToolError::BadQuery(format!("no such metric; there are {}", metrics::NAMES.join(", "))));
        }
        let world = self.town.world();
        let series = roles.iter().flat_map(|role| names.iter().map(|name| (*role, *name)));
        let series = series.filter(|(role, name)| metrics::has(*role, name));
        let mut all: Vec<Telemetry> =
            series.map(|(role, name)| metrics::read(&world, role, name, minutes, now)).collect();
        let cast = &self.town.scene().cast;
        let call = |(caller, callee)| Telemetry::Call { caller: cast.subject(caller), callee: cast.subject(callee) };
        let touches = |(caller, callee): &(Role, Role)| roles.contains(caller) || roles.contains(callee);
        all.extend(Role::CALLS.into_iter().filter(touches).map(call));
        Ok(all)
    }

    fn changes(&self, args: &Args<'_>, roles: &[Role], now: Timestamp) -> Result<Vec<Telemetry>, ToolError> {
        let minutes = args.number("minutes", 60, MOST_MINUTES)?;
        let cast = &self.town.scene().cast;
        let changes = changes::read(&self.town.world(), now.plus_seconds(-minutes * 60), now).into_iter();
        let asked = changes.filter(|change| cast.role(&change.subject).is_some_and(|role| roles.contains(&role)));
        Ok(asked.map(|change| Telemetry::Change { change }).collect())
    }
}

struct Args<'q>(&'q BTreeMap<String, String>);

impl Args<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn only(&self, known: &[&str]) -> Result<(), ToolError> {
        match self.0.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some(_) => Err(ToolError::BadQuery(format!("it takes {} and nothing else", known.join(", ")))),
        }
    }

    fn number(&self, key: &str, otherwise: i64, most: i64) -> Result<i64, ToolError> {
        match self.get(key).map(str::parse) {
            None => Ok(otherwise),
            Some(Ok(number)) if (1..=most).contains(&number) => Ok(number),
            Some(_) => Err(ToolError::BadQuery(format!("{key} must be a number from 1 to {most}"))),
        }
    }
}
