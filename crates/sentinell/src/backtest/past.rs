//! Where closed incidents come from: recorded folders, or the installation's own database.

use super::{Past, Truth};
use crate::digest::suspects;
use crate::store::{Filter, Store};
use crate::wire::oneshot;
use anyhow::{Context, bail};
use sentinell_core::evidence::{Gap, Observation, Query};
use sentinell_core::ids::QueryId;
use sentinell_core::investigation::{ActionState, Investigation};
use serde::Deserialize;
use std::path::Path;

/// Bytes of an `incident.json` that are looked at for the truth.
const LONGEST: u64 = 1 << 20;
/// Observations of one incident that are read.
const OBSERVATIONS: u32 = 1000;
/// Incidents of one page.
const PAGE: u32 = 200;

/// The part of `incident.json` that the engine never sees.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Known {
    cause: Option<Truth>,
}

/// Every folder in `folder` is a recorded incident (`docs/recording-format.md`); its `incident.json` tells the truth as
/// `"cause": {"component": …, "fault": …}`. In the order of their names.
///
/// # Errors
/// When the folder cannot be read, has no folders in it, or an `incident.json` is none.
pub async fn from_folder(folder: &Path) -> anyhow::Result<Vec<Past>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read the folder {}", folder.display()))?;
    // Links are not followed, here as in a recording.
    let folders = entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut folders: Vec<_> = folders.map(|entry| entry.path()).collect();
    folders.sort();
    if folders.is_empty() {
        bail!(
            "{} has no folders in it; each recorded incident is a folder, see docs/recording-format.md",
            folder.display()
        );
    }
    let mut pasts = vec![];
    for folder in folders {
        let past = recorded(&folder).await.with_context(|| format!("reading {}", folder.display()))?;
        pasts.push(past);
    }
    Ok(pasts)
}

async fn recorded(folder: &Path) -> anyhow::Result<Past> {
    let (eye, incident) = oneshot::recording(folder)?;
    let mut observations = vec![];
    for question in &eye.questions {
        let (id, args) = (QueryId("q1".into()), question.args.clone());
        let query = Query { id, tool: question.tool.clone(), args, why: question.why.clone() };
        observations.push(crate::digest::clean(eye.tool.observe(&query).await?));
    }
    let service = incident.service.map(|service| match incident.namespace {
        Some(namespace) => format!("service/{namespace}/{service}"),
        None => format!("service/{service}"),
    });
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let suspects = service.into_iter().collect();
    Ok(Past { name, onset: incident.onset, suspects, observations, truth: known(folder)? })
}

fn known(folder: &Path) -> anyhow::Result<Option<Truth>> {
    let path = folder.join("incident.json");
    match std::fs::symlink_metadata(&path) {
        Ok(about) if about.is_file() && about.len() <= LONGEST => {
            let known: Known = serde_json::from_slice(&std::fs::read(path)?).context("incident.json")?;
            Ok(known.cause)
        }
        _ => Ok(None),
    }
}

/// The newest `most` resolved incidents of a database, newest first. The truth is known of those that a verified deed
/// ended: the component that the deed was done for.
///
/// # Errors
/// If the database cannot be read.
pub async fn from_database(store: &Store, most: usize) -> anyhow::Result<Vec<Past>> {
    let (mut pasts, mut cursor) = (vec![], None::<String>);
    loop {
        let filter = Filter { status: Some("resolved".into()), ..Filter::default() };
        let (incidents, next) = store.incidents(filter, cursor.as_deref(), PAGE).await?;
        for incident in incidents {
            if pasts.len() >= most {
                return Ok(pasts);
            }
            if let Some(case) = store.load(&incident.id).await? {
                pasts.push(closed(store, &case).await?);
            }
        }
        match next {
            Some(next) => cursor = Some(next),
            None => return Ok(pasts),
        }
    }
}

async fn closed(store: &Store, case: &Investigation) -> anyhow::Result<Past> {
    let mut observations = vec![];
    for kept in store.observations_of(&case.id, OBSERVATIONS).await? {
        // What was too large to keep is a gap now.
        observations.push(serde_json::from_value(kept.body).unwrap_or_else(|_| Observation {
            gaps: vec![Gap { what: format!("the answer to {}", kept.query.0), why: "too large to be kept".into() }],
            ..Observation::default()
        }));
    }
    let onset = Some(case.signal.occurred_at);
    Ok(Past { name: case.id.0.clone(), onset, suspects: suspects(case), observations, truth: proven(case) })
}

/// Whom the deed was done to that is known to have helped. That it helped does not prove the word for what was wrong.
fn proven(case: &Investigation) -> Option<Truth> {
    let deed = case.actions.iter().find(|record| record.state == ActionState::Fixed)?;
    let cause = case.hypotheses.iter().find(|hypothesis| hypothesis.id == deed.action.because)?;
    Some(Truth { component: cause.component.clone(), fault: None })
}
