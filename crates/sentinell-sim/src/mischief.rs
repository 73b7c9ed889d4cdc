//! Ways in which eyes and hands fail, for the crash track.

use sentinell_core::action::Action;
use sentinell_core::ports::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};

/// How the hands misbehave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HandMischief {
    /// They do not.
    #[default]
    Honest,
    /// The deed takes effect and its end is reported as unknown; a look tells.
    SaysUnknown,
    /// The deed takes effect, its end is unknown, and no look can tell.
    NeverTells,
    /// The first deed is lost before it takes effect and its end is reported as unknown; a look tells.
    FirstIsLost,
    /// The acting identity may not plan anything.
    Denied,
}

/// Everything that misbehaves besides the services.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mischief {
    /// How many reads of each tool fail as "busy" before it answers.
    pub busy: BTreeMap<String, u32>,
    /// Tools that may not be used.
    pub denied: BTreeSet<String>,
    /// The hands.
    pub hand: HandMischief,
    /// The world checks no precondition, so that a deed done twice happens twice.
    pub blind: bool,
    /// A visitor writes orders to the agent into the logs.
    pub whisper: bool,
}

/// Where a deed can be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seam {
    /// After the warrant was handed over, before it is redeemed and anything happens.
    BeforeDeed,
    /// After the deed took effect, before its outcome is told.
    AfterDeed,
}

/// Holds a deed for a while: a test can let time pass here, or drop the whole worker.
pub trait Stall: Send + Sync {
    /// Ready when the deed may go on.
    fn hold<'a>(&'a self, seam: Seam, action: &'a Action) -> BoxFuture<'a, ()>;
}
