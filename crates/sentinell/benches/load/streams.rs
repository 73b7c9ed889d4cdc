//! The first version's main use: a client connects, sends a text, and reads the frames of its investigation to the end.

use super::mind::worker;
use super::{Args, Outcome, quantile};
use futures::{SinkExt, StreamExt};
use sentinell::api::{self, ApiConfig, AppState, CheckError, CheckOutcome, RepoChecks};
use sentinell::store::{Options, Store};
use sentinell_core::ports::BoxFuture;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

struct NoChecks;

impl RepoChecks for NoChecks {
    fn run<'a>(&'a self, name: &'a str, _: &'a str) -> BoxFuture<'a, Result<CheckOutcome, CheckError>> {
        Box::pin(async move { Err(CheckError::NotConfigured(name.to_owned())) })
    }
}

/// `streams` clients at once, each of whose investigations takes two turns of `thinks` ms; once to warm, then measured.
pub async fn streams(args: &Args) -> Outcome<Value> {
    let (database, streams): (String, usize) = (args.get("db", String::new())?, args.get("streams", 100)?);
    let thinks = Duration::from_millis(args.get("thinks", 200)?);
    let concurrency: usize = args.get("concurrency", 128)?;
    let store = Store::open(&database, Options::default()).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (_stopping, stopped) = tokio::sync::watch::channel(false);
    let clock = Arc::new(sentinell::clock::SystemClock);
    let app = AppState::new(store.clone(), clock, ApiConfig::on(address), Arc::new(NoChecks), stopped);
    let serving = tokio::spawn(async move { axum::serve(listener, api::router(app)).await });
    let stop = CancellationToken::new();
    let working = tokio::spawn(worker(&store, "bench", 1, thinks, concurrency).run(stop.clone()));
    let url = format!("ws://{address}/stream?format=nodes");
    let mut seconds = Vec::new();
    let (mut frames, mut slowest_first) = (0, 0.0_f64);
    for round in 0..=args.get("rounds", 5)? {
        let began = Instant::now();
        let clients: Vec<_> = (0..streams).map(|n| tokio::spawn(client(url.clone(), n, began))).collect();
        for client in clients {
            let (count, first) = client.await??;
            (frames, slowest_first) = (frames + count, slowest_first.max(first));
        }
        if round > 0 {
            seconds.push(began.elapsed().as_secs_f64());
        }
    }
    stop.cancel();
    working.await?;
    serving.abort();
    store.close().await;
    seconds.sort_by(f64::total_cmp);
    Ok(json!({
        "streams": streams, "thinks_ms": thinks.as_millis() as u64, "seconds": quantile(&seconds, 50.0),
        "best": quantile(&seconds, 0.0), "worst": quantile(&seconds, 100.0), "frames": frames,
        "slowest_first_frame_s": slowest_first,
    }))
}

async fn client(url: String, n: usize, began: Instant) -> Outcome<(usize, f64)> {
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await?;
    let logs = json!({ "logs": format!("payment {n} timed out after 31 ms") }).to_string();
    socket.send(Message::Text(logs.into())).await?;
    let (mut frames, mut first) = (0, 0.0);
    loop {
        let message = timeout(Duration::from_secs(60), socket.next()).await.map_err(|_| "a stream fell silent")?;
        match message {
            Some(Ok(Message::Text(text))) if text.contains("\"error\"") => return Err(text.to_string().into()),
            Some(Ok(Message::Text(_))) => {
                frames += 1;
                if frames == 1 {
                    first = began.elapsed().as_secs_f64();
                }
            }
            Some(Ok(Message::Close(_))) => break,
            Some(Ok(_)) => {}
            None => break,
            Some(Err(error)) => return Err(error.into()),
        }
    }
    if frames == 0 { Err("a stream ended without a frame".into()) } else { Ok((frames, first)) }
}
