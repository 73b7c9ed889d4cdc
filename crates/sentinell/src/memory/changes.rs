//! Changes that webhooks told of: pushes, merges, deployments, releases.

use crate::intake::github::changes_within;
use crate::store::Store;
use sentinell_core::evidence::{Gap, Observation, Query, Telemetry};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Clock, Question, Tool, ToolError};
use sentinell_core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Hours before the onset that are looked at.
const HOURS: i64 = 24;
/// Webhooks looked at.
const LIMIT: u32 = 500;
/// Changes told, the newest.
const CHANGES: usize = 100;

/// An eye on the changes that were told.
pub struct Changes {
    store: Store,
    clock: Arc<dyn Clock>,
}

impl Changes {
    /// Reads this store.
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    async fn look(&self, query: &Query) -> Result<Observation, ToolError> {
        if let Some(name) = query.args.keys().find(|name| *name != "onset") {
            return Err(ToolError::BadQuery(format!("no argument `{name:.40}`; there is onset")));
        }
        let onset =
            query.args.get("onset").map(|text| Timestamp::parse(text)).transpose().map_err(ToolError::BadQuery)?;
        let onset = onset.unwrap_or_else(|| self.clock.now());
        // A webhook may be late, and a bad push may come just after the first alert.
        let (since, until) = (onset.plus_seconds(-HOURS * 3600), onset.plus_seconds(900));
        let told = self.store.signals_of_github(since, until.plus_seconds(3600), LIMIT).await;
        let told = told.map_err(|error| ToolError::Retry(error.to_string()))?;
        let (mut known, mut telemetry, all) = (BTreeSet::new(), vec![], told.len());
        for signal in told {
            for change in changes_within(&signal.metadata, since, until) {
                // A merge is told as a push as well.
                if telemetry.len() < CHANGES && known.insert((change.reference.clone(), change.kind.clone())) {
                    telemetry.push(Telemetry::Change { change });
                }
            }
        }
        let cut = all == LIMIT as usize || telemetry.len() == CHANGES;
        let gap = Gap { what: "older changes".into(), why: "only the newest that webhooks told were read".into() };
        Ok(Observation {
            telemetry,
            gaps: cut.then_some(gap).into_iter().collect(),
            call: format!("changes told by GitHub's webhooks from {since} to {until}"),
        })
    }
}

impl Tool for Changes {
    fn name(&self) -> &str {
        "changes"
    }

    fn describe(&self) -> &str {
        "Commits on default branches, deployments and releases that GitHub's webhooks told of, in the 24 hours before the \
         onset. Arguments: onset (RFC 3339, default now)."
    }

    fn first_look(&self, case: &Investigation) -> Vec<Question> {
        vec![Question {
            tool: self.name().to_owned(),
            args: BTreeMap::from([("onset".to_owned(), case.signal.occurred_at.to_string())]),
            why: "what was pushed, deployed or released shortly before?".to_owned(),
        }]
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(self.look(query))
    }
}
