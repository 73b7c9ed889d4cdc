//! The memory as an eye: what happened once before, and what is known to help.

use super::search::{Like, Sense, alike, why};
use crate::store::{Found, Store, StoreError};
use sentinell_core::evidence::{Gap, Observation, Precedent, Query, Telemetry};
use sentinell_core::ids::{Fingerprint, IncidentId};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Question, Tool, ToolError};
use std::collections::BTreeMap;

/// Past incidents that are told, and runbooks.
const INCIDENTS: usize = 5;
const RUNBOOKS: usize = 2;
/// A question without a word in common or this much meaning has no precedent.
const ALIKE: f64 = 0.45;
/// Words in common that are enough by themselves.
const WORDS: usize = 3;
/// Characters of a case that the first look asks with.
const ASKED: usize = 600;
/// Arguments.
const ARGS: [&str; 3] = ["text", "incident", "fingerprint"];

/// An eye on the memory.
pub struct Memory {
    store: Store,
    sense: Sense,
}

impl Memory {
    /// Reads the memory of this store.
    pub fn new(store: Store, sense: Sense) -> Self {
        Self { store, sense }
    }

    async fn look(&self, query: &Query) -> Result<Observation, ToolError> {
        if let Some(name) = query.args.keys().find(|name| !ARGS.contains(&name.as_str())) {
            return Err(ToolError::BadQuery(format!("no argument `{name:.40}`; there are {}", ARGS.join(", "))));
        }
        let text = query.args.get("text").filter(|text| !text.trim().is_empty());
        let text = text.ok_or_else(|| ToolError::BadQuery("say what to look for, as `text`".into()))?;
        let like = Like {
            incident: IncidentId(query.args.get("incident").cloned().unwrap_or_default()),
            fingerprint: query.args.get("fingerprint").map(|text| Fingerprint(text.clone())),
            text: text.clone(),
            limit: INCIDENTS * 2,
        };
        let found = alike(&self.store, &self.sense, &like).await;
        let found = found.map_err(|error: StoreError| ToolError::Retry(error.to_string()))?;
        let tells = |found: &&Found| {
            found.same_alert || found.words.len() >= WORDS || found.meaning.is_some_and(|near| near >= ALIKE)
        };
        let incidents = found.incidents.iter().filter(tells).filter(ended).take(INCIDENTS).map(incident);
        let runbooks = found.runbooks.iter().filter(tells).take(RUNBOOKS).map(runbook);
        let gaps =
            found.gaps.iter().map(|why| Gap { what: "meaning of past incidents".into(), why: why.clone() }).collect();
        let telemetry = incidents.chain(runbooks).map(|precedent| Telemetry::Precedent { precedent }).collect();
        Ok(Observation { telemetry, gaps, call: "past incidents and runbooks that are like this".into() })
    }
}

/// Only what came to an end teaches anything.
fn ended(found: &&Found) -> bool {
    found.record.facts["outcome"].is_string()
}

fn incident(found: &Found) -> Precedent {
    let facts = &found.record.facts;
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let cause = text(&facts["cause"]["fault"]).zip(text(&facts["cause"]["component"]));
    let parts = [
        text(&facts["outcome"]),
        cause.map(|(fault, component)| format!("cause {fault} on {component}")),
        text(&facts["runbook"]).map(|name| format!("runbook \"{name}\" helped")),
    ];
    Precedent {
        kind: "incident".into(),
        reference: found.record.reference.clone().unwrap_or_default(),
        title: found.record.title.clone(),
        subject: found.record.service.clone().unwrap_or_else(|| "the past".into()),
        at: Some(found.record.at),
        outcome: parts.into_iter().flatten().collect::<Vec<_>>().join("; "),
        why: why(found),
    }
}

fn runbook(found: &Found) -> Precedent {
    let action = found.record.facts["action"].as_str();
    Precedent {
        kind: "runbook".into(),
        reference: found.record.title.clone(),
        title: found.record.title.clone(),
        subject: "runbooks".into(),
        at: None,
        outcome: action.map_or_else(|| "advice for a person".into(), |action| format!("proposes {action}")),
        why: why(found),
    }
}

impl Tool for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    fn describe(&self) -> &str {
        "Past incidents that are like this one, with how they ended, and runbooks that fit. Arguments: text (what to look \
         for), incident (an id to leave out), fingerprint (of the alert)."
    }

    fn first_look(&self, case: &Investigation) -> Vec<Question> {
        let text: String = format!("{}\n{}", case.signal.title, case.signal.text).chars().take(ASKED).collect();
        let mut args = BTreeMap::from([("text".to_owned(), text), ("incident".to_owned(), case.id.0.clone())]);
        args.extend(case.alerts.keys().next().map(|alert| ("fingerprint".to_owned(), alert.to_string())));
        vec![Question {
            tool: self.name().to_owned(),
            args,
            why: "did this happen before, and what helped?".to_owned(),
        }]
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(self.look(query))
    }
}
