//! Whole investigations, as many as the machine takes: signal, two turns, two reads, a conclusion, every step journaled.

use super::mind::worker;
use super::{Args, Outcome};
use sentinell::store::{Accept, Options, Store};
use sentinell_core::alert::fingerprint;
use sentinell_core::ids::IncidentId;
use sentinell_core::policy::Budget;
use sentinell_core::ports::Clock;
use sentinell_core::signal::{Severity, Signal, SignalState, SignalType};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// `loops` incidents open, `callers` at a time, and are worked on by `workers` with connections of their own, each
/// `concurrency` side by side, until all have ended. `first` numbers them, for a database that has some already.
pub async fn loops(args: &Args) -> Outcome<Value> {
    let (database, total): (String, usize) = (args.get("db", String::new())?, args.get("loops", 20_000)?);
    let (callers, concurrency): (usize, usize) = (args.get("callers", 64)?, args.get("concurrency", 256)?);
    let thinks = Duration::from_millis(args.get("thinks", 0)?);
    let store = Store::open(&database, Options::default()).await?;
    let (workers, first): (usize, usize) = (args.get("workers", 1)?, args.get("first", 0)?);
    let before = escalated(&store).await?;
    let stop = CancellationToken::new();
    let (mut stores, mut working) = (vec![store.clone()], vec![]);
    for n in 0..workers {
        if n > 0 {
            stores.push(Store::open(&database, Options::default()).await?);
        }
        let worker = worker(&stores[n], &format!("bench-{first}-{n}"), 2, thinks, concurrency);
        working.push(tokio::spawn(worker.run(stop.clone())));
    }
    let (begun, used) = (Instant::now(), processor_seconds());
    let next = Arc::new(AtomicUsize::new(first));
    let opening = (0..callers).map(|_| {
        let (store, next) = (store.clone(), next.clone());
        tokio::spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= first + total {
                    return Ok(());
                }
                store.accept(signal(n)).await?;
            }
        })
    });
    for caller in opening.collect::<Vec<_>>() {
        caller.await?.map_err(|error: sentinell::store::StoreError| error)?;
    }
    ended(&store, before + total as u64).await?;
    let (seconds, used) = (begun.elapsed().as_secs_f64(), processor_seconds() - used);
    let counters = store.counters(sentinell::clock::SystemClock.now()).await?;
    stop.cancel();
    for working in working {
        working.await?;
    }
    for store in stores {
        store.close().await;
    }
    Ok(json!({
        "loops": total, "seconds": seconds, "per_second": total as f64 / seconds,
        "entries_each": counters.entries_total as f64 / (before as f64 + total as f64),
        "processor_us_each": used * 1e6 / total as f64,
        "commands_a_commit": counters.commands as f64 / counters.commits as f64,
    }))
}

/// Waits until so many have come to their end.
async fn ended(store: &Store, all: u64) -> Outcome<()> {
    let deadline = Instant::now() + Duration::from_secs(300);
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let late = Instant::now() > deadline;
        // Counting goes over all incidents: while some are due, it would be a part of what is measured.
        if !late && store.next_due().await?.is_some() {
            continue;
        }
        let ended = escalated(store).await?;
        if ended == all {
            return Ok(());
        }
        if late {
            return Err(format!("of {all}, only {ended} came to their end").into());
        }
    }
}

async fn escalated(store: &Store) -> Outcome<u64> {
    let counters = store.counters(sentinell::clock::SystemClock.now()).await?;
    Ok(counters.incidents_by_phase.get("escalated").copied().unwrap_or_default())
}

fn signal(n: usize) -> Accept {
    let now = sentinell::clock::SystemClock.now();
    let service = format!("service-{n}");
    let signal = Signal {
        id: format!("sig_{n}").as_str().into(),
        signal_type: SignalType::Log,
        source: "logs".into(),
        delivery_id: None,
        state: SignalState::Firing,
        severity: Severity::High,
        title: format!("payment {n} timed out"),
        text: format!("payment {n} of a customer timed out after 31 ms"),
        labels: BTreeMap::from([("service".to_owned(), service.clone())]),
        repo_id: None,
        source_ref: None,
        occurred_at: now,
        received_at: now,
        tags: vec![],
        metadata: json!({}),
    };
    Accept {
        signal,
        fingerprint: fingerprint([service.as_str()]),
        raw_sha256: [7; 32],
        budget: Budget::default(),
        new_incident: IncidentId(format!("inc_{n}")),
    }
}

/// User and system time of this process so far; 0 where there is no `/proc`.
pub fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.rsplit(')').next().unwrap_or_default().split(' ').skip(12).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
