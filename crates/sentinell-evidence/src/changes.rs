//! Changes: what somebody did shortly before it began is suspect, what was done afterwards is not.

mod canary;

use crate::case::{Change, Series};
use crate::finding::{Fault, Finding, FindingKind, Window};
use crate::text::bounded;

/// After this long a change has lost about two thirds of its suspicion.
const FADING_MS: f64 = 45.0 * 60_000.0;

/// Clocks differ and onsets are rounded: so much later still counts as before.
const TOLERANCE_MS: i64 = 60_000;

/// Below this a change is not worth a line.
const FAINT: f64 = 0.02;

/// What a change is worth whose new version does as well as the old one beside it.
const INNOCENT: f64 = 0.15;

/// Judges changes by when they came. `onset` in Unix milliseconds; without one they are only listed, faintly.
pub fn analyze(changes: &[Change], onset: Option<i64>) -> Vec<Finding> {
    compare(changes, &[], onset)
}

/// The same, with the measurements of what was changed: where instances of the new and the old version run beside each
/// other, or the time before is known, they tell which change hurt.
pub fn compare(changes: &[Change], metrics: &[Series], onset: Option<i64>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = changes.iter().flat_map(|change| judge(change, metrics, onset)).collect();
    findings.sort_by(|a, b| b.strength.total_cmp(&a.strength).then_with(|| a.source.cmp(&b.source)));
    findings
}

fn judge(change: &Change, metrics: &[Series], onset: Option<i64>) -> Vec<Finding> {
    let what = format!("{} {}{}", bounded(&change.kind, 40), commit(&change.reference), bounded(&change.summary, 160));
    let Some(onset) = onset else {
        return vec![finding(change, FindingKind::Change, 0.15, what)];
    };
    let before = onset.saturating_sub(change.at_ms);
    if before < -TOLERANCE_MS {
        let late = minutes(before.saturating_neg());
        return vec![finding(change, FindingKind::Healthy, 0.9, format!("{what}: {late} after it began"))];
    }
    let strength = weight(&change.kind) * (-(before.max(0) as f64) / FADING_MS).exp();
    let when = format!("{what}: {} before it began", minutes(before.max(0)));
    let Some(verdict) = canary::verdict(change, metrics) else {
        return (strength >= FAINT).then(|| finding(change, FindingKind::Change, strength, when)).into_iter().collect();
    };
    let why = format!("{when}; {}", bounded(&verdict.why, 200));
    if verdict.innocent {
        let healthy = finding(change, FindingKind::Healthy, 0.8, format!("{what}: {}", bounded(&verdict.why, 200)));
        return vec![finding(change, FindingKind::Change, strength * INNOCENT, when), healthy];
    }
    let mut seen = finding(change, FindingKind::Change, strength * (0.3 + 0.7 * verdict.hurt), why);
    seen.specificity = if verdict.hurt >= PROVEN { 8 } else { COMPARED };
    vec![seen]
}

/// How narrowly a change is named that was measured against the time before or the old version.
pub(crate) const COMPARED: u8 = 6;

/// From here on the comparison itself proves the change to be bad.
const PROVEN: f64 = 0.5;

fn finding(change: &Change, kind: FindingKind, strength: f64, summary: String) -> Finding {
    let touched: Vec<String> = change.touched.iter().take(5).map(|path| bounded(path, 80)).collect();
    Finding {
        subject: change.subject.clone(),
        kind,
        fault: Some(Fault::BadChange),
        window: Some(Window { start_ms: change.at_ms, end_ms: change.at_ms }),
        strength,
        specificity: 5,
        summary,
        source: bounded(&change.reference, 200),
        excerpt: (!touched.is_empty()).then(|| touched.join(", ")),
        points: Vec::new(),
    }
}

/// The short name of a commit, where the change is referred to by its hash.
fn commit(reference: &str) -> String {
    let is_hash = matches!(reference.len(), 40 | 64) && reference.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash { format!("{} ", &reference[..10]) } else { String::new() }
}

/// A change that runs at once is likelier to be the cause than one that may not have been deployed yet.
fn weight(kind: &str) -> f64 {
    match kind {
        "deploy" | "config" | "flag" => 0.85,
        "scale" => 0.6,
        "commit" => 0.5,
        _ => 0.6,
    }
}

fn minutes(ms: i64) -> String {
    match ms / 60_000 {
        0 => "less than a minute".to_owned(),
        1 => "1 minute".to_owned(),
        n if n < 120 => format!("{n} minutes"),
        n => format!("{} hours", n / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Entity, EntityKind};

    fn change(at_minutes: i64) -> Change {
        Change {
            at_ms: at_minutes * 60_000,
            subject: Entity::new(EntityKind::Service, "kiosk"),
            kind: "deploy".to_owned(),
            summary: "v2".to_owned(),
            reference: format!("rev-{at_minutes}"),
            touched: Vec::new(),
            members: Vec::new(),
        }
    }

    #[test]
    fn the_nearer_before_the_more_suspect_and_afterwards_not_at_all() {
        let found = analyze(&[change(10), change(95), change(120), change(-3000)], Some(100 * 60_000));
        let seen: Vec<_> = found.iter().map(|f| (f.source.as_str(), f.kind)).collect();
        assert_eq!(
            seen,
            [("rev-120", FindingKind::Healthy), ("rev-95", FindingKind::Change), ("rev-10", FindingKind::Change)]
        );
        assert!(found[1].strength > 0.7 && found[2].strength < 0.2);
    }

    #[test]
    fn a_commit_is_named_by_its_hash() {
        let reference = "0123456789abcdef0123456789abcdef01234567".to_owned();
        let found = analyze(&[Change { reference, kind: "commit".into(), ..change(95) }], Some(100 * 60_000));
        assert_eq!(found[0].summary, "commit 0123456789 v2: 5 minutes before it began");
    }

    fn told(pod: &str, from: i64, values: impl Fn(i64) -> f64) -> Series {
        let labels = [("service", "kiosk"), ("caller", "gate"), ("callee", "kiosk")];
        Series {
            subject: Entity::new(EntityKind::Pod, pod),
            name: "success_rate".to_owned(),
            labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            source: pod.to_owned(),
            points: (from..130).map(|minute| (minute * 60_000, values(minute))).collect(),
        }
    }

    fn canary(series: &[Series]) -> Vec<Finding> {
        let members = vec![Entity::new(EntityKind::Pod, "kiosk-new")];
        compare(&[Change { members, ..change(100) }], series, Some(105 * 60_000))
    }

    #[test]
    fn a_release_of_everything_is_blamed_for_failures_told_as_a_share_of_one() {
        let ratio = |after: f64| Series {
            name: "error_ratio".to_owned(),
            labels: [("service".to_owned(), "kiosk".to_owned())].into(),
            ..told("kiosk", 60, |minute| if minute < 100 { 0.006 } else { after })
        };
        let whole = |after| compare(&[change(100)], &[ratio(after)], Some(100 * 60_000));
        let (bad, well) = (whole(0.35), whole(0.006));
        assert!(bad[0].summary.contains("it fails since") && bad[0].strength > 2.0 * well[0].strength, "{bad:?}");
        assert!(well[0].summary.contains("nothing of it changed measurably"), "{well:?}");
    }

    #[test]
    fn a_new_version_is_blamed_for_what_the_old_one_beside_it_does_not_suffer() {
        let old = || told("kiosk-old", 60, |_| 100.0);
        let bad = canary(&[old(), told("kiosk-new", 101, |_| 20.0)]);
        assert!(bad[0].specificity == 8 && bad[0].strength > 0.5, "{bad:?}");
        let mute = canary(&[old()]);
        assert!(mute[0].summary.contains("nobody reaches") && mute[0].strength > 0.5, "{mute:?}");
        let alike = [told("kiosk-old", 60, |m| if m < 100 { 100.0 } else { 40.0 }), told("kiosk-new", 101, |_| 40.0)];
        let innocent = canary(&alike);
        assert!(
            innocent.iter().any(|f| f.kind == FindingKind::Healthy && f.summary.contains("as well as")),
            "{innocent:?}"
        );
        assert!(innocent.iter().all(|f| f.kind == FindingKind::Healthy || f.strength < 0.2));
    }
}
