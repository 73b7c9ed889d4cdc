//! Many readers of the stream, and how late each of them hears of an event.

use super::http::{Connection, log_signal};
use super::{Args, Outcome, quantile};
use futures::StreamExt;
use sentinell_core::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

#[derive(Deserialize)]
struct Frame {
    position: Option<u64>,
    at: Option<Timestamp>,
}

/// What one reader got.
#[derive(Default)]
struct Heard {
    millis: Vec<f64>,
    gaps: u64,
    lagged: u64,
}

/// `readers` follow everything while `rate` incidents a second open for `seconds`.
pub async fn sockets(args: &Args) -> Outcome<Value> {
    let (address, readers): (String, usize) = (args.get("addr", String::new())?, args.get("readers", 1000)?);
    let (rate, seconds): (f64, f64) = (args.get("rate", 20.0)?, args.get("seconds", 10.0)?);
    let (over, stop) = watch::channel(false);
    let mut following = Vec::with_capacity(readers);
    for _ in 0..readers {
        let (socket, _) = tokio_tungstenite::connect_async(format!("ws://{address}/stream")).await?;
        following.push(tokio::spawn(follow(socket, stop.clone())));
    }
    let connected = Instant::now();
    let mut poster = Connection::to(&address);
    let total = (rate * seconds) as usize;
    for n in 0..total {
        tokio::time::sleep_until(connected + Duration::from_secs_f64(n as f64 / rate)).await;
        let answer = poster.send(&log_signal(&address, n, true)).await?;
        if answer.status != 202 {
            return Err(format!("a signal was answered {}", answer.status).into());
        }
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    over.send(true)?;
    let mut all = Heard::default();
    for reader in following {
        let heard = reader.await?;
        all.millis.extend(heard.millis);
        all.gaps += heard.gaps;
        all.lagged += heard.lagged;
    }
    all.millis.sort_by(f64::total_cmp);
    Ok(json!({
        "readers": readers, "events": total, "frames": all.millis.len(), "gaps": all.gaps, "lagged": all.lagged,
        "p50_ms": quantile(&all.millis, 50.0), "p99_ms": quantile(&all.millis, 99.0),
        "max_ms": quantile(&all.millis, 100.0),
    }))
}

async fn follow<S>(mut socket: S, mut stop: watch::Receiver<bool>) -> Heard
where
    S: StreamExt<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin,
{
    let (mut heard, mut last) = (Heard::default(), None);
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            _ = stop.changed() => return heard,
        };
        let Some(Ok(Message::Text(text))) = message else {
            match message {
                Some(Ok(_)) => continue,
                _ => return heard,
            }
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let Ok(Frame { position: Some(position), at: Some(at) }) = serde_json::from_str(text.as_str()) else {
            heard.lagged += 1;
            continue;
        };
        heard.millis.push(now.as_secs_f64() * 1000.0 - at.0 as f64);
        heard.gaps += u64::from(last.is_some_and(|last| position != last + 1));
        last = Some(position);
    }
}
