//! Sock Shop as recorded for RCD (NeurIPS 2022): one row a second, before and during a fault, a column a metric
//! (`till_cpu`, `till-db_mem`, `till_lat_99`).

use anyhow::{Context, Result};
use sentinell_evidence::case::{Case, Diagnosis, Series};
use sentinell_evidence::finding::{Entity, EntityKind};
use std::collections::BTreeMap;
use std::path::Path;

use crate::index::{Line, Truth};
use crate::suite::{Layout, Mark, Prediction, evidence};
use crate::wide::{Column, Wide};

/// The suite.
pub(crate) struct RcdSockShop;

impl Layout for RcdSockShop {
    fn case(&self, data: &Path, line: &Line) -> Result<Case> {
        let read = |name: &str| -> Result<Wide> {
            let path = data.join(line.text(name));
            let table = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            Wide::read(&table, 1).with_context(|| format!("reading {}", path.display()))
        };
        case(read("normal")?, read("abnormal")?)
    }

    fn predictions(&self, _: &Line, diagnosis: &Diagnosis) -> Vec<Prediction> {
        predictions(diagnosis)
    }

    fn marks(&self) -> &'static [Mark] {
        &[Mark { what: "service", right: right_service }, Mark { what: "metric", right: right_metric }]
    }

    fn cause(&self, truth: &Truth) -> String {
        format!("{} {}", truth.text("service").unwrap_or_default(), truth.text("fault").unwrap_or_default())
    }
}

fn right_service(said: &Prediction, truth: &Truth) -> bool {
    truth.text("service") == Some(&said.entity)
}

fn right_metric(said: &Prediction, truth: &Truth) -> bool {
    right_service(said, truth) && said.metric.as_deref() == truth.text("metric")
}

/// The two recordings were made at different times; the second is put right behind the first, so that there is one time
/// line with one onset that can be shifted or withheld.
fn case(normal: Wide, abnormal: Wide) -> Result<Case> {
    let end = normal.times.last().copied().context("the normal recording has no rows")?;
    let start = abnormal.times.first().copied().context("the abnormal recording has no rows")?;
    let onset = end + 1000;
    let mut series: BTreeMap<String, Series> = BTreeMap::new();
    for (table, moved) in [(normal, 0), (abnormal, onset - start)] {
        for Column { heads, points } in table.columns {
            let head = heads.concat();
            let Some((service, metric)) = head.split_once('_') else { continue };
            let one = series.entry(head.clone()).or_insert_with(|| Series {
                subject: Entity::new(EntityKind::Service, service),
                name: word(metric).to_owned(),
                labels: BTreeMap::new(),
                source: head.clone(),
                points: Vec::new(),
            });
            one.points.extend(points.into_iter().map(|(at, value)| (at + moved, value)));
        }
    }
    Ok(Case { onset_ms: Some(onset), metrics: series.into_values().collect(), ..Case::default() })
}

/// The set's shorthand for requests a second.
fn word(metric: &str) -> &str {
    if metric == "lod" { "requests_per_second" } else { metric }
}

/// One prediction a service with the metric that shows it best; behind all services, their further metrics.
fn predictions(diagnosis: &Diagnosis) -> Vec<Prediction> {
    let (mut first, mut further) = (Vec::<Prediction>::new(), Vec::new());
    for hypothesis in &diagnosis.ranking.hypotheses {
        let entity = &hypothesis.component.name;
        let metrics = hypothesis.supports.iter().filter_map(|at| diagnosis.findings.get(*at));
        for finding in metrics {
            let said = Prediction {
                entity: entity.clone(),
                cause: None,
                metric: Some(finding.source.clone()),
                confidence: hypothesis.confidence,
                evidence: evidence(diagnosis, &hypothesis.supports),
            };
            let known = first.iter().any(|other| other.entity == *entity);
            if known { further.push(said) } else { first.push(said) }
        }
    }
    first.extend(further);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_recordings_become_one_time_line_with_its_onset_between() {
        let normal = Wide::read(b"time,till_cpu,till-db_lat_99\n100,1,0.5\n101,2,\n", 1).unwrap();
        let abnormal = Wide::read(b"time,till_cpu,till-db_lat_99\n9000,7,0.5\n", 1).unwrap();
        let case = case(normal, abnormal).unwrap();
        assert_eq!(case.onset_ms, Some(102_000));
        let [database, till] = &case.metrics[..] else { panic!("{case:?}") };
        assert_eq!((database.subject.name.as_str(), database.name.as_str()), ("till-db", "lat_99"));
        assert_eq!(till.points, [(100_000, 1.0), (101_000, 2.0), (102_000, 7.0)]);
        assert_eq!(database.points, [(100_000, 0.5), (102_000, 0.5)]);
    }
}
