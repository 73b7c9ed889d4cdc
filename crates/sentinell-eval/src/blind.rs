//! What the engine is not shown: kinds of evidence (an ablation), or the fault it would have to name.

use crate::index::Truth;
use crate::suite::Layout;
use clap::ValueEnum;
use sentinell_evidence::case::{Case, Diagnosis};
use sentinell_evidence::rank::rank;

/// A kind of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// What programs wrote.
    Logs,
    /// Time series.
    Metrics,
    /// Spans of requests.
    Traces,
    /// Who calls whom, as far as it is not seen in traces.
    Graph,
    /// What a cluster declares and has.
    Kubernetes,
    /// Releases and other changes.
    Changes,
}

/// The case without some kinds of evidence.
pub(crate) fn hide(case: &mut Case, kinds: &[Kind]) {
    for kind in kinds {
        match kind {
            Kind::Logs => case.logs.clear(),
            Kind::Metrics => case.metrics.clear(),
            Kind::Traces => case.spans.clear(),
            Kind::Graph => case.calls.clear(),
            Kind::Kubernetes => case.kubernetes.clear(),
            Kind::Changes => case.changes.clear(),
        }
    }
}

/// The diagnosis of an engine that has no name for the true fault: every finding that argues for it, whomever it blames,
/// is taken away, and what is left is ranked anew.
pub(crate) fn forget(layout: &dyn Layout, case: &Case, mut diagnosis: Diagnosis, truth: &Truth) -> Diagnosis {
    diagnosis
        .findings
        .retain(|finding| !finding.fault.is_some_and(|fault| layout.is_cause(&finding.subject, fault, truth)));
    let onset_ms = diagnosis.onset.map(|window| window.start_ms);
    let known = Case { onset_ms, suspects: case.suspects.clone(), calls: case.calls.clone(), ..Case::default() };
    diagnosis.ranking = rank(&diagnosis.findings, &known);
    diagnosis
}

#[cfg(test)]
mod tests {
    use super::*;
    use sentinell_evidence::case::{LogLine, LogStream};
    use sentinell_evidence::finding::{Entity, EntityKind};

    #[test]
    fn what_is_hidden_is_gone_and_nothing_else() {
        let till = || Entity::new(EntityKind::Service, "till");
        let line = LogLine { at_ms: None, level: None, text: "open".into(), trace: None };
        let logs = vec![LogStream { subject: till(), source: "log".into(), lines: vec![line], baseline: vec![] }];
        let mut case = Case { logs, calls: vec![(till(), till())], ..Case::default() };
        hide(&mut case, &[Kind::Metrics, Kind::Graph]);
        assert!(case.calls.is_empty() && case.logs.len() == 1);
        hide(&mut case, &[Kind::Logs]);
        assert_eq!(case, Case::default());
    }
}
