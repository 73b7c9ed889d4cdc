//! A worker in the simulated town: the same loop, store and engine, with a town instead of the world.

use crate::reasoner::Deterministic;
use crate::store::Store;
use crate::worker::{Options, Worker};
use anyhow::anyhow;
use sentinell_core::ports::{Actuator, Clock, Reasoner, Tool};
use sentinell_core::runbook::Runbook;
use sentinell_sim::{Scene, Town};
use std::sync::Arc;
use std::time::Duration;

/// A town on one day and the worker that looks after it.
pub struct Demo {
    /// The town; its scene knows the true cause and when which signal is sent.
    pub town: Town,
    /// The loop.
    pub worker: Arc<Worker>,
}

/// Wires a worker into a scene of the town.
///
/// # Errors
/// If one of the town's runbooks is broken.
pub fn demo(store: &Store, clock: &Arc<dyn Clock>, scene: Scene) -> anyhow::Result<Demo> {
    let town = Town::new(scene, clock.clone());
    let eyes = town.tools().into_iter().map(|tool| Arc::new(tool) as Arc<dyn Tool>);
    let eyes: Vec<Arc<dyn Tool>> = eyes.collect();
    let hands: Vec<Arc<dyn Actuator>> = vec![Arc::new(town.hands())];
    let books = sentinell_sim::runbooks()
        .into_iter()
        .map(|(name, text)| Runbook::parse(text).map_err(|why| anyhow!("the town's runbook {name}: {why}")));
    let mind: Arc<dyn Reasoner> = Arc::new(Deterministic::new(eyes.clone(), books.collect::<Result<_, _>>()?));
    let options = Options {
        holder: "demo".into(),
        lease: Duration::from_secs(15),
        concurrency: 2,
        poll: Duration::from_millis(200),
    };
    let worker = Arc::new(Worker::new(store.clone(), eyes, hands, mind, clock.clone(), options));
    Ok(Demo { town, worker })
}
