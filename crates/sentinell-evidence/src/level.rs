//! Levels that are wrong by themselves, whatever was usual: a disk without room, a certificate past its date, a replica far
//! behind. A single reading says so; where there is a past, what was so before it began is a habit and not the cause.

mod names;
mod room;

use crate::case::Series;
use crate::finding::{Fault, Finding, FindingKind, Window};
use crate::metrics::{label, number, thinned};
use crate::text::bounded;
use names::{Level, Unit, told};

/// What holds for the last so many points is no spike.
const LASTING: usize = 3;

/// Fewest points that tell how it was before.
const PAST: usize = 6;

/// What is left of a level that was as bad before.
const HABIT: f64 = 0.4;

/// A transaction that is open for as long as MySQL lets a statement wait for a lock (`innodb_lock_wait_timeout`, seconds).
const LONG: f64 = 50.0;

/// From where on a level is wrong and where it cannot be worse, with the strength of either.
struct Scale {
    fault: Fault,
    specificity: u8,
    from: (f64, f64),
    worst: (f64, f64),
    unit: &'static str,
}

impl Level {
    fn scale(self) -> Scale {
        let scale = |fault, specificity, from, worst, unit| Scale { fault, specificity, from, worst, unit };
        match self {
            // ext4 keeps its last 5 % for root, Elasticsearch stops writing there, and the kubelet evicts before.
            Self::Disk => scale(Fault::DiskFull, 8, (95.0, 0.6), (100.0, 0.95), " %"),
            // The last few are reserved for administrators (PostgreSQL: 3 of 100).
            Self::Connections => scale(Fault::DatabaseConnectionsExhausted, 8, (95.0, 0.6), (100.0, 0.95), " %"),
            // Valid to the second of its date.
            Self::Certificate => scale(Fault::CertificateExpired, 9, (0.0, 0.95), (-1.0, 0.95), " days left"),
            // Replicas lag by seconds while they are well; what reads from one a minute old is wrong.
            Self::Lag => scale(Fault::ReplicationLag, 6, (60.0, 0.6), (600.0, 0.9), " s behind"),
            Self::Locks => scale(Fault::LockContention, 6, (1.0, 0.6), (10.0, 0.9), " sessions wait"),
        }
    }
}

impl Scale {
    /// How wrong a level is, 0 to 1.
    fn strength(&self, level: f64) -> f64 {
        let ((from, least), (worst, most)) = (self.from, self.worst);
        let beyond = (level - from) / (worst - from);
        if beyond >= 0.0 { least + (most - least) * beyond.min(1.0) } else { 0.0 }
    }
}

/// What stands at a level that no system bears. `onset` in Unix milliseconds.
pub(crate) fn analyze(metrics: &[Series], onset: Option<i64>) -> Vec<Finding> {
    let all = room::with_shares(metrics);
    all.iter().filter_map(|series| judge(series, metrics, onset)).collect()
}

fn judge(series: &Series, metrics: &[Series], onset: Option<i64>) -> Option<Finding> {
    let (level, unit) = told(series)?;
    let points = levels(series, unit);
    let scale = level.scale();
    let wrong = |(_, level): &(i64, f64)| scale.strength(*level);
    let last = &points[points.len().saturating_sub(LASTING)..];
    let now = last.iter().map(wrong).reduce(f64::min).filter(|strength| *strength > 0.0)?;
    // One reading of who waits says little unless somebody holds what they wait for all along.
    if level == Level::Locks && last.len() < LASTING && !held(series, metrics) {
        return None;
    }
    let before = onset.map_or(0, |onset| points.partition_point(|(at, _)| *at < onset));
    let was = if before >= PAST { middle(points[..before].iter().map(wrong)) } else { 0.0 };
    let strength = if was >= 0.8 * now { now.min(HABIT) } else { now };
    let since = points.iter().rposition(|point| wrong(point) == 0.0).map(|at| at + 1);
    let (end, value) = *points.last()?;
    let window = since.and_then(|at| points.get(at)).map(|(start_ms, _)| Window { start_ms: *start_ms, end_ms: end });
    let so_far = if strength < now { ", as it did before it began" } else { "" };
    let (name, place) = (&series.subject.name, label(series));
    Some(Finding {
        subject: series.subject.clone(),
        kind: FindingKind::Contradiction,
        fault: Some(scale.fault),
        window,
        strength,
        specificity: scale.specificity,
        summary: format!("{place} of {} stands at {}{}{so_far}", bounded(name, 80), number(value), scale.unit),
        source: bounded(&series.source, 300),
        excerpt: None,
        points: thinned(&points),
    })
}

/// The level over time: sorted, without what is none.
fn levels(series: &Series, unit: Unit) -> Vec<(i64, f64)> {
    let level = |point: &(i64, f64)| unit.read(*point).map(|level| (point.0, level));
    let mut points: Vec<(i64, f64)> = series.points.iter().filter_map(level).collect();
    points.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    points.dedup_by_key(|(at, _)| *at);
    points
}

/// Whether a transaction of the same database has been open for long.
fn held(series: &Series, metrics: &[Series]) -> bool {
    let of_it = |other: &&Series| other.subject == series.subject && other.name.contains("longest_transaction");
    metrics.iter().filter(of_it).filter_map(|other| other.points.last()).any(|(_, seconds)| *seconds >= LONG)
}

fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Case;
    use crate::diagnose;
    use crate::finding::{Entity, EntityKind};

    const STEP: i64 = 60_000;

    fn series(name: &str, values: &[f64]) -> Series {
        Series {
            subject: Entity::new(EntityKind::Host, "booth-1"),
            name: name.to_owned(),
            labels: [("mountpoint".to_owned(), "/var".to_owned())].into(),
            source: name.to_owned(),
            points: (0..).map(|n| n * STEP).zip(values.iter().copied()).collect(),
        }
    }

    fn first(metrics: Vec<Series>, onset_ms: Option<i64>) -> Option<(Fault, f64)> {
        let ranking = diagnose(&Case { metrics, onset_ms, ..Case::default() }).ranking;
        ranking.hypotheses.first().map(|first| (first.fault, first.confidence))
    }

    #[test]
    fn one_reading_of_a_level_that_nothing_bears_names_the_fault() {
        let said = |name: &str, value: f64| first(vec![series(name, &[value])], None).map(|(fault, _)| fault);
        assert_eq!(said("node_filesystem_used_percent", 99.0), Some(Fault::DiskFull));
        assert_eq!(said("node_filesystem_used_percent", 94.0), None);
        assert_eq!(said("node_filesystem_inodes_used_percent", 100.0), Some(Fault::DiskFull));
        assert_eq!(said("pg_connections_used_percent", 100.0), Some(Fault::DatabaseConnectionsExhausted));
        assert_eq!(said("probe_certificate_days_left", -0.5), Some(Fault::CertificateExpired));
        assert_eq!(said("probe_certificate_days_left", 0.5), None);
        assert_eq!(said("pg_replication_lag_seconds", 4.0), None);
        assert_eq!(said("pg_replication_lag_seconds", 900.0), Some(Fault::ReplicationLag));
        assert_eq!(said("node_memory_used_percent", 99.0), None, "what caches is always full");
    }

    #[test]
    fn who_waits_for_a_lock_for_a_moment_is_nobodys_fault() {
        let waits = || series("pg_blocked_sessions", &[7.0]);
        let open = |seconds| vec![waits(), series("pg_longest_transaction_seconds", &[seconds])];
        assert_eq!(first(open(2.0), None), None);
        assert_eq!(first(open(900.0), None).map(|(fault, _)| fault), Some(Fault::LockContention));
    }

    #[test]
    fn what_was_full_before_it_began_did_not_begin_it() {
        let filling: Vec<f64> = (0..40).map(|n| if n < 30 { 70.0 } else { 99.9 }).collect();
        let began = Some(30 * STEP);
        let (fault, sure) = first(vec![series("node_filesystem_used_percent", &filling)], began).unwrap();
        assert!(fault == Fault::DiskFull && sure > 0.8, "{sure}");
        let habit = analyze(&[series("node_filesystem_used_percent", &[99.9; 40])], began);
        assert!(habit[0].strength <= HABIT && habit[0].summary.contains("before it began"), "{habit:?}");
        let spike: Vec<f64> = (0..40).map(|n| if n == 38 { 99.0 } else { 70.0 }).collect();
        assert_eq!(analyze(&[series("node_filesystem_used_percent", &spike)], began), []);
    }

    #[test]
    fn a_file_system_of_which_only_sizes_are_told_is_full_when_little_is_left() {
        let (left, whole) = ("node_filesystem_avail_bytes", "node_filesystem_size_bytes");
        let town = |free: f64| vec![series(left, &[free; 4]), series(whole, &[1e9; 4])];
        assert_eq!(analyze(&town(4e8), None), []);
        let found = analyze(&town(1e6), None);
        assert_eq!((found.len(), found[0].fault), (1, Some(Fault::DiskFull)));
        let mut image = town(0.0);
        image.iter_mut().for_each(|one| drop(one.labels.insert("fstype".into(), "squashfs".into())));
        assert_eq!(analyze(&image, None), []);
    }
}
