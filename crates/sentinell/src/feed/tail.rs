//! The newest entries of all journals, read once for everybody who follows: a thousand readers cost the store one read an
//! event, and each entry is written as a frame once.

use crate::api::views::EntryView;
use crate::store::{Result, Store, Stored};
use axum::extract::ws::Utf8Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Entries read at once; also the most that wait for one reader.
pub(super) const BATCH: u32 = 200;
/// How often the store is asked for what other processes appended.
pub(super) const POLL: Duration = Duration::from_millis(200);
/// The most entries that are remembered; whoever is further behind reads the store.
const KEPT: usize = 1024;

/// An entry and its frame, shared by all who are told of it.
pub(super) struct Told {
    pub(super) stored: Stored,
    frame: OnceLock<Utf8Bytes>,
}

impl Told {
    pub(super) fn new(stored: Stored) -> Arc<Self> {
        Arc::new(Self { stored, frame: OnceLock::new() })
    }

    /// The entry as streams show it.
    pub(super) fn frame(&self) -> Utf8Bytes {
        let write = || serde_json::to_string(&EntryView::from(self.stored.clone())).unwrap_or_default().into();
        self.frame.get_or_init(write).clone()
    }
}

/// What this process's readers share.
pub struct Tail {
    store: Store,
    ring: Mutex<Ring>,
}

#[derive(Default)]
struct Ring {
    /// Neighbours in position.
    told: VecDeque<Arc<Told>>,
    /// Everything up to here has been looked at; none before the first look.
    newest: Option<u64>,
    looked: Option<Instant>,
}

impl Tail {
    /// Nothing remembered yet.
    pub fn new(store: Store) -> Self {
        Self { store, ring: Mutex::default() }
    }

    /// The next entries after `seen` of all journals, at most [`BATCH`], with the position up to which these are all; none
    /// if they are no longer remembered. `hint` is a position that is known to be there.
    pub(super) async fn after(&self, seen: u64, hint: u64) -> Result<Option<(Vec<Arc<Told>>, u64)>> {
        let mut ring = self.ring.lock().await;
        let newest = self.look(&mut ring, hint).await?;
        if seen >= newest {
            return Ok(Some((vec![], seen)));
        }
        let Some(oldest) = ring.told.front().map(|told| told.stored.position) else { return Ok(None) };
        let Some(skip) = (seen + 1).checked_sub(oldest) else { return Ok(None) };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let found: Vec<_> = ring.told.iter().skip(skip).take(BATCH as usize).cloned().collect();
        let last = found.last().map_or(newest, |told| told.stored.position);
        Ok(Some((found, last)))
    }

    /// A position up to which everything was committed before this was asked.
    pub(super) async fn newest(&self, hint: u64) -> Result<u64> {
        let mut ring = self.ring.lock().await;
        self.look(&mut ring, hint).await
    }

    /// Reads what is new, unless nothing can be.
    async fn look(&self, ring: &mut Ring, hint: u64) -> Result<u64> {
        let Some(newest) = ring.newest else {
            let newest = self.store.last_position().await?;
            (ring.newest, ring.looked) = (Some(newest), Some(Instant::now()));
            return Ok(newest);
        };
        if newest >= hint && ring.looked.is_some_and(|at| at.elapsed() < POLL) {
            return Ok(newest);
        }
        let found = self.store.entries_after(newest, None, BATCH).await?;
        ring.looked = Some(Instant::now());
        let newest = found.last().map_or(newest, |stored| stored.position);
        ring.newest = Some(newest);
        ring.told.extend(found.into_iter().map(Told::new));
        let many = ring.told.len().saturating_sub(KEPT);
        ring.told.drain(..many);
        Ok(newest)
    }
}
