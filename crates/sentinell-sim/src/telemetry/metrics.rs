//! Series of numbers, one point every ten seconds, the newest exactly now.

use crate::cast::{NAMESPACE, Role};
use crate::rng::{SplitMix64, word};
use crate::scene::labels;
use crate::trouble::WELL;
use crate::world::World;
use sentinell_core::evidence::Telemetry;
use sentinell_core::time::Timestamp;

/// Milliseconds between two points.
const STEP: i64 = 10_000;

/// Every metric.
pub(crate) const NAMES: [&str; 9] = [
    "up",
    "requests_per_second",
    "error_ratio",
    "latency_p99_seconds",
    "memory_working_set_bytes",
    "cpu_usage_cores",
    "cpu_pressure_waiting_ratio",
    "volume_available_bytes",
    "container_restarts_total",
];

/// Requests per second, p99 latency in seconds, memory limit in bytes, cores.
fn normal(role: Role) -> (f64, f64, f64, f64) {
    const MIB: f64 = 1024.0 * 1024.0;
    match role {
        Role::Edge => (80.0, 0.160, 512.0 * MIB, 0.40),
        Role::Orders => (30.0, 0.070, 512.0 * MIB, 0.30),
        Role::Lookup => (50.0, 0.050, 768.0 * MIB, 0.35),
        Role::Store => (70.0, 0.006, 2048.0 * MIB, 0.60),
        Role::Queue => (32.0, 0.004, 512.0 * MIB, 0.15),
        Role::Side => (2.0, 0.300, 256.0 * MIB, 0.05),
    }
}

/// The volume of the one service that has one, bytes.
const VOLUME: f64 = 20.0 * 1024.0 * 1024.0 * 1024.0;

/// Whether a service has such a metric at all.
pub(crate) fn has(role: Role, name: &str) -> bool {
    name != "volume_available_bytes" || role == Role::Store
}

/// A service's memory limit, bytes.
pub(crate) fn memory_limit(role: Role) -> f64 {
    normal(role).2
}

/// The processor time that a service usually takes, cores.
pub(crate) fn usual_cores(role: Role) -> f64 {
    normal(role).3
}

/// One value; none while nobody answers the scrape.
pub(crate) fn value(world: &World, role: Role, name: &str, at: Timestamp) -> Option<f64> {
    let effect = world.effect(role, at).unwrap_or(WELL);
    if world.service(role, at).replicas == 0 {
        return None;
    }
    if name == "up" {
        return Some(if effect.up { 1.0 } else { 0.0 });
    }
    if !effect.up {
        return None;
    }
    let bucket = at.0.div_euclid(STEP).unsigned_abs();
    let noise = SplitMix64::keyed(world.scene.seed, &[word(name), role.index() as u64, bucket]).noise();
    let (rate, latency, limit, cores) = normal(role);
    match name {
        "requests_per_second" => Some(rate * (1.0 + 0.06 * noise) * effect.traffic),
        "error_ratio" => {
            Some(((0.006 + 0.0015 * noise).max(0.0) + effect.errors * (1.0 + 0.08 * noise)).clamp(0.0, 1.0))
        }
        "latency_p99_seconds" => Some(latency * (1.0 + 0.07 * noise) * effect.latency),
        "memory_working_set_bytes" => {
            Some((limit * effect.memory.unwrap_or(0.35) * (1.0 + 0.01 * noise)).min(limit).round())
        }
        "cpu_usage_cores" => Some(cores * (1.0 + 0.08 * noise) * effect.cpu),
        "cpu_pressure_waiting_ratio" => Some((0.01 + 0.002 * noise).max(0.0) + effect.waiting * (1.0 + 0.06 * noise)),
        "volume_available_bytes" => {
            Some((VOLUME * (1.0 - effect.disk.unwrap_or(0.6 + 0.0005 * noise))).max(0.0).round())
        }
        "container_restarts_total" => Some(f64::from(effect.kills)),
        _ => None,
    }
}

/// One series over `minutes` until now.
pub(crate) fn read(world: &World, role: Role, name: &str, minutes: i64, now: Timestamp) -> Telemetry {
    let steps = minutes * 60_000 / STEP;
    let moments = (0..=steps).rev().map(|step| now.plus_millis(-step * STEP));
    let points = moments.filter_map(|at| Some((at.0, value(world, role, name, at)?))).collect();
    let service = world.scene.cast.name(role);
    Telemetry::Metric {
        subject: world.scene.cast.subject(role),
        name: name.to_owned(),
        labels: labels(&[("namespace", NAMESPACE), ("service", service), ("node", role.node())]),
        source: format!("{name}{{namespace=\"{NAMESPACE}\",service=\"{service}\"}}"),
        points,
    }
}
