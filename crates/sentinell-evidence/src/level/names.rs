//! Which levels are wrong by themselves, by the words of a metric's name: those of node_exporter, the kubelet, the blackbox and
//! database exporters, CloudWatch and OpenTelemetry's conventions, and of the eyes on the present.

use crate::case::Series;

/// What a level tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// How much of a disk, volume or file system is taken, per cent.
    Disk,
    /// How many of the connections that it gives are taken, per cent.
    Connections,
    /// Days until a certificate runs out.
    Certificate,
    /// Seconds by which a replica is behind.
    Lag,
    /// Sessions that wait for a lock.
    Locks,
}

/// How the value of a series becomes the level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Unit {
    /// As it is, times a factor.
    Times(f64),
    /// What is left of a whole of so much, instead of what is taken.
    Left(f64),
    /// A Unix time in seconds: days from the point's own time to then.
    Date,
}

impl Unit {
    /// The level at a point; none where the value cannot be one.
    pub(super) fn read(self, (at_ms, value): (i64, f64)) -> Option<f64> {
        let level = match self {
            Self::Times(factor) => value * factor,
            Self::Left(whole) => 100.0 * (1.0 - value / whole),
            // Exporters tell 0 or the year 1 where no certificate was shown.
            Self::Date if value < 1e8 => return None,
            Self::Date => (value - at_ms as f64 / 1000.0) / 86_400.0,
        };
        level.is_finite().then_some(level)
    }
}

/// What a series tells, by its name.
pub(super) fn told(series: &Series) -> Option<(Level, Unit)> {
    let name = words(&series.name);
    let has = |wanted: &[&str]| name.iter().any(|word| wanted.contains(&word.as_str()));
    let room = has(&["disk", "filesystem", "fs", "volume", "inodes", "storage"]);
    if room && !has(&["io", "read", "write", "busy", "iops", "time", "queue", "throughput", "bytes"]) {
        return share(series, &has).map(|unit| (Level::Disk, unit));
    }
    if has(&["connections", "clients", "sessions"]) && !has(&["pool"]) {
        if has(&["blocked"]) && has(&["sessions"]) {
            return Some((Level::Locks, Unit::Times(1.0)));
        }
        return share(series, &has).map(|unit| (Level::Connections, unit));
    }
    if has(&["row"]) && has(&["lock"]) && has(&["current"]) && has(&["waits"]) {
        return Some((Level::Locks, Unit::Times(1.0)));
    }
    if has(&["cert", "certificate", "ssl", "tls", "x509"]) {
        return date(&has).map(|unit| (Level::Certificate, unit));
    }
    lag(&name, &has).map(|unit| (Level::Lag, unit))
}

type Has<'h> = dyn Fn(&[&str]) -> bool + 'h;

/// A share of something limited that is taken, or left.
fn share(series: &Series, has: &Has<'_>) -> Option<Unit> {
    // By OpenTelemetry's conventions a utilization goes from 0 to 1; CloudWatch's is in per cent.
    let small = || series.points.iter().all(|(_, value)| *value <= 1.0);
    let whole = if has(&["percent", "pct", "percentage"]) {
        100.0
    } else if has(&["ratio"]) || has(&["utilization"]) && small() {
        1.0
    } else if has(&["utilization"]) {
        100.0
    } else {
        return None;
    };
    if has(&["free", "available", "avail", "left", "remaining"]) {
        return Some(Unit::Left(whole));
    }
    has(&["used", "usage", "utilization", "full"]).then_some(Unit::Times(100.0 / whole))
}

fn date(has: &Has<'_>) -> Option<Unit> {
    if has(&["days"]) && has(&["left", "remaining", "expiry", "expires", "expiration"]) {
        return Some(Unit::Times(1.0));
    }
    (has(&["expiry", "expiration"]) || has(&["not"]) && has(&["after"])).then_some(Unit::Date)
}

/// A standby's own clock is not read: it goes on where the primary has nothing to send.
fn lag(name: &[String], has: &Has<'_>) -> Option<Unit> {
    let text = name.join("_");
    let known = ["replication_lag", "replica_lag", "seconds_behind"].iter().any(|known| text.contains(known));
    if !known || has(&["bytes", "size", "standby"]) {
        return None;
    }
    Some(Unit::Times(if has(&["ms", "milliseconds"]) { 0.001 } else { 1.0 }))
}

/// The words of a name, whether joined by signs or by capitals (`ReplicaLag`, `replica_lag`).
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut small = false;
    for c in name.chars().take(200) {
        let begins = !c.is_ascii_alphanumeric() || c.is_ascii_uppercase() && small;
        if begins && words.last().is_some_and(|last| !last.is_empty()) {
            words.push(String::new());
        }
        small = c.is_ascii_lowercase();
        if let Some(last) = words.last_mut().filter(|_| c.is_ascii_alphanumeric()) {
            last.push(c.to_ascii_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Entity, EntityKind};

    fn of(name: &str, value: f64) -> Option<(Level, f64)> {
        let series = Series {
            subject: Entity::new(EntityKind::Service, "kiosk"),
            name: name.to_owned(),
            labels: Default::default(),
            source: name.to_owned(),
            points: vec![(86_400_000 * 20_000, value)],
        };
        let (level, unit) = told(&series)?;
        Some((level, unit.read(series.points[0])?.round()))
    }

    #[test]
    fn names_of_exporters_and_clouds_tell_what_is_measured_and_how() {
        assert_eq!(of("node_filesystem_used_percent", 97.0), Some((Level::Disk, 97.0)));
        assert_eq!(of("system_filesystem_utilization_ratio", 0.97), Some((Level::Disk, 97.0)));
        assert_eq!(of("system.filesystem.utilization", 0.97), Some((Level::Disk, 97.0)));
        assert_eq!(of("disk_free_percent", 2.0), Some((Level::Disk, 98.0)));
        assert_eq!(of("DiskSpaceUtilization", 97.0), Some((Level::Disk, 97.0)));
        assert_eq!(of("pg_connections_used_percent", 99.0), Some((Level::Connections, 99.0)));
        assert_eq!(of("probe_certificate_days_left", -2.0), Some((Level::Certificate, -2.0)));
        assert_eq!(of("probe_ssl_earliest_cert_expiry", 86_400.0 * 19_990.0), Some((Level::Certificate, -10.0)));
        assert_eq!(of("ReplicaLag", 70.0), Some((Level::Lag, 70.0)));
        assert_eq!(of("AuroraReplicaLagMs", 70_000.0), Some((Level::Lag, 70.0)));
        assert_eq!(of("mysql_slave_status_seconds_behind_master", 70.0), Some((Level::Lag, 70.0)));
        assert_eq!(of("mysql_global_status_innodb_row_lock_current_waits", 3.0), Some((Level::Locks, 3.0)));
    }

    #[test]
    fn what_only_sounds_alike_is_left_alone() {
        let others = [
            "disk_io_utilization_percent",
            "cpu_usage_percent",
            "memory_used_percent",
            "redis_blocked_clients",
            "pool_connections_used_percent",
            "pg_replication_lag_bytes",
            "pg_standby_lag_seconds",
            "node_filesystem_size_bytes",
            "consumer_lag",
        ];
        for name in others {
            assert_eq!(of(name, 99.0), None, "{name}");
        }
        assert_eq!(of("probe_ssl_earliest_cert_expiry", 0.0), None, "no certificate was shown");
    }
}
