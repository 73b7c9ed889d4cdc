//! The engine judged by a team's own past: closed incidents of which it is known what was wrong, diagnosed anew from
//! what was read at the time, by this version.

mod past;

pub use past::{from_database, from_folder};

use crate::digest::{diagnose_observations, entity};
use sentinell_core::evidence::Observation;
use sentinell_core::time::Timestamp;
use sentinell_eval::{calibration, interval};
use sentinell_evidence::finding::Entity;
use sentinell_evidence::graph::component;
use serde::{Deserialize, Serialize};

/// Hypotheses of a case that are kept.
const SAID: usize = 5;

/// What was wrong, as it is known afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// The component at fault (`service/shop/cart`, `node/n1`; a bare name is a service).
    pub component: String,
    /// What was wrong with it in the engine's word (`out_of_memory`), where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// A closed incident as it was seen.
#[derive(Debug, Clone)]
pub struct Past {
    /// Its folder or id.
    pub name: String,
    /// When it began, as far as it was told.
    pub onset: Option<Timestamp>,
    /// What the alert named.
    pub suspects: Vec<String>,
    /// What was read.
    pub observations: Vec<Observation>,
    /// What was wrong, if that is known.
    pub truth: Option<Truth>,
}

/// One cause that the engine names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Said {
    /// The component at fault.
    pub component: String,
    /// What is wrong with it.
    pub fault: String,
    /// 0 to 1.
    pub confidence: f64,
    /// One sentence.
    pub statement: String,
}

/// What the engine makes of one incident.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The incident.
    pub name: String,
    /// What was wrong, if that is known.
    pub truth: Option<Truth>,
    /// The place of the first right cause, from 1; none if there is none.
    pub rank: Option<usize>,
    /// Best first, at most five; empty: not enough evidence.
    pub said: Vec<Said>,
}

/// Over all incidents of which the truth is known.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// How many.
    pub graded: usize,
    /// Of how many the truth is not known.
    pub unknown: usize,
    /// How often the first cause was right.
    pub first: usize,
    /// How often one of the first three.
    pub within_three: usize,
    /// How often the engine said that the evidence was not enough.
    pub silent: usize,
    /// How often it was sure (0.8 or more) and wrong.
    pub confident_and_wrong: usize,
    /// The 95 % interval of the share of `first` (Wilson 1927).
    pub interval: (f64, f64),
    /// Expected calibration error over ten bins.
    pub calibration_error: f64,
}

/// Diagnoses an incident anew and compares.
#[must_use]
pub fn judge(past: &Past) -> Verdict {
    let diagnosis = diagnose_observations(&past.observations, past.onset, &past.suspects);
    let said: Vec<Said> = diagnosis
        .ranking
        .hypotheses
        .iter()
        .take(SAID)
        .map(|h| Said {
            component: h.component.to_string(),
            fault: h.fault.word(),
            confidence: h.confidence,
            statement: h.statement.clone(),
        })
        .collect();
    let rank = past.truth.as_ref().and_then(|truth| said.iter().position(|said| is_right(said, truth)));
    Verdict { name: past.name.clone(), truth: past.truth.clone(), rank: rank.map(|at| at + 1), said }
}

/// The same component (a pod counts as its service; a namespace only where both name one) and, where the truth names a
/// fault, the same fault.
fn is_right(said: &Said, truth: &Truth) -> bool {
    let owner = |text: &str| -> Entity { component(&entity(text)) };
    let (ours, theirs) = (owner(&said.component), owner(&truth.component));
    let same_place = match (&ours.namespace, &theirs.namespace) {
        (Some(ours), Some(theirs)) => ours == theirs,
        _ => true,
    };
    let same_fault = truth.fault.as_ref().is_none_or(|fault| *fault == said.fault);
    (ours.kind, &ours.name) == (theirs.kind, &theirs.name) && same_place && same_fault
}

/// Counts verdicts.
#[must_use]
pub fn summary(verdicts: &[Verdict]) -> Summary {
    let graded: Vec<&Verdict> = verdicts.iter().filter(|verdict| verdict.truth.is_some()).collect();
    let within = |k: usize| graded.iter().filter(|verdict| verdict.rank.is_some_and(|rank| rank <= k)).count();
    let confidence = |verdict: &Verdict| verdict.said.first().map_or(0.0, |said| said.confidence);
    let kept = calibration(graded.iter().map(|verdict| (confidence(verdict), verdict.rank == Some(1))));
    let (first, n) = (within(1), graded.len());
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts")]
    let (share, wrong) = (first as f64 / n.max(1) as f64, (kept.confident_and_wrong * n as f64).round() as usize);
    Summary {
        graded: n,
        unknown: verdicts.len() - n,
        first,
        within_three: within(3),
        silent: graded.iter().filter(|verdict| verdict.said.is_empty()).count(),
        confident_and_wrong: wrong,
        interval: interval(share, n),
        calibration_error: kept.error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(component: &str, fault: &str) -> Said {
        Said { component: component.into(), fault: fault.into(), confidence: 0.9, statement: String::new() }
    }

    fn truth(component: &str, fault: Option<&str>) -> Truth {
        Truth { component: component.into(), fault: fault.map(str::to_owned) }
    }

    #[test]
    fn a_pod_is_its_service_and_what_the_truth_leaves_open_is_not_held_against_anybody() {
        let full = said("service/shop/cart", "out_of_memory");
        for right in
            ["service/shop/cart", "cart", "service/cart", "pod/shop/cart-7d9f8b6c5d-x2x4z", "deployment/shop/cart"]
        {
            assert!(is_right(&full, &truth(right, None)), "{right}");
        }
        assert!(is_right(&full, &truth("cart", Some("out_of_memory"))));
        for wrong in [truth("service/depot/cart", None), truth("node/cart", None), truth("cart", Some("disk_full"))] {
            assert!(!is_right(&full, &wrong), "{wrong:?}");
        }
    }

    #[test]
    fn incidents_without_a_known_end_are_counted_apart() {
        let verdict = |rank, known: bool, sure: bool| Verdict {
            name: String::new(),
            truth: known.then(|| truth("till", None)),
            rank,
            said: if sure { vec![said("x", "y")] } else { vec![] },
        };
        let all = [
            verdict(Some(1), true, true),
            verdict(Some(3), true, true),
            verdict(None, true, false),
            verdict(None, false, true),
        ];
        let summary = summary(&all);
        assert_eq!((summary.graded, summary.unknown, summary.first, summary.within_three), (3, 1, 1, 2));
        assert_eq!((summary.silent, summary.confident_and_wrong), (1, 1));
        assert!(summary.interval.0 < 1.0 / 3.0 && summary.interval.1 > 1.0 / 3.0);
    }
}
