//! The predictions and figures as JSON. Two runs differ in the timing fields only.

use crate::EvalArgs;
use crate::calibration::calibration;
use crate::grade::Outcome;
use crate::suite::Prediction;
use crate::table::{accuracy, groups};
use serde_json::{Map, Value, json};

/// `{"suite", "version", "n", "metrics", "cases"}`, as `docs/evaluation.md` describes it.
pub(crate) fn report(args: &EvalArgs, outcomes: &[Outcome]) -> Value {
    let mut metrics = Map::new();
    if outcomes.iter().all(|outcome| outcome.truth.is_some()) {
        for (at, mark) in args.marks().iter().enumerate() {
            let after = if at == 0 { String::new() } else { format!(" {}", mark.what) };
            let average = (1..=5).map(|k| accuracy(outcomes.iter(), at, k)).sum::<f64>() / 5.0;
            metrics.insert(format!("AC@1{after}"), json!(round(accuracy(outcomes.iter(), at, 1))));
            metrics.insert(format!("AC@3{after}"), json!(round(accuracy(outcomes.iter(), at, 3))));
            metrics.insert(format!("Avg@5{after}"), json!(round(average)));
        }
        for group in groups(outcomes) {
            let own = outcomes.iter().filter(|outcome| outcome.groups.contains(&group));
            metrics.insert(format!("AC@1 {group}"), json!(round(accuracy(own.clone(), 0, 1))));
            metrics.insert(format!("AC@3 {group}"), json!(round(accuracy(own, 0, 3))));
        }
        let kept = calibration(outcomes.iter());
        metrics.insert("ECE".into(), json!(round(kept.error)));
        metrics.insert("confident and wrong".into(), json!(round(kept.confident_and_wrong)));
    }
    let cases: Vec<Value> = outcomes.iter().map(case).collect();
    let (suite, version) = (args.suite.word(), env!("CARGO_PKG_VERSION"));
    json!({ "suite": suite, "version": version, "n": outcomes.len(), "metrics": metrics, "cases": cases })
}

fn case(outcome: &Outcome) -> Value {
    let predictions: Vec<Value> = outcome.predictions.iter().map(prediction).collect();
    let mut value = json!({ "id": outcome.id, "predictions": predictions, "cpu_ms": round(outcome.cpu_ms) });
    if let Some(rank) = outcome.ranks.first().copied().flatten() {
        value["rank"] = json!(rank);
    }
    value
}

fn prediction(p: &Prediction) -> Value {
    let mut value = json!({ "entity": p.entity, "confidence": round(p.confidence), "evidence": p.evidence });
    for (name, text) in [("cause", &p.cause), ("metric", &p.metric)] {
        if let Some(text) = text {
            value[name] = json!(text);
        }
    }
    value
}

fn round(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}
