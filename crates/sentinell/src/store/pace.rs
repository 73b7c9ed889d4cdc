//! How fast signals are taken in: `cargo test --release -p sentinell --lib pace -- --ignored --nocapture`.

use super::tests::{House, firing};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const CALLERS: usize = 512;

/// Accepts `total` signals from many callers at once; `rule` names the alert of the nth. Answers signals per second, and
/// processor microseconds per signal: the second figure means something on a busy machine too.
async fn pace(house: &House, total: usize, rule: fn(usize) -> String, deliveries: bool) -> String {
    let next = Arc::new(AtomicUsize::new(0));
    let (begun, used) = (Instant::now(), processor_micros());
    let callers = (0..CALLERS).map(|_| {
        let (store, next) = (house.store.clone(), next.clone());
        tokio::spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= total {
                    break;
                }
                let mut accept = firing(&rule(n), n, 1000);
                accept.signal.delivery_id = deliveries.then(|| format!("{}-{n}", rule(n)));
                store.accept(accept).await.unwrap();
            }
        })
    });
    for caller in futures::future::join_all(callers).await {
        caller.unwrap();
    }
    let (each, used) = (total as f64, processor_micros() - used);
    format!("{:.0}/s, {:.0} processor us each", each / begun.elapsed().as_secs_f64(), used / each)
}

/// User and system time of this process so far; 0 where there is no `/proc`.
fn processor_micros() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.rsplit(')').next().unwrap_or_default().split(' ').skip(12).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() * 10_000.0
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, not a check"]
async fn pace_of_taking_signals_in() {
    let house = House::new().await;
    println!("opening: {}", pace(&house, 20_000, |n| format!("opens-{n}"), false).await);
    println!("opening, with delivery ids: {}", pace(&house, 20_000, |n| format!("known-{n}"), true).await);
    println!("repeating one alert: {}", pace(&house, 40_000, |_| "storm".into(), false).await);
    println!("repeating, with delivery ids: {}", pace(&house, 40_000, |n| format!("few-{}", n % 50), true).await);
    let counters = house.store.counters(super::Timestamp(2000)).await.unwrap();
    println!("{:.1} commands a commit", counters.commands as f64 / counters.commits as f64);
}
