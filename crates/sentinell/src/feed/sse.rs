//! `GET /api/stream`: the stream as server-sent events.

use super::partial::Whispers;
use super::{Feed, Wanted};
use crate::api::AppState;
use crate::api::extract::Query;
use crate::api::problem::ApiError;
use crate::auth::Reading;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::future::{BoxFuture, FutureExt};
use futures::stream;
use sentinell_core::ids::IncidentId;
use serde_json::json;
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tokio::sync::watch;

struct Follower<G> {
    feed: Feed,
    whispers: Whispers,
    patience: Duration,
    given_at: Option<Instant>,
    over: bool,
    stopping: watch::Receiver<bool>,
    turned_away: BoxFuture<'static, ()>,
    _counted: G,
}

/// The stream as server-sent events: `id` is the position, `data` one entry; `Last-Event-ID` resumes.
#[utoipa::path(get, path = "/api/stream", tag = "stream", params(Wanted),
    responses((status = 200, description = "Until the client goes away", body = String, content_type = "text/event-stream")))]
pub async fn events(
    State(app): State<AppState>,
    Reading(caller): Reading,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let after = match headers.get("last-event-id") {
        None => wanted.after,
        Some(id) => {
            let id = id.to_str().ok().and_then(|id| id.trim().parse().ok());
            Some(id.ok_or_else(|| ApiError::bad_request("Last-Event-ID is a position: a whole number"))?)
        }
    };
    let incident = wanted.incident.map(IncidentId);
    let whispers = Whispers::of(&app.store, incident.clone());
    let feed = Feed::start(&app, incident, after).await?;
    let follower = Follower {
        feed,
        whispers,
        patience: app.config.stream_patience,
        given_at: None,
        over: false,
        stopping: app.stopping.clone(),
        turned_away: caller.turned_away(app.clone()).boxed(),
        _counted: app.metrics.stream(),
    };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    let mut answer = Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response();
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(answer)
}

impl<G> Follower<G> {
    async fn next(&mut self) -> Option<Event> {
        if self.over || *self.stopping.borrow() {
            return None;
        }
        // From giving one out to being asked again is the time that the reader took.
        if self.given_at.is_some_and(|at| at.elapsed() > self.patience) {
            self.over = true;
            let lagged = json!({ "type": "lagged", "resume_after": self.feed.after });
            return Some(Event::default().data(lagged.to_string()));
        }
        let told = tokio::select! {
            told = self.feed.next() => told,
            frame = self.whispers.next() => {
                self.given_at = Some(Instant::now());
                return Some(Event::default().data(frame.to_string()));
            }
            () = super::stopped(&mut self.stopping) => return None,
            // The client asks again, and is told why not.
            () = &mut self.turned_away => return None,
        };
        self.given_at = Some(Instant::now());
        Some(Event::default().id(told.stored.position.to_string()).data(told.frame().as_str()))
    }
}
