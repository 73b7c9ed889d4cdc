//! The town itself: a scene, a clock, and the deeds done so far.

use crate::hands::TownHands;
use crate::mischief::{Seam, Stall};
use crate::scene::Scene;
use crate::tools::{self, TownTool};
use crate::world::{DoneDeed, World};
use sentinell_core::action::Action;
use sentinell_core::ids::ActionHash;
use sentinell_core::ports::{Clock, ToolError};
use sentinell_core::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A deed that came and was refused: too late, or the world had moved on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// When.
    pub at: Timestamp,
    /// The action's hash.
    pub hash: ActionHash,
    /// Why.
    pub why: String,
}

/// What changes in a town.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub deeds: Vec<DoneDeed>,
    pub refused: Vec<Refused>,
    /// Deeds that were lost before they took effect.
    pub lost: u32,
    reads: BTreeMap<String, u32>,
}

/// A town on one day. Clones are the same town.
#[derive(Clone)]
pub struct Town {
    pub(crate) scene: Arc<Scene>,
    pub(crate) clock: Arc<dyn Clock>,
    stall: Option<Arc<dyn Stall>>,
    /// Whether its eyes ask for a few minutes only.
    pub(crate) brief: bool,
    memory: Arc<Mutex<Memory>>,
}

impl Town {
    /// The town of a scene. The clock decides whether it is virtual or live.
    pub fn new(scene: Scene, clock: Arc<dyn Clock>) -> Self {
        Self { scene: Arc::new(scene), clock, stall: None, brief: false, memory: Arc::default() }
    }

    /// The same town, with every deed held by `stall`.
    #[must_use]
    pub fn with_stall(mut self, stall: Arc<dyn Stall>) -> Self {
        self.stall = Some(stall);
        self
    }

    /// The same town, whose eyes ask for a few minutes at first instead of half an hour: less to go by, and a quarter of the
    /// work, for tests that play many stories.
    #[must_use]
    pub fn in_brief(mut self) -> Self {
        self.brief = true;
        self
    }

    /// The same town in which these deeds have been done already (a process that ended had done them).
    #[must_use]
    pub fn with_deeds(self, deeds: Vec<DoneDeed>) -> Self {
        self.memory().deeds = deeds;
        self
    }

    /// What is played.
    pub fn scene(&self) -> &Scene {
        &self.scene
    }

    /// Its eyes: `town.logs`, `town.metrics`, `town.changes`, `town.cluster`.
    pub fn tools(&self) -> Vec<TownTool> {
        tools::all(self)
    }

    /// Its hands.
    pub fn hands(&self) -> TownHands {
        TownHands::of(self)
    }

    /// Every deed that took effect, in order. One that happened twice is there twice.
    pub fn deeds(&self) -> Vec<DoneDeed> {
        self.memory().deeds.clone()
    }

    /// How often the deed with this hash took effect.
    pub fn times_done(&self, hash: &ActionHash) -> usize {
        self.memory().deeds.iter().filter(|deed| deed.hash == *hash).count()
    }

    /// Every deed that was refused.
    pub fn refused(&self) -> Vec<Refused> {
        self.memory().refused.clone()
    }

    /// Whether the trouble lasts at this moment.
    pub fn is_in_trouble(&self) -> bool {
        self.world().trouble(self.clock.now()).is_some()
    }

    pub(crate) fn world(&self) -> World {
        World { scene: (*self.scene).clone(), deeds: self.deeds() }
    }

    pub(crate) fn memory(&self) -> MutexGuard<'_, Memory> {
        // Every change of the memory is a single push, so a panic elsewhere cannot have left it half done.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn hold(&self, seam: Seam, action: &Action) {
        if let Some(stall) = &self.stall {
            stall.hold(seam, action).await;
        }
    }

    /// Whether a tool may read now, by the story's mischief.
    pub(crate) fn admit(&self, tool: &str) -> Result<(), ToolError> {
        let mischief = &self.scene.story.mischief;
        if mischief.denied.contains(tool) {
            return Err(ToolError::Denied(format!("the reading identity may not use {tool}")));
        }
        let mut memory = self.memory();
        let reads = memory.reads.entry(tool.to_owned()).or_default();
        *reads += 1;
        match mischief.busy.get(tool) {
            Some(times) if *reads <= *times => Err(ToolError::Retry(format!("{tool} is busy ({reads} of {times})"))),
            _ => Ok(()),
        }
    }
}
