//! What waits in the outbox, by destination.

use super::stored::{Float, signed};
use crate::store::OutboxCount;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use sentinell_core::time::Timestamp;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Box {
    destination: String,
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Destination {
    destination: String,
}

/// Adds the outbox as it stands at `now`.
pub(super) fn register(registry: &mut Registry, counts: &[OutboxCount], now: Timestamp) {
    let (notices, closed) = (Family::<Box, Gauge>::default(), Family::<Destination, Gauge>::default());
    let oldest = Family::<Destination, Float>::default();
    for count in counts {
        for (state, value) in [("waiting", count.waiting), ("dead", count.dead)] {
            let labels = Box { destination: count.destination.clone(), state };
            notices.get_or_create(&labels).set(signed(value));
        }
        let labels = Destination { destination: count.destination.clone() };
        closed.get_or_create(&labels).set(i64::from(count.closed_at.is_some()));
        let age = count.oldest.map_or(0, |made| now.millis_since(made).max(0));
        oldest.get_or_create(&labels).set(age as f64 / 1000.0);
    }
    registry.register("outbox_notices", "Notices that wait or were given up", notices);
    registry.register("outbox_destination_closed", "1 where a destination said that it wants nothing any more", closed);
    registry.register_with_unit(
        "outbox_oldest",
        "How long the oldest waiting notice has waited",
        Unit::Seconds,
        oldest,
    );
}
