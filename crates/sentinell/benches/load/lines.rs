//! Log lines through redaction, masking and template mining, as an investigation reads them, on one core.

use super::loops::processor_seconds;
use super::{Args, Outcome};
use sentinell_core::redact::redact;
use sentinell_evidence::logs::Miner;
use serde_json::{Value, json};
use std::time::Instant;

/// Every line of `file`, `rounds` times into a miner of its own; the median round counts.
pub async fn lines(args: &Args) -> Outcome<Value> {
    let text = std::fs::read_to_string(args.get("file", String::new())?)?;
    let lines: Vec<&str> = text.lines().collect();
    let mut rates = Vec::new();
    let (mut templates, mut masked) = (0, 0);
    let used = processor_seconds();
    let rounds = args.get("rounds", 3)?;
    for _ in 0..rounds {
        let (began, mut miner) = (Instant::now(), Miner::of_stream(lines.iter().copied()));
        masked = 0;
        for line in &lines {
            let clean = redact(line);
            masked += usize::from(clean.len() != line.len());
            miner.push(&clean);
        }
        rates.push(lines.len() as f64 / began.elapsed().as_secs_f64());
        templates = miner.templates().len();
    }
    let used = processor_seconds() - used;
    rates.sort_by(f64::total_cmp);
    let each = lines.len() as f64 * f64::from(rounds);
    Ok(json!({
        "lines": lines.len(), "bytes_a_line": text.len() as f64 / lines.len() as f64, "templates": templates,
        "redacted_lines": masked, "lines_per_second": rates[rates.len() / 2],
        "lines_per_processor_second": each / used.max(1e-9),
    }))
}
