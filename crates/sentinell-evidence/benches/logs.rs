//! Lines per second through masking and mining: JSON lines of about 560 bytes, and plain ones of about 110.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sentinell_evidence::logs::Miner;

/// Ten kinds of event, values that never repeat.
fn json_line(n: u64) -> String {
    let events = ["paid", "packed", "shipped", "refunded", "queued", "priced", "listed", "viewed", "rated", "closed"];
    let event = events[(n % 10) as usize];
    let (a, b) = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15), n.wrapping_mul(0xbf58_476d_1ce4_e5b9));
    format!(
        r#"{{"ts":"2026-03-04T05:06:{:02}.{:03}Z","level":"info","logger":"com.example.kiosk.orders.{event}","thread":"worker-{}","trace_id":"{a:016x}{b:016x}","span_id":"{b:016x}","msg":"order {n} {event} by customer {} in {}ms","http":{{"method":"POST","path":"/api/v1/orders/{n}/items","status":200,"bytes":{},"remote":"10.1.{}.{}:4{:04}","user_agent":"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Example/{}.0"}},"kubernetes":{{"namespace":"market","pod":"kiosk-6f9c7d8b4-x2b4z","node":"worker-node-{}","container":"kiosk"}},"duration":"{}ms"}}"#,
        n % 60,
        n % 1000,
        n % 16,
        a % 100_000,
        n % 250,
        b % 10_000,
        n % 256,
        a % 256,
        n % 10_000,
        n % 120,
        n % 9,
        n % 977,
    )
}

fn plain_line(n: u64) -> String {
    let verb = ["opened", "closed", "renewed", "checked"][(n % 4) as usize];
    format!(
        "2026-03-04 05:06:{:02},{:03} INFO [pool-{}] com.example.Lease: {verb} lease {n} of /var/data/{} for 10.0.0.{}",
        n % 60,
        n % 1000,
        n % 8,
        n % 501,
        n % 255,
    )
}

fn mining(criterion: &mut Criterion) {
    const LINES: u64 = 20_000;
    let mut group = criterion.benchmark_group("mining");
    group.sample_size(20);
    for (name, make) in [("json", json_line as fn(u64) -> String), ("plain", plain_line)] {
        let lines: Vec<String> = (0..LINES).map(make).collect();
        let bytes = lines.iter().map(String::len).sum::<usize>() as u64 / LINES;
        group.throughput(Throughput::Elements(LINES));
        group.bench_function(format!("{name}, {bytes} bytes a line"), |bencher| {
            bencher.iter_batched_ref(
                || Miner::of_stream(lines.iter().map(String::as_str)),
                |miner| lines.iter().map(|line| u64::from(miner.push(line).0)).sum::<u64>(),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, mining);
criterion_main!(benches);
