//! What a suite has to say about itself.

use crate::index::{Line, Truth};
use anyhow::Result;
use sentinell_evidence::case::{Case, Diagnosis};
use sentinell_evidence::finding::{Entity, Fault};
use std::path::Path;

/// One cause as the suite names it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Prediction {
    /// The object, node, service or release at fault.
    pub(crate) entity: String,
    /// What is wrong with it, in the suite's word, where the suite has words for it.
    pub(crate) cause: Option<String>,
    /// The metric that shows it, where the suite asks for it.
    pub(crate) metric: Option<String>,
    /// 0 to 1.
    pub(crate) confidence: f64,
    /// Why, a line each.
    pub(crate) evidence: Vec<String>,
}

/// One way to grade a prediction.
pub(crate) struct Mark {
    /// What is graded, for the table's head.
    pub(crate) what: &'static str,
    /// Whether the prediction is right.
    pub(crate) right: fn(&Prediction, &Truth) -> bool,
}

/// A suite: how its cases are read and what counts as right.
pub(crate) trait Layout: Sync {
    /// What the engine is to read. `data` is the folder the line's paths are relative to.
    fn case(&self, data: &Path, line: &Line) -> Result<Case>;

    /// The ranked causes in the suite's words.
    fn predictions(&self, line: &Line, diagnosis: &Diagnosis) -> Vec<Prediction>;

    /// Whom the ranked causes blame, also those for which the suite has no word.
    fn objects(&self, line: &Line, diagnosis: &Diagnosis) -> Vec<Prediction> {
        self.predictions(line, diagnosis)
    }

    /// How predictions are graded; the first is what the ranks of the report and the calibration are about.
    fn marks(&self) -> &'static [Mark];

    /// Under which headings a case counts, besides all of them together.
    fn groups(&self, line: &Line) -> Vec<String> {
        vec![line.text("system").to_owned()]
    }

    /// The word for what was wrong, for the table of causes.
    fn cause(&self, truth: &Truth) -> String;

    /// Whether a fault of this entity is what the suite calls the true cause. Suites without words for causes say no.
    fn is_cause(&self, _: &Entity, _: Fault, _: &Truth) -> bool {
        false
    }
}

/// The lines that support a hypothesis, at most five.
pub(crate) fn evidence(diagnosis: &Diagnosis, supports: &[usize]) -> Vec<String> {
    let summaries = supports.iter().filter_map(|at| diagnosis.findings.get(*at)).map(|finding| finding.summary.clone());
    summaries.take(5).collect()
}

/// The layout of a suite that has no cases to diagnose.
pub(crate) struct Undiagnosed;

impl Layout for Undiagnosed {
    fn case(&self, _: &Path, _: &Line) -> Result<Case> {
        anyhow::bail!("this suite has nothing to diagnose")
    }

    fn predictions(&self, _: &Line, _: &Diagnosis) -> Vec<Prediction> {
        Vec::new()
    }

    fn marks(&self) -> &'static [Mark] {
        &[]
    }

    fn cause(&self, _: &Truth) -> String {
        String::new()
    }
}
