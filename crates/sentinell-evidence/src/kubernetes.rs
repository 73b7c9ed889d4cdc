//! Kubernetes: what is declared against what is there.
//!
//! A [`Snapshot`] is built from whatever was read: the API's JSON, printed tables, `describe` texts, manifests; several
//! reads about one object become one typed object. Each analyzer knows one family of faults and adds findings whose
//! subject is what has to be changed (the workload, the node, the namespace), not what suffers from it.
//!
//! Reads are [`KubernetesRead`](crate::case::KubernetesRead)s. Understood calls: `get` (table, YAML or JSON), `describe`,
//! `apply --dry-run` (what a manifest declares), and `debug node/NAME … systemctl status UNIT`.

use crate::case::Case;
use crate::finding::{Finding, Gap};
use report::Report;

mod address;
mod crash;
mod database;
mod describe;
mod dns;
mod extract;
mod images;
mod load;
mod merge;
mod missing;
mod nodes;
pub mod object;
mod probes;
mod quantity;
mod quota;
mod read;
mod report;
mod routing;
mod scheduling;
mod services;
mod sidecar;
mod snapshot;
mod table;
#[cfg(test)]
mod testing;
mod volumes;
mod words;

pub use snapshot::Snapshot;

/// Compares what is declared with what is there.
pub fn analyze(snapshot: &Snapshot) -> (Vec<Finding>, Vec<Gap>) {
    let mut report = Report::default();
    analyze_state(snapshot, &mut report);
    finish(report, snapshot)
}

/// The same with the case's logs, metrics and calls at hand, which tell apart what objects alone cannot: a wrong password,
/// a port taken twice, a slow network.
pub fn analyze_case(case: &Case) -> (Vec<Finding>, Vec<Gap>) {
    let snapshot = Snapshot::new(&case.kubernetes);
    let mut report = Report::default();
    analyze_state(&snapshot, &mut report);
    database::analyze(&snapshot, case, &mut report);
    sidecar::analyze_logs(&snapshot, case, &mut report);
    volumes::analyze_logs(&snapshot, case, &mut report);
    address::analyze(&snapshot, Some(case), &mut report);
    dns::analyze_logs(&snapshot, case, &mut report);
    load::analyze(&snapshot, case, &mut report);
    finish(report, &snapshot)
}

fn analyze_state(snapshot: &Snapshot, report: &mut Report) {
    nodes::analyze(snapshot, report);
    quota::analyze(snapshot, report);
    images::analyze(snapshot, report);
    missing::analyze(snapshot, report);
    crash::analyze(snapshot, report);
    probes::analyze(snapshot, report);
    scheduling::analyze(snapshot, report);
    volumes::analyze(snapshot, report);
    services::analyze(snapshot, report);
    sidecar::analyze(snapshot, report);
    routing::analyze(snapshot, report);
    dns::analyze(snapshot, report);
    address::analyze(snapshot, None, report);
}

fn finish(mut report: Report, snapshot: &Snapshot) -> (Vec<Finding>, Vec<Gap>) {
    report
        .findings
        .sort_by(|a, b| report::weight(b).total_cmp(&report::weight(a)).then_with(|| a.subject.cmp(&b.subject)));
    report.gaps.extend(snapshot.gaps.iter().cloned());
    report.gaps.sort();
    report.gaps.dedup();
    (report.findings, report.gaps)
}
