//! A miner's state, to be kept and gone on with after a restart.

use super::effort::Effort;
use super::entry::Entry;
use super::groups::Groups;
use super::header::Layout;
use super::lists::Lists;
use super::miner::{Known, Limits, Miner};
use serde::{Deserialize, Serialize};

/// What masks are called and how they are hashed; another version's state cannot be gone on with.
const VERSION: u32 = 1;

/// Everything a [`Miner`] knows. Opaque, and as large as what was learnt (some megabytes at most).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    version: u32,
    limits: Limits,
    layout: Layout,
    entries: Vec<Entry>,
    known: Vec<(u64, Known)>,
    lists: Vec<(u64, (u32, u32))>,
    forms: Vec<(u64, u32)>,
    effort: Effort,
}

impl Miner {
    /// Its state.
    pub fn save(&self) -> Saved {
        Saved {
            version: VERSION,
            limits: self.limits,
            layout: self.layout.clone(),
            entries: self.entries.clone(),
            known: self.known.sorted(),
            lists: self.lists.sorted(),
            forms: self.groups.forms(),
            effort: self.effort.to_keep(),
        }
    }

    /// Goes on where a miner stopped: every line from now on gets the kind that it would have got there. None where the
    /// state is another version's or makes no sense.
    pub fn load(saved: Saved) -> Option<Self> {
        let Saved { version, limits, layout, entries, known, lists, forms, effort } = saved;
        let inside = |index: u32| (index as usize) < entries.len();
        let sound = version == VERSION
            && !entries.is_empty()
            && entries.len() <= limits.templates.saturating_add(1)
            && (0..).zip(&entries).all(|(index, entry)| entry.is_sound(index))
            && known.iter().all(|(_, known)| inside(known.index))
            && lists.iter().all(|(_, (index, _))| inside(*index))
            && forms.iter().all(|(_, index)| inside(*index));
        if !sound {
            return None;
        }
        let mut miner = Self::new(limits);
        (miner.layout, miner.effort, miner.lists) = (layout, effort, Lists::of(&lists));
        miner.groups = Groups::of(&entries, &forms);
        for (hash, form) in known.into_iter().take(super::miner::MOST_REMEMBERED) {
            miner.known.insert(hash, form);
        }
        miner.entries = entries;
        Some(miner)
    }
}
