//! What the town shows: pure functions of the world and a span of time.

pub(crate) mod changes;
pub(crate) mod cluster;
pub(crate) mod logs;
pub(crate) mod metrics;
