//! The hot paths one by one: redacting, taking a log message in, folding a journal, writing and listing.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sentinell::intake::{Receipt, logs};
use sentinell::store::{Accept, Filter, Options, Store};
use sentinell_core::ids::{IncidentId, SignalId};
use sentinell_core::investigation::{Entry, Investigation};
use sentinell_core::policy::Budget;
use sentinell_core::redact::redact;
use sentinell_core::time::Timestamp;
use serde_json::json;
use std::hint::black_box;

const LINES: [&str; 4] = [
    r#"{"ts":"2026-03-04T05:06:07.123Z","level":"info","msg":"order 4711 paid by customer 17 in 31ms","trace_id":"9e3779b97f4a7c15bf58476d1ce4e5b9","status":200}"#,
    "2026-03-04 05:06:07,123 WARN [pool-3] com.example.Lease: renewing lease 17 of /var/data/501 for 10.0.0.7 took 2900 ms",
    "GET https://kiosk.example/api/v1/items?session=none HTTP/1.1 200 12ms",
    "connecting to postgres://kiosk:q8Zp2LmT0x@db.example:5432/kiosk failed",
];

fn text(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("redact");
    for (name, line) in ["json", "plain", "keyword without a secret", "secret"].into_iter().zip(LINES) {
        group.throughput(Throughput::Bytes(line.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| redact(black_box(line))));
    }
    group.finish();
}

fn message(n: usize) -> logs::LogMessage {
    logs::LogMessage {
        message: format!("payment {n} of customer 17 timed out after 31 ms at 10.1.2.3:5432"),
        repo_id: None,
        source_id: None,
        level: Some("error".into()),
        occurred_at: None,
        metadata: json!({ "service": format!("checkout-{n}"), "namespace": "shop" }),
    }
}

fn receipt(n: usize) -> Receipt {
    Receipt { id: SignalId(format!("sig_{n}")), at: Timestamp(1_772_600_000_000 + n as i64), delivery_id: None }
}

fn intake(criterion: &mut Criterion) {
    criterion.bench_function("a log message to a signal", |bencher| {
        bencher.iter(|| logs::incoming(black_box(message(1)), receipt(1)));
    });
}

fn journal() -> Vec<Entry> {
    let lines = include_str!("../tests/journals/0.1.0-bad_deploy.jsonl");
    lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn folding(criterion: &mut Criterion) {
    let entries = journal();
    assert!(!entries.is_empty(), "the golden journal cannot be read");
    let mut group = criterion.benchmark_group("journal");
    group.throughput(Throughput::Elements(entries.len() as u64));
    group.bench_function("fold", |bencher| bencher.iter(|| Investigation::replay(black_box(&entries))));
    let stored: Vec<String> = entries.iter().filter_map(|entry| serde_json::to_string(entry).ok()).collect();
    group.bench_function("read and fold", |bencher| {
        bencher.iter(|| {
            let entries: Vec<Entry> = stored.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
            Investigation::replay(&entries)
        });
    });
    group.finish();
}

fn accept(n: usize) -> Accept {
    let incoming = logs::incoming(message(n), receipt(n));
    Accept {
        signal: incoming.signal,
        fingerprint: incoming.fingerprint,
        raw_sha256: [7; 32],
        budget: Budget::default(),
        new_incident: IncidentId(format!("inc_{n:06}")),
    }
}

fn store(criterion: &mut Criterion) {
    const STORED: usize = 5_000;
    let folder = tempfile::tempdir().expect("a scratch folder");
    let url = format!("sqlite://{}", folder.path().join("bench.db").display());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let store = runtime.block_on(Store::open(&url, Options::default())).expect("a store");
    runtime.block_on(async {
        let taken = (0..STORED).map(|n| store.accept(accept(n)));
        futures::future::try_join_all(taken).await.expect("every signal is taken in");
    });
    criterion.bench_function("the first page of a list", |bencher| {
        bencher.iter(|| runtime.block_on(store.incidents(Filter::default(), None, 500)));
    });
    criterion.bench_function("64 signals that repeat, in one go", |bencher| {
        bencher.iter(|| {
            let taken = (0..64).map(|n| {
                let mut accept = accept(7);
                accept.signal.id = SignalId(format!("sig_{n}_{}", uuid::Uuid::now_v7()));
                store.accept(accept)
            });
            runtime.block_on(futures::future::try_join_all(taken.collect::<Vec<_>>()))
        });
    });
    runtime.block_on(store.close());
}

criterion_group!(benches, text, intake, folding, store);
criterion_main!(benches);
