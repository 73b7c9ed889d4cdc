//! PetShop (CLeaR 2024): a row every five minutes, three rows of heads (node, metric, statistic), a call graph as a
//! matrix, and an alarm at the front.

use anyhow::{Context, Result};
use sentinell_evidence::case::{Case, Diagnosis, Series};
use sentinell_evidence::finding::{Entity, EntityKind};
use std::collections::BTreeMap;
use std::path::Path;

use crate::index::{Line, Truth};
use crate::suite::{Layout, Mark, Prediction, evidence};
use crate::wide::{Row, Wide};

const DAY_MS: i64 = 86_400_000;

/// The suite.
pub(crate) struct PetShop;

impl Layout for PetShop {
    fn case(&self, data: &Path, line: &Line) -> Result<Case> {
        let read = |name: &str| -> Result<Vec<u8>> {
            let path = data.join(line.text(name));
            std::fs::read(&path).with_context(|| format!("reading {}", path.display()))
        };
        let (normal, abnormal) = (Wide::read(&read("normal")?, 3)?, Wide::read(&read("abnormal")?, 3)?);
        Ok(Case {
            onset_ms: line.number("onset_unix").map(|at| at * 1000),
            suspects: vec![node(line.text("target_node"))],
            metrics: metrics(normal, abnormal),
            calls: calls(&Wide::read_matrix(&read("graph")?)?),
            ..Case::default()
        })
    }

    fn predictions(&self, _: &Line, diagnosis: &Diagnosis) -> Vec<Prediction> {
        predictions(diagnosis)
    }

    fn marks(&self) -> &'static [Mark] {
        &[
            Mark { what: "node", right: right_node },
            Mark { what: "node and metric where labelled", right: right_metric },
        ]
    }

    fn groups(&self, line: &Line) -> Vec<String> {
        vec![line.text("target_metric").to_owned()]
    }

    fn cause(&self, truth: &Truth) -> String {
        truth.text("node").unwrap_or_default().to_owned()
    }
}

fn right_node(said: &Prediction, truth: &Truth) -> bool {
    truth.text("node") == Some(&said.entity)
}

fn right_metric(said: &Prediction, truth: &Truth) -> bool {
    right_node(said, truth) && truth.text("metric").is_none_or(|metric| said.metric.as_deref() == Some(metric))
}

fn node(name: &str) -> Entity {
    Entity::new(EntityKind::Service, name)
}

/// The quiet stretch was recorded months after the incidents. It is moved before them by whole weeks, so that the hour
/// of the day and the day of the week stay what they were.
fn metrics(normal: Wide, abnormal: Wide) -> Vec<Series> {
    let end = normal.times.last().copied().unwrap_or(0);
    let start = abnormal.times.first().copied().unwrap_or(end);
    let week = 7 * DAY_MS;
    let moved = if end >= start { -((end - start) / week + 1) * week } else { 0 };
    let mut series: BTreeMap<Vec<String>, Series> = BTreeMap::new();
    for (table, moved) in [(normal, moved), (abnormal, 0)] {
        for column in table.columns {
            let [name, metric, statistic] = &column.heads[..] else { continue };
            let one = series.entry(column.heads.clone()).or_insert_with(|| Series {
                subject: node(name),
                name: metric.clone(),
                labels: BTreeMap::from([("statistic".to_owned(), statistic.clone())]),
                source: format!("metrics.csv {name} {metric} {statistic}"),
                points: Vec::new(),
            });
            one.points.extend(column.points.into_iter().map(|(at, value)| (at + moved, value)));
        }
    }
    series.into_values().collect()
}

/// A row calls the columns in which it has a one.
fn calls(matrix: &[Row]) -> Vec<(Entity, Entity)> {
    let edge = |(caller, row): &Row| {
        let called = row.iter().filter(|(_, weight)| *weight > 0.0);
        called.map(|(callee, _)| (node(caller), node(callee))).collect::<Vec<_>>()
    };
    matrix.iter().flat_map(edge).collect()
}

fn predictions(diagnosis: &Diagnosis) -> Vec<Prediction> {
    let mut predictions: Vec<Prediction> = Vec::new();
    for hypothesis in &diagnosis.ranking.hypotheses {
        let entity = hypothesis.component.name.clone();
        if predictions.iter().any(|known| known.entity == entity) {
            continue;
        }
        let first = hypothesis.supports.first().and_then(|at| diagnosis.findings.get(*at));
        let metric = first.and_then(|finding| finding.source.rsplit(' ').nth(1)).map(str::to_owned);
        let evidence = evidence(diagnosis, &hypothesis.supports);
        predictions.push(Prediction { entity, cause: None, metric, confidence: hypothesis.confidence, evidence });
    }
    predictions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_stretch_of_later_months_is_moved_before_the_incident_by_whole_weeks() {
        let table = |times: [i64; 2]| {
            let rows = times.map(|at| format!("{at},1.5\n")).concat();
            Wide::read(format!("n,till\nm,latency\ns,p90\nunix,\n{rows}").as_bytes(), 3).unwrap()
        };
        let series = metrics(table([8_000_000, 8_000_300]), table([1_000_000, 1_000_300]));
        let times: Vec<i64> = series[0].points.iter().map(|(at, _)| at / 1000).collect();
        let moved = 8_000_000 - times[0];
        assert!(times[1] < 1_000_000 && moved % (7 * 86_400) == 0 && moved - 7_000_300 < 7 * 86_400);
        assert_eq!(times[2..], [1_000_000, 1_000_300]);
    }

    #[test]
    fn a_row_of_the_matrix_calls_its_ones() {
        let matrix = Wide::read_matrix(b"microservice,till,mill\ntill,0.0,1.0\nmill,0.0,0.0\n").unwrap();
        assert_eq!(calls(&matrix), [(node("till"), node("mill"))]);
    }
}
