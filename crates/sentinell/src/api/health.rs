//! Whether the server lives, and whether it can do its work.

use super::AppState;
use super::problem::ApiError;
use crate::store::StoreError;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// With fewer bytes than this a disk is as good as full.
const NO_ROOM: u64 = 64 << 10;

/// The server lives.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// Always true.
    ok: bool,
    /// Always true: the machine is compiled in.
    graph_ready: bool,
    /// Of this program.
    version: &'static str,
}

/// Whether the process lives; asks nobody.
#[utoipa::path(get, path = "/api/health", tag = "operations", responses((status = 200, body = Health)))]
pub async fn health() -> Json<Health> {
    Json(Health { ok: true, graph_ready: true, version: env!("CARGO_PKG_VERSION") })
}

/// The server can do its work.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ready {
    /// Always true; otherwise the answer is 503.
    ready: bool,
    /// Wake-ups that are due and wait for a worker.
    queue_depth: u64,
    /// How long the oldest of them has waited, seconds.
    queue_lag_seconds: i64,
    /// Workers heard of lately.
    workers: usize,
}

/// Whether signals can be stored and somebody works on them; 503 says what is missing.
#[utoipa::path(get, path = "/api/ready", tag = "operations", responses((status = 200, body = Ready)))]
pub async fn ready(State(app): State<AppState>) -> Result<Json<Ready>, ApiError> {
    let looked = look(&app).await;
    let why = looked.as_ref().err();
    if app.metrics.readiness_changed(why.is_none()) {
        match why {
            Some(why) => tracing::warn!(why, "not ready"),
            None => tracing::info!("ready"),
        }
    }
    looked.map(Json).map_err(|why| ApiError::unavailable(why, 5))
}

/// Why the server cannot do its work now; none if it can.
pub(crate) async fn why_not_ready(app: &AppState) -> Option<String> {
    look(app).await.err()
}

async fn look(app: &AppState) -> Result<Ready, String> {
    let now = app.clock.now();
    let no_room = || app.store.disk().is_some_and(|disk| disk.free < NO_ROOM);
    let away = |error: StoreError| {
        match error {
        StoreError::Unavailable(_) if error.is_full() || no_room() => {
            "the disk of the database is full: signals are answered 503 until there is room; `sentinell retention --dry-run` shows what could go".to_owned()
        }
        StoreError::Unavailable(_) | StoreError::Busy => {
            "the database does not answer or does not take writes now".to_owned()
        }
        other => other.to_string(),
    }
    };
    app.store.check(now).await.map_err(away)?;
    let counters = app.store.counters(now).await.map_err(away)?;
    let lag = counters.oldest_due.map_or(0, |due| now.millis_since(due).max(0));
    let silence = i64::try_from(app.config.worker_silence.as_millis()).unwrap_or(i64::MAX);
    let workers = app.store.workers(now.plus_millis(-silence)).await.map_err(away)?.len();
    if workers == 0 {
        let seconds = silence / 1000;
        return Err(format!("no worker has been heard of for {seconds} s; start one with `sentinell worker`"));
    }
    if u128::from(lag.unsigned_abs()) > app.config.queue_lag.as_millis() {
        let (depth, seconds) = (counters.queue_depth, lag / 1000);
        return Err(format!("{depth} incidents wait, the oldest for {seconds} s; start more workers"));
    }
    Ok(Ready { ready: true, queue_depth: counters.queue_depth, queue_lag_seconds: lag / 1000, workers })
}
