//! ChangeRCA (FSE 2024): several services released within an hour, one of them bad. Metrics of every pod on every edge,
//! a row a minute, and the release plan. What is ranked are the releases.

use anyhow::{Context, Result};
use sentinell_evidence::case::{Case, Change, Diagnosis, Series};
use sentinell_evidence::finding::{Entity, EntityKind, Fault};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::index::{Line, Truth};
use crate::suite::{Layout, Mark, Prediction, evidence};
use crate::wide::{Wide, seconds};

/// The suite.
pub(crate) struct ChangeRca;

impl Layout for ChangeRca {
    fn case(&self, data: &Path, line: &Line) -> Result<Case> {
        let folder = data.join(line.text("dir"));
        let mut case = Case { onset_ms: line.number("onset_unix").map(|at| at * 1000), ..Case::default() };
        let mut pods: BTreeMap<(String, String), Series> = BTreeMap::new();
        for name in files(&folder)? {
            let path = folder.join(&name);
            let read = || std::fs::read(&path).with_context(|| format!("reading {}", path.display()));
            match name.as_str() {
                "dependency.csv" => case.calls = calls(&read()?, &line.texts("changes"))?,
                "source_success.csv" | "destination_success.csv" => case.metrics.extend(edges(&name, &read()?)?),
                name => {
                    let Some(of) = PodFile::of(name) else { continue };
                    rows(&of, &read()?, &mut case.metrics, &mut pods)?;
                }
            }
        }
        case.metrics.extend(pods.into_values());
        let plan = std::fs::read(plan(&folder)).with_context(|| format!("reading the plan in {}", folder.display()))?;
        case.changes = releases(&serde_json::from_slice(&plan)?, &line.texts("changes"));
        Ok(case)
    }

    fn predictions(&self, line: &Line, diagnosis: &Diagnosis) -> Vec<Prediction> {
        predictions(&line.texts("changes"), diagnosis)
    }

    fn marks(&self) -> &'static [Mark] {
        &[Mark { what: "release", right: right_release }]
    }

    fn groups(&self, line: &Line) -> Vec<String> {
        vec![line.text("dir").split('/').next().unwrap_or_default().to_owned()]
    }

    fn cause(&self, truth: &Truth) -> String {
        truth.text("fault").unwrap_or_default().to_owned()
    }
}

fn right_release(said: &Prediction, truth: &Truth) -> bool {
    truth.text("service") == Some(&said.entity)
}

fn files(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let names: std::io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.file_name())).collect();
    let mut names: Vec<String> = names?.into_iter().filter_map(|name| name.into_string().ok()).collect();
    names.sort();
    Ok(names)
}

fn plan(folder: &Path) -> std::path::PathBuf {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    folder.join(format!("{name}.json"))
}

fn service(name: &str) -> Entity {
    Entity::new(EntityKind::Service, name)
}

/// `<pod>_<caller>_<callee>.csv`.
#[derive(Debug, PartialEq)]
struct PodFile {
    pod: String,
    caller: String,
    callee: String,
}

impl PodFile {
    fn of(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(".csv")?.split('_').map(str::to_owned);
        let (pod, caller, callee) = (parts.next()?, parts.next()?, parts.next()?);
        parts.next().is_none().then_some(Self { pod, caller, callee })
    }

    /// The one of the two whose pod it is.
    fn service(&self) -> Option<&str> {
        [&self.caller, &self.callee]
            .into_iter()
            .find(|name| self.pod.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('-')))
            .map(String::as_str)
    }
}

/// What the pod answers and asks on this edge, and its own load, which every file of the pod repeats.
fn rows(
    of: &PodFile,
    table: &[u8],
    edges: &mut Vec<Series>,
    pods: &mut BTreeMap<(String, String), Series>,
) -> Result<()> {
    let Some(service) = of.service() else { return Ok(()) };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(table);
    let mut columns: [Vec<(i64, f64)>; 4] = Default::default();
    for record in reader.records() {
        let record = record?;
        let Some(at_ms) = record.get(1).and_then(seconds) else { continue };
        for (points, cell) in columns.iter_mut().zip(record.iter().skip(2)) {
            if let Ok(value) = cell.trim().parse() {
                points.push((at_ms, value));
            }
        }
    }
    let own = BTreeMap::from([("service".to_owned(), service.to_owned())]);
    let series = |name: &str, labels: BTreeMap<String, String>, points| Series {
        subject: Entity::new(EntityKind::Pod, &of.pod),
        name: name.to_owned(),
        source: format!("{}_{}_{}.csv {name}", of.pod, of.caller, of.callee),
        labels,
        points,
    };
    let [success, latency, cpu, memory] = columns;
    let mut edge = own.clone();
    edge.extend([("caller".to_owned(), of.caller.clone()), ("callee".to_owned(), of.callee.clone())]);
    edges.push(series("success_rate", edge.clone(), success));
    edges.push(series("latency", edge, latency));
    for (name, points) in [("cpu_usage_percent", cpu), ("memory_usage_percent", memory)] {
        let key = (of.pod.clone(), name.to_owned());
        pods.entry(key).or_insert_with(|| series(name, own.clone(), Vec::new())).points.extend(points);
    }
    Ok(())
}

/// Of every edge, the share of calls that succeed, as the caller or the callee counts them.
fn edges(file: &str, table: &[u8]) -> Result<Vec<Series>> {
    let counted_by = file.split('_').next().unwrap_or_default();
    // The first column is the time in words, the second in Unix seconds.
    let table: Vec<u8> = table
        .split(|byte| *byte == b'\n')
        .flat_map(|line| line.splitn(2, |byte| *byte == b',').nth(1).unwrap_or_default().iter().chain(b"\n").copied())
        .collect();
    let series = Wide::read(&table, 1)?.columns.into_iter().filter_map(|column| {
        let head = column.heads.concat();
        let (caller, callee) = head.split_once('_')?;
        let labels = [("caller", caller), ("callee", callee), ("counted_by", counted_by)];
        Some(Series {
            subject: service(callee),
            name: "success_rate".to_owned(),
            labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            source: format!("{file} {head}"),
            points: column.points,
        })
    });
    Ok(series.collect())
}

/// Edges between services; the file also holds addresses of machines.
fn calls(table: &[u8], released: &[&str]) -> Result<Vec<(Entity, Entity)>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(table);
    let mut pairs = BTreeSet::new();
    for record in reader.records() {
        let record = record?;
        if let (Some(caller), Some(callee)) = (record.get(0), record.get(1)) {
            pairs.insert((caller.trim().to_owned(), callee.trim().to_owned()));
        }
    }
    let callers: BTreeSet<String> = pairs.iter().map(|(caller, _)| caller.clone()).collect();
    let known = |name: &String| callers.contains(name) || released.contains(&name.as_str());
    let address = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let kept = pairs.into_iter().filter(|(_, callee)| known(callee) || !address(callee));
    Ok(kept.map(|(caller, callee)| (service(&caller), service(&callee))).collect())
}

/// What an operator knows of a release: the service, when it began, and which pods run the new version. The plan also
/// says how the experiment was made; that is not read.
fn releases(plan: &Value, released: &[&str]) -> Vec<Change> {
    released
        .iter()
        .filter_map(|name| {
            let release = &plan["plan"][*name];
            let at = release["release_time"].as_i64()?;
            let steps = release["process"].as_object().into_iter().flatten();
            let pods = steps.flat_map(|(_, step)| step["release_pod"].as_array().into_iter().flatten());
            let members = pods.filter_map(Value::as_str).map(|pod| Entity::new(EntityKind::Pod, pod)).collect();
            Some(Change {
                at_ms: at * 1000,
                subject: service(name),
                kind: "deploy".to_owned(),
                summary: format!("new version of {name}"),
                reference: format!("release plan {name}"),
                touched: Vec::new(),
                members,
            })
        })
        .collect()
}

/// The releases, best first: those the engine blames, then those it says least against.
fn predictions(released: &[&str], diagnosis: &Diagnosis) -> Vec<Prediction> {
    let mut predictions: Vec<Prediction> = Vec::new();
    for hypothesis in diagnosis.ranking.hypotheses.iter().filter(|h| h.fault == Fault::BadChange) {
        let entity = hypothesis.component.name.clone();
        let evidence = evidence(diagnosis, &hypothesis.supports);
        if released.contains(&entity.as_str()) && !predictions.iter().any(|known| known.entity == entity) {
            predictions.push(Prediction {
                entity,
                confidence: hypothesis.confidence,
                evidence,
                ..Prediction::default()
            });
        }
    }
    let rest = |name: &&&str| !predictions.iter().any(|known| known.entity == ***name);
    let mut others: Vec<(f64, &str)> =
        released.iter().filter(rest).map(|name| (standing(name, diagnosis), *name)).collect();
    others.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    predictions
        .extend(others.into_iter().map(|(_, name)| Prediction { entity: name.to_owned(), ..Prediction::default() }));
    predictions
}

/// How much is said for a release, less what is said against it.
fn standing(name: &str, diagnosis: &Diagnosis) -> f64 {
    let own = diagnosis.findings.iter().filter(|f| f.fault == Some(Fault::BadChange) && f.subject.name == name);
    own.map(|f| if f.kind == sentinell_evidence::finding::FindingKind::Healthy { -f.strength } else { f.strength })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_tells_its_pod_and_edge_and_whose_pod_it_is() {
        let file = PodFile::of("mill-v2-69b7767d-6fvgn_till_mill.csv").unwrap();
        assert_eq!((file.service(), file.caller.as_str()), (Some("mill"), "till"));
        assert_eq!(PodFile::of("destination_success.csv"), None);
    }

    #[test]
    fn a_release_is_its_time_and_its_new_pods_and_nothing_about_the_experiment() {
        let plan = serde_json::json!({"plan": {"mill": {"fault": "x", "release_time": 7, "process": {
            "7": {"release_pod": ["mill-v2-a"], "delete_pod": ["mill-v1-b"]}, "9": {"release_pod": ["mill-v2-c"]}}}}});
        let found = releases(&plan, &["mill", "till"]);
        assert_eq!((found.len(), found[0].at_ms, found[0].members.len()), (1, 7000, 2));
        assert!(!serde_json::to_string(&found).unwrap().contains("\"x\""));
    }

    #[test]
    fn addresses_of_machines_are_no_components() {
        let table = b"Source,Target,Weight\ntill,mill,1\nmill,10.0.0.7,1\n";
        assert_eq!(calls(table, &[]).unwrap(), [(service("till"), service("mill"))]);
    }
}
