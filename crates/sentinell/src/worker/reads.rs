//! The worker's eyes: queries side by side, each answer written down as it comes.

use super::patience::Patience;
use super::{LetGo, Worker};
use crate::digest;
use crate::store::Lease;
use crate::telemetry::spans;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use sentinell_core::action::Action;
use sentinell_core::evidence::{Gap, Observation, Query};
use sentinell_core::investigation::{Input, Investigation, Phase, Reading};
use sentinell_core::ports::ToolError;
use sentinell_core::time::Timestamp;
use tracing::Instrument;

impl Worker {
    pub(super) async fn observe(
        &self,
        case: &mut Investigation,
        lease: &Lease,
        queries: Vec<Query>,
    ) -> Result<(), LetGo> {
        let asked = case.clone();
        let mut answers: FuturesUnordered<_> = queries.into_iter().map(|query| self.answer(&asked, query)).collect();
        while let Some(input) = answers.next().await {
            self.record(case, lease, input?).await?;
        }
        Ok(())
    }

    /// Asks one query; keeps the raw answer, condenses it.
    async fn answer(&self, case: &Investigation, query: Query) -> Result<Input, LetGo> {
        let started = self.clock.now();
        let span = spans::read(&query);
        let looked = self.look(&query).instrument(span.clone()).await;
        if let Err(error) = &looked {
            spans::unread(&span, trouble(error));
        }
        let observation = match looked {
            Ok(observation) => digest::clean(observation),
            Err(ToolError::Retry(why)) => return Ok(Input::NotObserved { query: query.id, why, again: true }),
            Err(error) => return Ok(Input::NotObserved { query: query.id, why: error.to_string(), again: false }),
        };
        let mut patience = Patience::default();
        let raw = loop {
            match self.store.keep_observation(&case.id, &query.id, &observation).await {
                Ok(raw) => break raw,
                Err(error) => patience.bear(error).await?,
            }
        };
        let call = observation.call.clone();
        let (evidence, gaps) = condensed(case.clone(), query.clone(), observation).await;
        let millis = self.clock.now().millis_since(started).unsigned_abs();
        Ok(Input::Observed { query: query.id, evidence, gaps, call, raw, millis })
    }

    async fn look(&self, query: &Query) -> Result<Observation, ToolError> {
        match self.tools.get(&query.tool) {
            Some(tool) => tool.observe(query).await,
            None => {
                let known: Vec<_> = self.tools.keys().map(String::as_str).collect();
                Err(ToolError::BadQuery(format!("there is no tool `{}`; there are {}", query.tool, known.join(", "))))
            }
        }
    }

    /// Looks at the world as the action's verification says.
    pub(super) async fn verify(&self, case: &Investigation, action: &Action) -> Input {
        let looks = action.plan.verification.queries.iter().map(|query| self.look(query));
        let mut observations = Vec::new();
        for look in futures::future::join_all(looks).await {
            observations.push(match look {
                Ok(observation) => digest::clean(observation),
                Err(error) => unread(&error),
            });
        }
        let reading = read(case.clone(), action.clone(), observations, since(case, action)).await;
        Input::Checked { action: action.id.clone(), reading }
    }
}

fn trouble(error: &ToolError) -> &'static str {
    match error {
        ToolError::Retry(_) => "retry",
        ToolError::BadQuery(_) => "bad_query",
        ToolError::Denied(_) => "denied",
    }
}

fn unread(error: &ToolError) -> Observation {
    let gap = Gap { what: "a verification read".into(), why: error.to_string() };
    Observation { gaps: vec![gap], ..Observation::default() }
}

/// The end of the deed; none before it.
fn since(case: &Investigation, action: &Action) -> Option<Timestamp> {
    match &case.phase {
        Phase::Verifying { give_up_at, .. } => {
            Some(give_up_at.plus_seconds(-i64::from(action.plan.verification.within_seconds)))
        }
        _ => None,
    }
}

/// The engine is arithmetic over much text: it gets a thread of its own.
async fn condensed(
    case: Investigation,
    query: Query,
    observation: Observation,
) -> (Vec<sentinell_core::evidence::Evidence>, Vec<Gap>) {
    let what = query.tool.clone();
    tokio::task::spawn_blocking(move || digest::condense(&case, &query, &observation))
        .await
        .unwrap_or_else(|_| (vec![], vec![Gap { what, why: "the engine stopped on this answer".into() }]))
}

async fn read(
    case: Investigation,
    action: Action,
    observations: Vec<Observation>,
    since: Option<Timestamp>,
) -> Reading {
    let health = sentinell_core::investigation::Health::Unknown;
    tokio::task::spawn_blocking(move || digest::evaluate(&case, &action, &observations, since))
        .await
        .unwrap_or_else(|_| Reading { health, note: "the engine stopped on this answer".into() })
}
