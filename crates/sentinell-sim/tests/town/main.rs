//! The town keeps its promises: the same day twice, trouble only while it lasts, and every deed counted.

#![expect(clippy::unwrap_used, reason = "the helpers of these tests are not marked as tests")]

mod deeds;
mod diagnosis;
mod telemetry;

use sentinell_core::evidence::{Observation, Query};
use sentinell_core::ids::QueryId;
use sentinell_core::ports::{Clock, Tool, ToolError};
use sentinell_core::time::Timestamp;
use sentinell_sim::{Scene, Town, VirtualClock, story};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

const EPOCH: Timestamp = Timestamp(1_790_000_000_000);

fn scene(name: &str, seed: u64) -> Scene {
    story(name).unwrap().stage(seed, EPOCH)
}

fn town(scene: &Scene, now: Timestamp) -> (Town, Arc<VirtualClock>) {
    let clock = Arc::new(VirtualClock::at(now));
    (Town::new(scene.clone(), Arc::clone(&clock) as Arc<dyn Clock>), clock)
}

/// Runs a future that never has to wait.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

fn look(town: &Town, tool: &str, args: &[(&str, &str)]) -> Result<Observation, ToolError> {
    let args = args.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let query = Query { id: QueryId("q1".into()), tool: tool.into(), args, why: String::new() };
    let tools = town.tools();
    ready(tools.iter().find(|known| known.name() == tool).unwrap().observe(&query))
}
