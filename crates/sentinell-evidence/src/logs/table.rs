//! From a hash to what belongs to it: open addressing, no allocation for what was seen before.

/// What is remembered under hashes that are well mixed already; at most half full.
#[derive(Debug, Clone)]
pub(super) struct Table<V> {
    slots: Vec<Option<(u64, V)>>,
    used: usize,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { slots: Vec::new(), used: 0 }
    }
}

impl<V: Copy> Table<V> {
    /// How many hashes are remembered.
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// What belongs to a hash.
    pub(super) fn get(&self, hash: u64) -> Option<V> {
        self.slots[self.slot(hash)?].map(|(_, value)| value)
    }

    /// What belongs to a hash, to be changed.
    pub(super) fn get_mut(&mut self, hash: u64) -> Option<&mut V> {
        let slot = self.slot(hash)?;
        self.slots[slot].as_mut().map(|(_, value)| value)
    }

    /// Remembers a value, in the place of what belonged to the hash.
    pub(super) fn insert(&mut self, hash: u64, value: V) {
        if self.used * 2 >= self.slots.len() {
            let size = (self.slots.len() * 2).max(64);
            let old = std::mem::replace(&mut self.slots, vec![None; size]);
            self.used = 0;
            for (hash, value) in old.into_iter().flatten() {
                self.place(hash, value);
            }
        }
        self.place(hash, value);
    }

    /// Forgets everything and keeps the room.
    pub(super) fn clear(&mut self) {
        self.slots.fill(None);
        self.used = 0;
    }

    /// Everything remembered, by hash.
    pub(super) fn sorted(&self) -> Vec<(u64, V)> {
        let mut all: Vec<(u64, V)> = self.slots.iter().flatten().copied().collect();
        all.sort_unstable_by_key(|(hash, _)| *hash);
        all
    }

    fn place(&mut self, hash: u64, value: V) {
        if let Some(at) = self.slot(hash) {
            self.used += usize::from(self.slots[at].is_none());
            self.slots[at] = Some((hash, value));
        }
    }

    /// The slot that holds a hash, or the free one where it belongs; none in an empty table.
    fn slot(&self, hash: u64) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = usize::try_from(hash & mask as u64).ok()?;
        // At least half of the slots are free.
        while self.slots[at].as_ref().is_some_and(|(other, _)| *other != hash) {
            at = (at + 1) & mask;
        }
        Some(at)
    }
}
