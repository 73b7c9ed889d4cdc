//! Lines per second through template mining, on one core, as one line of JSON.
//!
//! `cargo run --release -p sentinell-evidence --example mine -- FILE [ROUNDS]`: every round is a miner of its own.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program that reads a file and tells the time it took"
)]

use sentinell_evidence::logs::Miner;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let text = String::from_utf8_lossy(&std::fs::read(arguments.next().ok_or("which file?")?)?).into_owned();
    let rounds: usize = arguments.next().map_or(Ok(5), |rounds| rounds.parse())?;
    let lines: Vec<&str> = text.lines().collect();
    let mut rates = Vec::new();
    let mut templates = 0;
    for _ in 0..rounds {
        let (began, mut miner) = (Instant::now(), Miner::of_stream(lines.iter().copied()));
        for line in &lines {
            miner.push(line);
        }
        rates.push(lines.len() as f64 / began.elapsed().as_secs_f64());
        templates = miner.templates().len();
    }
    rates.sort_by(f64::total_cmp);
    let (middle, best) = (rates.get(rounds / 2).copied().unwrap_or(0.0), rates.last().copied().unwrap_or(0.0));
    let bytes = text.len() as f64 / lines.len().max(1) as f64;
    println!(
        r#"{{"lines":{},"bytes_a_line":{bytes:.0},"lines_per_second":{middle:.0},"best":{best:.0},"templates":{templates}}}"#,
        lines.len()
    );
    Ok(())
}
