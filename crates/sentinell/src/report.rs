//! What a person reads on a terminal and a machine reads as JSON: one diagnosis, two faces.

pub mod chart;
mod human;
mod machine;
pub mod paint;
pub mod timeline;

pub use paint::Paint;

use sentinell_evidence::case::Diagnosis;

/// One finished look at something, ready to be shown.
#[derive(Debug, Clone)]
pub struct Report {
    /// What was looked at, in the caller's words.
    pub what: String,
    /// The reads that were made, as a person could repeat them.
    pub calls: Vec<String>,
    /// What the engine makes of them.
    pub diagnosis: Diagnosis,
    /// How long it took, milliseconds.
    pub millis: u64,
}

impl Report {
    /// Whether a cause is named; otherwise there was not enough evidence.
    pub fn names_a_cause(&self) -> bool {
        !self.diagnosis.ranking.hypotheses.is_empty()
    }

    /// For a person: text with, perhaps, colour; ends with a line break. Hostile text in it cannot steer the terminal.
    pub fn for_people(&self, paint: Paint) -> String {
        human::render(self, paint)
    }

    /// For a machine. Citations are ids (`e1`, …) of the list `evidence`.
    pub fn for_machines(&self) -> serde_json::Value {
        machine::render(self)
    }
}

/// A finding's id in a report: `e1` for the first.
fn evidence_id(index: usize) -> String {
    format!("e{}", index + 1)
}

#[cfg(test)]
mod tests;
