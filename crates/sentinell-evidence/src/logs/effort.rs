//! How much a miner may compare: hostile lines must not cost more than a small factor of ordinary ones.

use serde::{Deserialize, Serialize};

/// Words and marks that may be compared from the beginning, while most kinds are still to be learnt.
pub(super) const CREDIT: u64 = 1 << 25;

/// Words and marks that may be compared for each one read.
pub(super) const PER_UNIT: u64 = 4;

/// What is left to spend on comparing an unknown line with known kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Effort {
    left: u64,
    /// Compared so far.
    #[serde(skip)]
    pub(super) spent: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self { left: CREDIT, spent: 0 }
    }
}

impl Effort {
    /// What has to be kept over a restart.
    pub(super) fn to_keep(self) -> Self {
        Self { spent: 0, ..self }
    }

    /// A line of so many words and marks was read.
    pub(super) fn earn(&mut self, units: usize) {
        self.left = self.left.saturating_add(PER_UNIT * units as u64).min(CREDIT);
    }

    /// Whether anything may be compared.
    pub(super) fn is_left(&self) -> bool {
        self.left > 0
    }

    /// So many were compared.
    pub(super) fn spend(&mut self, units: usize) {
        self.left = self.left.saturating_sub(units as u64);
        self.spent += units as u64;
    }
}
