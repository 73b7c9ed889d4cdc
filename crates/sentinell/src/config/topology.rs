//! `[topology]`: which services call which, and what follows from it for alerts.

use crate::store::Dependencies;
use sentinell_core::topology::ServiceName;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The most calls that may be written down.
const MOST: usize = 4096;

/// The section as it was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawTopology {
    within_seconds: Option<u32>,
    learnt_days: Option<u32>,
    calls: BTreeMap<String, Vec<String>>,
}

pub(super) fn check(raw: RawTopology, problems: &mut Vec<String>) -> Dependencies {
    let defaults = Dependencies::default();
    let within_seconds = raw.within_seconds.unwrap_or(defaults.within_seconds);
    if within_seconds > 3600 {
        problems.push(format!("topology.within_seconds: {within_seconds} is out of range; 0 (never) to 3600"));
    }
    let learnt_days = raw.learnt_days.unwrap_or(defaults.learnt_days);
    if learnt_days > 365 {
        problems.push(format!("topology.learnt_days: {learnt_days} is out of range; 0 (nothing is learnt) to 365"));
    }
    let mut told = vec![];
    for (caller, callees) in &raw.calls {
        for callee in callees {
            match (ServiceName::parse(caller), ServiceName::parse(callee)) {
                (Ok(from), Ok(to)) if from != to => told.push((from, to)),
                (Ok(_), Ok(_)) => problems.push(format!("topology.calls: `{caller}` calls itself; leave that out")),
                (Err(why), _) => problems.push(format!("topology.calls: `{}`: {why}", caller.escape_debug())),
                (_, Err(why)) => problems.push(format!("topology.calls.{caller}: `{}`: {why}", callee.escape_debug())),
            }
        }
    }
    if told.len() > MOST {
        problems.push(format!("topology.calls: {} calls; at most {MOST}", told.len()));
    }
    Dependencies { told, within_seconds, learnt_days }
}
