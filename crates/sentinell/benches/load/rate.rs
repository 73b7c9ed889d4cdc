//! Requests at a fixed rate, whatever the server does with them; and one request again and again.

use super::http::{Connection, log_signal};
use super::{Args, Outcome, quantile};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// What one connection saw.
#[derive(Default)]
struct Seen {
    millis: Vec<f64>,
    statuses: BTreeMap<u16, u64>,
    without_retry_after: u64,
    broken: u64,
    latest_send: f64,
}

/// Signals due every `1/rate` s, spread over `connections`.
pub async fn rate(args: &Args) -> Outcome<Value> {
    let (address, rate): (String, f64) = (args.get("addr", String::new())?, args.get("rate", 2000.0)?);
    let (seconds, connections): (f64, usize) = (args.get("seconds", 10.0)?, args.get("connections", 64)?);
    let open = args.get("open", false)?;
    let total = (rate * seconds) as usize;
    let opened = opened(&address, connections).await?;
    let began = Instant::now() + Duration::from_millis(200);
    let workers = opened.into_iter().enumerate().map(|(first, mut connection)| {
        let address = address.clone();
        tokio::spawn(async move {
            let mut seen = Seen::default();
            for n in (first..total).step_by(connections) {
                let due = began + Duration::from_secs_f64(n as f64 / rate);
                tokio::time::sleep_until(due).await;
                // What is still unsent when the time is over was never offered.
                if began.elapsed().as_secs_f64() > seconds {
                    break;
                }
                seen.one(&mut connection, &log_signal(&address, n, open), due).await;
            }
            seen
        })
    });
    let mut all = Seen::default();
    for worker in workers.collect::<Vec<_>>() {
        let seen = worker.await?;
        all.millis.extend(seen.millis);
        seen.statuses.into_iter().for_each(|(status, count)| *all.statuses.entry(status).or_default() += count);
        all.without_retry_after += seen.without_retry_after;
        all.broken += seen.broken;
        all.latest_send = all.latest_send.max(seen.latest_send);
    }
    all.millis.sort_by(f64::total_cmp);
    let statuses: BTreeMap<String, u64> = all.statuses.iter().map(|(code, count)| (code.to_string(), *count)).collect();
    Ok(json!({
        "offered": total, "answered": all.millis.len(), "seconds": began.elapsed().as_secs_f64(),
        "statuses": statuses, "refused_without_retry_after": all.without_retry_after, "broken": all.broken,
        "p50_ms": quantile(&all.millis, 50.0), "p99_ms": quantile(&all.millis, 99.0),
        "p999_ms": quantile(&all.millis, 99.9), "max_ms": quantile(&all.millis, 100.0),
        "latest_send_ms": all.latest_send,
    }))
}

/// Connections that are open before the first request is due: thousands at once would overrun what the kernel lets wait at
/// a listening socket, and then its retransmissions would be measured. Each asks one small thing, so that it was accepted.
async fn opened(address: &str, connections: usize) -> Outcome<Vec<Connection>> {
    let open = |_| async {
        let mut connection = Connection::to(address);
        let hello = format!("GET /api/health HTTP/1.1\r\nHost: {address}\r\n\r\n");
        connection.send(hello.as_bytes()).await?;
        Ok(connection)
    };
    futures::stream::iter(0..connections).map(open).buffer_unordered(100).try_collect().await
}

impl Seen {
    async fn one(&mut self, connection: &mut Connection, request: &[u8], due: Instant) {
        self.latest_send = self.latest_send.max(due.elapsed().as_secs_f64() * 1000.0);
        match connection.send(request).await {
            Ok(answer) => {
                self.millis.push(due.elapsed().as_secs_f64() * 1000.0);
                *self.statuses.entry(answer.status).or_default() += 1;
                let refused = matches!(answer.status, 429 | 503);
                self.without_retry_after += u64::from(refused && !answer.retry_after);
            }
            Err(_) => self.broken += 1,
        }
    }
}

/// One GET after another on one connection.
pub async fn get(args: &Args) -> Outcome<Value> {
    let (address, path): (String, String) = (args.get("addr", String::new())?, args.get("path", "/".to_owned())?);
    let times: usize = args.get("times", 200)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: application/json\r\n\r\n");
    let mut connection = Connection::to(&address);
    let (mut millis, mut bytes) = (Vec::with_capacity(times), 0);
    for _ in 0..times + 20 {
        let began = Instant::now();
        let answer = connection.send(request.as_bytes()).await?;
        if answer.status != 200 {
            return Err(format!("{path} answered {}", answer.status).into());
        }
        bytes = answer.bytes;
        millis.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    // The first few warm the caches.
    let mut millis = millis.split_off(20);
    millis.sort_by(f64::total_cmp);
    Ok(json!({
        "times": times, "bytes": bytes, "p50_ms": quantile(&millis, 50.0), "p99_ms": quantile(&millis, 99.0),
    }))
}
