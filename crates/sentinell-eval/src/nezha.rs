//! Nezha (FSE'23): two microservice systems; traces and logs of about three minutes around a fault, metrics once a
//! minute all day, and one fault-free minute a day.

use anyhow::{Context, Result};
use sentinell_evidence::case::{Case, Diagnosis};
use sentinell_evidence::finding::{Entity, EntityKind, Fault};
use sentinell_evidence::graph::component;
use std::path::{Path, PathBuf};

use crate::index::{Line, Truth};
use crate::suite::{Layout, Mark, Prediction, evidence};

mod metrics;
mod requests;

const DAY_S: i64 = 86_400;

/// The suite.
pub(crate) struct Nezha;

impl Layout for Nezha {
    fn case(&self, data: &Path, line: &Line) -> Result<Case> {
        let folder = root(data);
        let onset = line.number("onset_unix").context("the line has no onset_unix")?;
        let mut case = Case { onset_ms: Some(onset.saturating_mul(1000)), ..Case::default() };
        let metrics = folder.join(line.text("metric_dir"));
        metrics::read(&metrics, onset, &mut case)?;
        // The fault-free minute may lie later in the day than the fault: it is told as one of the day before.
        let usual = usual(&folder, line.text("metric_dir"));
        let both = |part: &str| {
            let usual = files(&usual.join(part)).into_iter().map(|file| (file, -DAY_S));
            usual.chain(named(&folder, line, &format!("{part}_files")).into_iter().map(|file| (file, 0)))
        };
        for (file, shift) in both("trace") {
            requests::spans(&file, shift, &mut case.spans)?;
        }
        let mut lines = requests::Lines::default();
        for (file, shift) in both("log") {
            lines.read(&file, shift, onset)?;
        }
        case.logs = lines.streams();
        Ok(case)
    }

    fn predictions(&self, _: &Line, diagnosis: &Diagnosis) -> Vec<Prediction> {
        let mut predictions: Vec<Prediction> = Vec::new();
        for hypothesis in &diagnosis.ranking.hypotheses {
            let who = component(&hypothesis.component);
            if who.kind != EntityKind::Service || predictions.iter().any(|known| known.entity == who.name) {
                continue;
            }
            predictions.push(Prediction {
                entity: who.name,
                cause: Some(cause(hypothesis.fault)),
                metric: None,
                confidence: hypothesis.confidence,
                evidence: evidence(diagnosis, &hypothesis.supports),
            });
        }
        predictions
    }

    fn marks(&self) -> &'static [Mark] {
        &[Mark { what: "service", right: right_service }, Mark { what: "service and fault", right: right_in_both }]
    }

    fn cause(&self, truth: &Truth) -> String {
        truth.text("fault").unwrap_or_default().to_owned()
    }
}

fn right_service(said: &Prediction, truth: &Truth) -> bool {
    truth.text("service") == Some(&said.entity)
}

/// The set tells two kinds of overload and two of broken code apart; the engine does not.
fn right_in_both(said: &Prediction, truth: &Truth) -> bool {
    let kind = match truth.text("fault") {
        Some("cpu_contention" | "cpu_consumed") => "cpu",
        Some("exception" | "return") => "code",
        Some(other) => other,
        None => return false,
    };
    right_service(said, truth) && said.cause.as_deref() == Some(kind)
}

fn cause(fault: Fault) -> String {
    match fault {
        Fault::CpuOverload | Fault::NoisyNeighbour | Fault::SlowWork => "cpu".to_owned(),
        Fault::NewError | Fault::WentSilent | Fault::RateChange | Fault::WorkCutShort | Fault::RequestsFail => {
            "code".to_owned()
        }
        other => other.word(),
    }
}

/// The set's own folder, wherever the archive was unpacked.
fn root(data: &Path) -> PathBuf {
    let within = ["nezha", "bench/nezha"].map(|part| data.join(part));
    within.into_iter().find(|folder| folder.is_dir()).unwrap_or_else(|| data.to_owned())
}

/// `rca_data/DAY/metric` has its fault-free minute in `construct_data/DAY`.
fn usual(folder: &Path, metric_dir: &str) -> PathBuf {
    let day = Path::new(metric_dir).parent().and_then(Path::file_name).unwrap_or_default();
    folder.join("construct_data").join(day)
}

fn named(folder: &Path, line: &Line, field: &str) -> Vec<PathBuf> {
    line.texts(field).into_iter().map(|file| folder.join(file)).collect()
}

/// The CSV files of a folder by name; none where there is no such folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "csv")).collect();
    files.sort();
    files
}

fn service(name: &str) -> Entity {
    Entity::new(EntityKind::Service, name)
}

fn pod(name: &str) -> Entity {
    Entity::new(EntityKind::Pod, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_free_minute_is_looked_for_beside_the_day() {
        let found = usual(Path::new("set"), "rca_data/2020-01-02/metric");
        assert_eq!(found, Path::new("set/construct_data/2020-01-02"));
    }
}
