//! The same files with a given baseline: the first half is known to be good, the second half is looked at.
//!
//! What is injected has the sizes of the acceptance without a baseline. It begins with the second half (so that the
//! baseline is the only quiet stretch there is) or in its middle (so that the lines looked at are half quiet). The
//! first is the harder one: half a file tells little of how much it drifts by itself, and some of these files change
//! more by themselves at their middle than what is injected there.

use super::files::{File, files};
use super::plant::{Dice, Plan};
use super::{ACCEPTED, compared, names};
use sentinell_evidence::case::Diagnosis;

/// Which share of a file is its baseline.
const BASELINE: f64 = 0.5;

/// Where what is injected begins.
const BEGINNINGS: [f64; 2] = [0.5, 0.75];

/// Of 120 for each beginning: fewer found means the engine became worse.
const FEWEST_FOUND: [usize; 2] = [96, 118];

fn of_two_parts(lines: &[String], split: usize) -> Diagnosis {
    compared(&lines[split..], &lines[..split])
}

fn found_first(file: &File, plan: Plan, seed: u64) -> bool {
    let injected = plan.inject(file, &mut Dice(seed), seed);
    let split = (injected.start as f64 * BASELINE / plan.begins) as usize;
    names(&of_two_parts(&injected.lines, split), &injected)
}

fn untouched(file: &File, share: f64) -> Diagnosis {
    of_two_parts(&file.lines, (file.lines.len() as f64 * share) as usize)
}

#[test]
fn with_a_baseline_what_was_injected_comes_first() {
    let Some(files) = files() else { return };
    for (begins, bar) in BEGINNINGS.into_iter().zip(FEWEST_FOUND) {
        let mut missed = Vec::new();
        for file in &files {
            for plan in ACCEPTED.map(|plan| Plan { begins, ..plan }) {
                let seeds = (0..5).filter(|seed| !found_first(file, plan, *seed));
                missed.extend(seeds.map(|seed| format!("{} {:?} seed {seed}", file.name, plan.shape)));
            }
        }
        let tried = files.len() * ACCEPTED.len() * 5;
        assert!(tried - missed.len() >= bar, "from {begins}: {} of {tried} missed: {missed:#?}", missed.len());
    }
}

#[test]
fn nothing_is_claimed_about_an_untouched_half_compared_with_the_other() {
    let Some(files) = files() else { return };
    for file in &files {
        let diagnosis = untouched(file, BASELINE);
        assert!(diagnosis.ranking.hypotheses.is_empty(), "{}: {:?}", file.name, diagnosis.findings);
    }
}

#[test]
#[ignore = "reports how often a given baseline leads to the right answer and judges nothing"]
fn rates_with_a_baseline() {
    const SEEDS: u64 = 20;
    let Some(files) = files() else { return };
    for begins in BEGINNINGS {
        for plan in ACCEPTED.map(|plan| Plan { begins, ..plan }) {
            let hits = |file: &File| (100..100 + SEEDS).filter(|seed| found_first(file, plan, *seed)).count();
            let per_file: Vec<usize> = files.iter().map(hits).collect();
            let all = per_file.iter().sum::<usize>();
            println!("{:14} from {begins:<4} {all:>4}  {per_file:?} of {SEEDS}", format!("{:?}", plan.shape));
        }
    }
    for share in [0.3, 0.4, 0.5, 0.6, 0.7, 0.8] {
        let claims: Vec<Diagnosis> = files.iter().map(|file| untouched(file, share)).collect();
        let counts: Vec<usize> = claims.iter().map(|diagnosis| diagnosis.ranking.hypotheses.len()).collect();
        println!("untouched, baseline {share}: hypotheses per file {counts:?}");
        for (file, diagnosis) in files.iter().zip(claims) {
            for finding in diagnosis.findings.iter().take(2) {
                println!("  {} {:.2} {:.90}", file.name, finding.strength, finding.summary);
            }
        }
    }
}
