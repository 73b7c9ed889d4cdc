//! Load for a running server, and loops in this process: what `scripts/bench/run` measures with.
//!
//! Each word prints one line of JSON. Latencies at a fixed rate count from the moment a request was due, whether or not a
//! connection was free for it then, so that a server that stalls cannot hide it by slowing the generator down.

#[path = "load/collected.rs"]
mod collected;
#[path = "load/http.rs"]
mod http;
#[path = "load/lines.rs"]
mod lines;
#[path = "load/loops.rs"]
mod loops;
#[path = "load/mind.rs"]
mod mind;
#[path = "load/rate.rs"]
mod rate;
#[path = "load/search.rs"]
mod search;
#[path = "load/sockets.rs"]
mod sockets;
#[path = "load/streams.rs"]
mod streams;

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::str::FromStr;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// `--name value` pairs.
struct Args(BTreeMap<String, String>);

impl Args {
    fn read(words: impl Iterator<Item = String>) -> (Option<String>, Self) {
        let mut words = words.filter(|word| word != "--bench");
        let command = words.next();
        let mut pairs = BTreeMap::new();
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            pairs.insert(name.trim_start_matches("--").to_owned(), value);
        }
        (command, Self(pairs))
    }

    /// The value of `name`, or `default` where it is not given.
    fn get<T: FromStr>(&self, name: &str, default: T) -> Outcome<T> {
        match self.0.get(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| format!("--{name}: cannot read `{text}`").into()),
        }
    }
}

/// The value below which `percent` of the sorted ones lie.
fn quantile(sorted: &[f64], percent: f64) -> f64 {
    let rank = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

fn run(command: &str, args: &Args) -> Outcome<serde_json::Value> {
    let threads = args.get("threads", 1)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    runtime.block_on(async {
        match command {
            "rate" => rate::rate(args).await,
            "get" => rate::get(args).await,
            "sockets" => sockets::sockets(args).await,
            "streams" => streams::streams(args).await,
            "loops" => loops::loops(args).await,
            "lines" => lines::lines(args).await,
            "collected" => collected::collected(args).await,
            "search" => search::search(args).await,
            "alike" => search::alike(args).await,
            other => {
                let words = "rate, get, sockets, streams, loops, lines, collected, search, alike";
                Err(format!("no load called {other}; there are {words}").into())
            }
        }
    })
}

#[expect(clippy::print_stdout, reason = "a measurement is printed")]
fn main() -> ExitCode {
    let (command, args) = Args::read(std::env::args().skip(1));
    let Some(command) = command else {
        println!("the load of scripts/bench/run, which calls it with a word; see `make bench`");
        return ExitCode::SUCCESS;
    };
    match run(&command, &args) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
