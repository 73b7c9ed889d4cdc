//! Lines per second and memory over very many lines, on one core: a line of JSON at 1, 10, 30 and 100 million lines.
//!
//! `cargo run --release -p sentinell-evidence --example stream -- MILLIONS [FILE]`: the file's lines again and again, or
//! generated ones of which one in a hundred is of a kind never seen. Every line goes through one miner, the way a stream
//! of an incident does.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program that reads a file and tells the time and the memory it took"
)]

use sentinell_evidence::logs::Miner;
use std::time::Instant;

/// A line that was never there before in some part; one in a hundred has only unknown words.
fn generated(n: u64, out: &mut String) {
    use std::fmt::Write;
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    out.clear();
    let letters = |out: &mut String, mut from: u64| {
        for _ in 0..8 {
            out.push(char::from(b'g' + (from % 19) as u8));
            from /= 19;
        }
    };
    if n % 100 == 99 {
        for at in 0..10 {
            letters(out, mixed.rotate_left(at * 6));
            out.push(' ');
        }
        return;
    }
    let verb = ["paid", "packed", "shipped", "refunded", "queued", "priced", "listed"][(n % 7) as usize];
    let _ = write!(
        out,
        r#"{{"ts":"2026-03-04T05:06:07.{:03}Z","level":"info","logger":"town.kiosk.{verb}","trace":"{mixed:016x}","msg":"order {n} {verb} by customer {} in {}ms from 10.0.{}.{}"}}"#,
        n % 1000,
        mixed % 100_000,
        n % 250,
        n % 256,
        mixed % 256,
    );
}

/// The most memory the process ever had, in MiB.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let millions: u64 = arguments.next().ok_or("how many million lines?")?.parse()?;
    let text = arguments.next().map(std::fs::read).transpose()?.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let before = peak_mib();
    let mut miner = Miner::of_stream(lines.iter().copied());
    let mut made = String::new();
    let began = Instant::now();
    for n in 0..millions * 1_000_000 {
        if lines.is_empty() {
            generated(n, &mut made);
            miner.push(&made);
        } else {
            miner.push(lines[(n % lines.len() as u64) as usize]);
        }
        let done = (n + 1) / 1_000_000;
        if (n + 1).is_multiple_of(1_000_000) && (matches!(done, 1 | 10 | 30 | 100) || done == millions) {
            let rate = (n + 1) as f64 / began.elapsed().as_secs_f64();
            println!(
                r#"{{"million_lines":{done},"lines_per_second":{rate:.0},"peak_mib":{:.1},"of_it_before":{before:.1},"templates":{}}}"#,
                peak_mib(),
                miner.templates().len()
            );
        }
    }
    Ok(())
}
