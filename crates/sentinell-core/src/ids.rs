//! Names for things: opaque strings, made outside (chance is no business of this crate).

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! ids { ($($(#[$doc:meta])* $name:ident),* $(,)?) => { $(
    $(#[$doc])*
    #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct $name(pub String);

    impl $name {
        /// The text itself.
        pub fn as_str(&self) -> &str { &self.0 }
    }
    impl From<&str> for $name {
        fn from(text: &str) -> Self { Self(text.to_owned()) }
    }
    impl fmt::Display for $name {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
    }
)* } }

ids! {
    /// One incident, and so one journal.
    IncidentId,
    /// One accepted signal.
    SignalId,
    /// One question to a tool; unique within its incident (`q1`, `q2`, …).
    QueryId,
    /// One piece of evidence; unique within its incident (`e1`, `e2`, …).
    EvidenceId,
    /// One hypothesis; unique within its incident (`h1`, …).
    HypothesisId,
    /// One proposed action; unique within its incident (`a1`, …).
    ActionId,
    /// An authenticated principal, or the name of a part of the system.
    Actor,
    /// SHA-256 in lower-case hex over the RFC 8785 form of what an approval covers.
    ActionHash,
    /// What makes two alerts the same alert.
    Fingerprint,
}
