//! The worker's eyes: queries side by side, answers written down as they come.

use super::{LetGo, Worker};
use crate::digest;
use crate::store::{Lease, Raw};
use crate::telemetry::spans;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use sentinell_core::action::Action;
use sentinell_core::evidence::{Evidence, Gap, Observation, Query};
use sentinell_core::investigation::{Input, Investigation, Phase, Reading};
use sentinell_core::ports::ToolError;
use sentinell_core::time::Timestamp;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tracing::Instrument;

/// The engine is arithmetic over text: up to so many bytes of it take less than the way to another thread and back.
const SMALL: usize = 8 * 1024;

/// Answers that are written down in one go at most.
const TOGETHER: usize = 16;

impl Worker {
    pub(super) async fn observe(
        &self,
        case: &mut Investigation,
        lease: &Lease,
        queries: Vec<Query>,
    ) -> Result<(), LetGo> {
        let asked = case.clone();
        let answers: FuturesUnordered<_> = queries.into_iter().map(|query| self.answer(&asked, query)).collect();
        // Those that are there at the same time are written down together.
        let mut answers = answers.ready_chunks(TOGETHER);
        while let Some(come) = answers.next().await {
            let come = come.into_iter().collect::<Result<Vec<_>, _>>()?;
            let (inputs, raws): (Vec<_>, Vec<_>) = come.into_iter().unzip();
            self.record_all(case, lease, inputs, raws.into_iter().flatten().collect()).await?;
        }
        Ok(())
    }

    /// Asks one query and condenses the answer, which comes with it as it was.
    async fn answer(&self, case: &Investigation, query: Query) -> Result<(Input, Option<Arc<Raw>>), LetGo> {
        let started = self.clock.now();
        let span = spans::read(&query);
        let looked = self.look(&query).instrument(span.clone()).await;
        if let Err(error) = &looked {
            spans::unread(&span, trouble(error));
        }
        let observation = match looked {
            Ok(observation) => digest::clean(observation),
            Err(ToolError::Retry(why)) => return Ok((Input::NotObserved { query: query.id, why, again: true }, None)),
            Err(error) => {
                return Ok((Input::NotObserved { query: query.id, why: error.to_string(), again: false }, None));
            }
        };
        let raw = Arc::new(Raw::of(&case.id, &query.id, &observation)?);
        self.learn(&observation, started).await;
        let call = observation.call.clone();
        let (evidence, gaps) = if raw.bytes <= SMALL {
            condense(case, &query, &observation)
        } else {
            let case = case.clone();
            let (asked, what) = (query.clone(), query.tool.clone());
            let apart = tokio::task::spawn_blocking(move || condense(&case, &asked, &observation));
            apart.await.unwrap_or_else(|_| stopped(what))
        };
        let millis = self.clock.now().millis_since(started).unsigned_abs();
        let address = raw.address.clone();
        Ok((Input::Observed { query: query.id, evidence, gaps, call, raw: address, millis }, Some(raw)))
    }

    /// Remembers who was seen to call whom, for the alerts to come. An investigation does not depend on it.
    async fn learn(&self, observation: &Observation, at: Timestamp) {
        if let Err(error) = self.store.learn_calls(digest::calls(observation), at).await {
            tracing::debug!(%error, "who calls whom is not remembered");
        }
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

type Condensed = (Vec<Evidence>, Vec<Gap>);

/// What the engine makes of an answer; a defect in it costs this answer.
fn condense(case: &Investigation, query: &Query, observation: &Observation) -> Condensed {
    let condensed = catch_unwind(AssertUnwindSafe(|| digest::condense(case, query, observation)));
    condensed.unwrap_or_else(|_| stopped(query.tool.clone()))
}

fn stopped(what: String) -> Condensed {
    (vec![], vec![Gap { what, why: "the engine stopped on this answer".into() }])
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
