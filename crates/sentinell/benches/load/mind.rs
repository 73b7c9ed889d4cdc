//! A mind and an eye that cost nothing, so that what is measured is the loop around them.

use sentinell::store::Store;
use sentinell::worker::{Options, Worker};
use sentinell_core::evidence::{Gap, Observation, Query};
use sentinell_core::investigation::{Decision, Doubt, Investigation, Turn, Usage};
use sentinell_core::ports::{BoxFuture, Question, ReasonError, Reasoner, Tool, ToolError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Answers at once, that there was nothing to see.
struct Window;

impl Tool for Window {
    fn name(&self) -> &str {
        "window"
    }

    fn describe(&self) -> &str {
        "looks out and sees nothing"
    }

    fn first_look(&self, _case: &Investigation) -> Vec<Question> {
        vec![]
    }

    fn observe<'a>(&'a self, _query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        let gap = Gap { what: "the street".into(), why: "it was empty".into() };
        Box::pin(async { Ok(Observation { gaps: vec![gap], call: "look".into(), ..Observation::default() }) })
    }
}

/// Looks once out of each of `looks` windows, then gives up; every turn takes `thinks`.
struct Mind {
    looks: usize,
    thinks: Duration,
}

impl Reasoner for Mind {
    fn reason<'a>(&'a self, case: &'a Investigation, conclude: bool) -> BoxFuture<'a, Result<Turn, ReasonError>> {
        Box::pin(async move {
            if !self.thinks.is_zero() {
                tokio::time::sleep(self.thinks).await;
            }
            let question = |n: usize| Question {
                tool: "window".into(),
                args: BTreeMap::from([("side".to_owned(), n.to_string())]),
                why: "to see".into(),
            };
            let decision = match case.spent.turns {
                0 if !conclude => Decision::LookAt((0..self.looks).map(question).collect()),
                _ => Decision::Conclude("nothing was to be seen".into()),
            };
            Ok(Turn::free("instant", decision, vec![], vec![]))
        })
    }

    fn doubt<'a>(&'a self, _case: &'a Investigation) -> BoxFuture<'a, Doubt> {
        let why = "nobody looked twice".to_owned();
        let doubt = Doubt { by: String::new(), usage: Usage::default(), verdicts: vec![], why, lost: vec![] };
        Box::pin(async { doubt })
    }
}

/// A worker over `store` whose mind takes two turns and `looks` looks an incident.
pub fn worker(store: &Store, holder: &str, looks: usize, thinks: Duration, concurrency: usize) -> Arc<Worker> {
    let options = Options {
        holder: holder.to_owned(),
        lease: Duration::from_secs(15),
        concurrency,
        poll: Duration::from_millis(500),
    };
    let clock = Arc::new(sentinell::clock::SystemClock);
    let mind = Arc::new(Mind { looks, thinks });
    Arc::new(Worker::new(store.clone(), vec![Arc::new(Window)], vec![], mind, clock, options))
}
