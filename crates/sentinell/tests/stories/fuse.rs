//! A fuse on every seam: each spark is a place where a worker may die, or where the clock may jump.

use super::books::Books;
use sentinell_core::action::{Action, ActionDraft, Plan};
use sentinell_core::approval::Warrant;
use sentinell_core::evidence::{Observation, Query};
use sentinell_core::investigation::{Doubt, Investigation, Turn};
use sentinell_core::ports::*;
use sentinell_core::time::Timestamp;
use sentinell_sim::VirtualClock;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use tokio::sync::Mutex;

/// What happens where the fuse blows.
#[derive(Clone)]
enum Blow {
    /// The worker's task panics there, which is as good as its death, since the loop catches nothing.
    Death,
    /// The clock jumps by so many milliseconds, forward or back.
    Jump(i64, Jumps),
}

/// How far the clocks of our machines are from the town's, after all their jumps, milliseconds.
#[derive(Clone, Default)]
pub struct Jumps(Arc<AtomicI64>);

impl Jumps {
    pub fn jump(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    pub fn millis(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Counts sparks and blows at one of them.
#[derive(Clone)]
pub struct Fuse {
    sparks: Arc<AtomicU32>,
    blows_at: Arc<AtomicU64>,
    blow: Blow,
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

/// Whether a task ended because a fuse blew; any other panic goes on.
pub fn was_cut(error: tokio::task::JoinError) -> bool {
    match error.try_into_panic() {
        Ok(payload) if payload.downcast_ref::<&str>() == Some(&CUT) => true,
        Ok(payload) if payload.downcast_ref::<String>().is_some_and(|text| text == CUT) => true,
        Ok(payload) => std::panic::resume_unwind(payload),
        Err(_) => false,
    }
}

impl Fuse {
    pub fn never() -> Self {
        Self::after(u32::MAX)
    }

    pub fn after(blows_at: u32) -> Self {
        Self { sparks: Arc::default(), blows_at: Arc::new(u64::from(blows_at).into()), blow: Blow::Death }
    }

    /// The clock jumps at one seam.
    pub fn jumping(seam: u32, millis: i64, jumps: Jumps) -> Self {
        Self { blow: Blow::Jump(millis, jumps), ..Self::after(seam) }
    }

    /// Blows again, so many seams from here.
    pub fn rearm(&self, seams: u32) {
        self.blows_at.store(u64::from(self.sparks()) + u64::from(seams), Ordering::SeqCst);
    }

    pub fn sparks(&self) -> u32 {
        self.sparks.load(Ordering::SeqCst)
    }

    fn spark(&self) {
        let spark = u64::from(self.sparks.fetch_add(1, Ordering::SeqCst)) + 1;
        if spark != self.blows_at.load(Ordering::SeqCst) {
            return;
        }
        match &self.blow {
            Blow::Death => panic!("{CUT}"),
            Blow::Jump(millis, jumps) => jumps.jump(*millis),
        }
    }
}

/// A worker's clock: a seam at every look, wrong by a constant and by what it jumped, and with an auditor who looks at the books whenever the
/// worker looks at the clock, which it does between any two transactions.
pub struct Watch {
    pub fuse: Fuse,
    pub clock: Arc<VirtualClock>,
    pub wrong_by: i64,
    pub jumps: Jumps,
    pub auditor: Option<Arc<Mutex<Books>>>,
}

impl Clock for Watch {
    fn now(&self) -> Timestamp {
        if let Some(books) = &self.auditor {
            let audit = async { books.lock().await.check().await };
            let agreed = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(audit));
            agreed.unwrap_or_else(|why| panic!("a half state: {why}"));
        }
        self.fuse.spark();
        self.clock.now().plus_millis(self.wrong_by + self.jumps.millis())
    }
}

/// A port with a fuse before and after every call.
pub struct Fused<T: ?Sized> {
    pub fuse: Fuse,
    pub inner: Arc<T>,
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
    fn doubt<'a>(&'a self, case: &'a Investigation) -> BoxFuture<'a, Doubt> {
        Box::pin(async move {
            self.fuse.spark();
            let doubt = self.inner.doubt(case).await;
            self.fuse.spark();
            doubt
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
