//! `sentinell eval` alone, for whoever works on the engine: it builds in seconds.
//!
//! `cargo run -p sentinell-eval --example eval -- cloudopsbench --data DIR --cases DIR/cases.jsonl --misses`

use clap::Parser;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    eval: sentinell_eval::EvalArgs,
}

fn main() -> anyhow::Result<()> {
    sentinell_eval::run(&Arguments::parse().eval)
}
