//! From a masked line's hash to its template: open addressing, no allocation for what was seen before.

/// Most remembered masked forms; beyond that the memory starts afresh.
const MOST_REMEMBERED: usize = 1 << 16;

/// What is remembered of a masked form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    hash: u64,
    /// Its template.
    pub(super) index: u32,
    /// Hash of the figures its names had last.
    pub(super) figures: u32,
}

/// Marks a free slot; no template has this number, because their count is bounded far below.
const FREE: Known = Known { hash: 0, index: u32::MAX, figures: 0 };

/// Remembers masked forms.
#[derive(Debug, Default)]
pub(super) struct Table {
    slots: Vec<Known>,
    used: usize,
}

impl Table {
    /// What is remembered of a form.
    pub(super) fn get(&self, hash: u64) -> Option<Known> {
        let slot = self.slots[self.slot(hash)?];
        (slot.index != FREE.index).then_some(slot)
    }

    /// Remembers a form, in the place of what was remembered of it.
    pub(super) fn insert(&mut self, hash: u64, index: u32, figures: u32) {
        if self.used >= MOST_REMEMBERED {
            self.slots.fill(FREE);
            self.used = 0;
        }
        if self.used * 2 >= self.slots.len() {
            let size = (self.slots.len() * 2).max(256);
            let old = std::mem::replace(&mut self.slots, vec![FREE; size]);
            self.used = 0;
            for known in old.into_iter().filter(|known| known.index != FREE.index) {
                self.place(known);
            }
        }
        self.place(Known { hash, index, figures });
    }

    fn place(&mut self, known: Known) {
        if let Some(at) = self.slot(known.hash) {
            self.used += usize::from(self.slots[at].index == FREE.index);
            self.slots[at] = known;
        }
    }

    /// The slot that holds a form, or the free one where it belongs; none in an empty table.
    fn slot(&self, hash: u64) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = usize::try_from(hash & mask as u64).ok()?;
        // At least half of the slots are free.
        while self.slots[at].index != FREE.index && self.slots[at].hash != hash {
            at = (at + 1) & mask;
        }
        Some(at)
    }
}
