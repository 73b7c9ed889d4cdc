//! A fuse on every seam: each spark is a place where a worker may die.

use sentinell_core::action::{Action, ActionDraft, Plan};
use sentinell_core::approval::Warrant;
use sentinell_core::evidence::{Observation, Query};
use sentinell_core::investigation::{Investigation, Turn};
use sentinell_core::ports::*;
use sentinell_core::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Counts sparks and blows at one of them: the worker's task panics there, which is as good as its death, since the
/// loop catches nothing.
#[derive(Clone)]
pub struct Fuse {
    sparks: Arc<AtomicU32>,
    blows_at: u32,
}

const CUT: &str = "cut here";

/// Keeps the panics of cuts out of the output.
pub fn quiet_cuts() {
    let other = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload_as_str() != Some(CUT) {
            other(info);
        }
    }));
}

impl Fuse {
    pub fn never() -> Self {
        Self::after(u32::MAX)
    }

    pub fn after(blows_at: u32) -> Self {
        Self { sparks: Arc::default(), blows_at }
    }

    pub fn sparks(&self) -> u32 {
        self.sparks.load(Ordering::SeqCst)
    }

    fn spark(&self) {
        if self.sparks.fetch_add(1, Ordering::SeqCst) + 1 == self.blows_at {
            panic!("{CUT}");
        }
    }
}

/// A port with a fuse before and after every call.
pub struct Fused<T: ?Sized> {
    pub fuse: Fuse,
    pub inner: Arc<T>,
}

/// The loop reads the clock between any two things it does, so that every read is a seam, too.
impl Clock for Fused<dyn Clock> {
    fn now(&self) -> Timestamp {
        self.fuse.spark();
        self.inner.now()
    }
}

impl Tool for Fused<dyn Tool> {
    fn name(&self) -> &str {
        self.inner.name()
    }
    fn describe(&self) -> &str {
        self.inner.describe()
    }
    fn first_look(&self, case: &Investigation) -> Vec<Question> {
        self.inner.first_look(case)
    }
    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(async move {
            self.fuse.spark();
            let observed = self.inner.observe(query).await;
            self.fuse.spark();
            observed
        })
    }
}

impl Reasoner for Fused<dyn Reasoner> {
    fn reason<'a>(&'a self, case: &'a Investigation, conclude: bool) -> BoxFuture<'a, Result<Turn, ReasonError>> {
        Box::pin(async move {
            self.fuse.spark();
            let turn = self.inner.reason(case, conclude).await;
            self.fuse.spark();
            turn
        })
    }
}

impl Actuator for Fused<dyn Actuator> {
    fn kinds(&self) -> Vec<(String, String)> {
        self.inner.kinds()
    }
    fn plan<'a>(&'a self, draft: &'a ActionDraft) -> BoxFuture<'a, Result<Plan, ToolError>> {
        Box::pin(async move {
            self.fuse.spark();
            self.inner.plan(draft).await
        })
    }
    fn apply<'a>(&'a self, action: &'a Action, warrant: Warrant) -> BoxFuture<'a, Result<String, ActError>> {
        Box::pin(async move {
            self.fuse.spark();
            let done = self.inner.apply(action, warrant).await;
            self.fuse.spark();
            done
        })
    }
    fn was_applied<'a>(&'a self, action: &'a Action) -> BoxFuture<'a, Result<Applied, ToolError>> {
        Box::pin(async move {
            self.fuse.spark();
            let looked = self.inner.was_applied(action).await;
            self.fuse.spark();
            looked
        })
    }
}
