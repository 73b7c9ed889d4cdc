//! Who changed what: what others did, and our own deeds.

use crate::world::{Order, Verb, World};
use sentinell_core::evidence::Change;
use sentinell_core::time::Timestamp;

/// Everything changed in `from..=now`, oldest first.
pub(crate) fn read(world: &World, from: Timestamp, now: Timestamp) -> Vec<Change> {
    let others = world.scene.changes.iter().map(|(role, change)| {
        let state = world.service(*role, change.at);
        let reference = match change.kind.as_str() {
            "config" | "scale" => change.reference.clone(),
            _ => format!("revision {}", state.revision),
        };
        Change { reference, ..change.clone() }
    });
    let ours = world.deeds.iter().filter_map(|deed| {
        let order = Order::parse(&world.scene, &deed.argv).ok()?;
        let (kind, summary) = match order.verb {
            Verb::RolloutUndo => ("deploy", "rolled back to the release before".to_owned()),
            Verb::RolloutTo(release) => ("deploy", format!("rolled to release {release}")),
            Verb::Restart => ("restart", "restarted".to_owned()),
            Verb::RevertConfig => ("config", "configuration put back".to_owned()),
            Verb::SetConfig(config) => ("config", format!("configuration {config} set")),
            Verb::RenewCertificate => ("certificate", "certificate renewed".to_owned()),
            Verb::ScaleTo(replicas) => ("scale", format!("scaled to {replicas}")),
        };
        Some(Change {
            at: deed.at,
            kind: kind.into(),
            subject: world.scene.cast.subject(order.role),
            summary,
            reference: deed.hash.as_str().chars().take(12).collect(),
            touched: vec![],
            author: Some("sentinell".into()),
        })
    });
    let mut all: Vec<Change> = others.chain(ours).filter(|change| (from..=now).contains(&change.at)).collect();
    all.sort_by_key(|change| change.at);
    all
}
