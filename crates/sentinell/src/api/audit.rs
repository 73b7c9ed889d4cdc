//! The audit: what people did to the system, and an export that can be verified without us.

use super::AppState;
use super::extract::{Page, Query};
use super::problem::ApiError;
use super::views::json_of;
use crate::audit::is_signed;
use crate::auth::Administering;
use crate::store::{Result, Store, StoreError};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use futures::stream::{self, Stream, StreamExt};
use sentinell_core::audit::{Auditor, Findings, Head, Line, SystemEvent};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};

/// How long a verification over HTTP may take; a longer one is done on an export.
const PATIENCE: Duration = Duration::from_secs(25);

/// What somebody did to the system.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEvent)]
pub struct EventView {
    /// From 1 without gaps.
    seq: u64,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Who.
    actor: String,
    /// What: `signed_in`, `signed_out`, `token_made`, `token_revoked`, `policy_set`, `repository_set` and so on.
    kind: String,
    /// To what, and why.
    #[schema(value_type = Object)]
    body: Value,
    /// Of the chain that it is part of.
    hash: String,
}

impl From<SystemEvent> for EventView {
    fn from(event: SystemEvent) -> Self {
        let SystemEvent { seq, at, actor, kind, body, hash } = event;
        Self { seq, at: at.to_string(), actor: actor.0, kind, body, hash }
    }
}

/// System events, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Audit {
    /// One page.
    events: Vec<EventView>,
    /// For the next page; null on the last.
    next_cursor: Option<String>,
    /// The newest head, which vouches for everything up to it: kept elsewhere, it is an anchor. Null before the first.
    #[schema(value_type = Option<Object>)]
    head: Value,
}

/// Lists what people did to the system: sign-ins, tokens, policy, registrations, silences.
#[utoipa::path(get, path = "/api/audit", tag = "access", params(Page), responses((status = 200, body = Audit)))]
pub async fn list(
    State(app): State<AppState>,
    _: Administering,
    Query(page): Query<Page>,
) -> Result<axum::Json<Audit>, ApiError> {
    let limit = page.limit()?;
    let before = match page.cursor.as_deref().map(|cursor| cursor.strip_prefix('a').and_then(|n| n.parse::<u64>().ok()))
    {
        None => None,
        Some(Some(seq)) => Some(seq),
        Some(None) => return Err(ApiError::bad_request("the cursor is not one that this list gave out; leave it out")),
    };
    let mut events = app.store.system_events(before, limit.saturating_add(1)).await?;
    let more = events.len() > limit as usize;
    events.truncate(limit as usize);
    let next_cursor = events.last().filter(|_| more).map(|last| format!("a{}", last.seq));
    let head = json_of(&app.store.last_head().await?);
    Ok(axum::Json(Audit { events: events.into_iter().map(Into::into).collect(), next_cursor, head }))
}

/// What a verification found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditFindings)]
pub struct FindingsView {
    /// Whether everything that a head vouches for is as it was written.
    holds: bool,
    /// Journal entries that are as they were written.
    entries: u64,
    /// Of these, how many retention has left only the hash of.
    dropped: u64,
    /// System events that are as they were written.
    system_events: u64,
    /// Heads that hold.
    heads: u64,
    /// The last of them.
    #[schema(value_type = Option<Object>)]
    last: Value,
    /// The public keys that signed them.
    keys: Vec<String>,
    /// What does not hold, at most twenty things.
    broken: Vec<String>,
}

impl From<Findings> for FindingsView {
    fn from(found: Findings) -> Self {
        let Findings { entries, dropped, system_events, heads, last, keys, broken } = found;
        let (holds, last) = (broken.is_empty(), json_of(&last));
        Self { holds, entries, dropped, system_events, heads, last, keys, broken }
    }
}

/// Recomputes every chain and checks every signature, up to a head that is made now. Whoever does not trust this server
/// verifies an export with `sentinell audit verify`, and a head kept elsewhere.
#[utoipa::path(get, path = "/api/audit/verify", tag = "access", responses((status = 200, body = FindingsView)))]
pub async fn verify(State(app): State<AppState>, _: Administering) -> Result<axum::Json<FindingsView>, ApiError> {
    fresh(&app).await?;
    let found = async {
        let (mut auditor, mut pages) = (Auditor::default(), std::pin::pin!(pages(app.store.clone(), 0)));
        while let Some(page) = pages.next().await {
            page?.iter().for_each(|line| auditor.read(line, &is_signed));
        }
        Ok::<_, StoreError>(auditor.finish())
    };
    match tokio::time::timeout(PATIENCE, found).await {
        Ok(found) => Ok(axum::Json(found?.into())),
        Err(_) => {
            let detail =
                "there is too much to verify in one request; run `sentinell audit export | sentinell audit verify -`";
            Err(ApiError::unavailable(detail, 60))
        }
    }
}

/// What to export.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Part {
    /// Only the newest head, to keep elsewhere.
    #[serde(default)]
    head: bool,
}

/// Everything as JSON lines: what each head vouches for, then the head. The last line is a head made now.
#[utoipa::path(get, path = "/api/audit/export", tag = "access", params(Part),
    responses((status = 200, description = "JSON lines", body = String, content_type = "application/x-ndjson")))]
pub async fn export(
    State(app): State<AppState>,
    Administering(principal): Administering,
    Query(part): Query<Part>,
) -> Result<impl IntoResponse, ApiError> {
    fresh(&app).await?;
    tracing::info!(actor = %principal.actor, head = part.head, "exported the audit");
    let body = match part.head {
        true => Body::from(match app.store.last_head().await? {
            Some(head) => text(&[Line::Head(head)]),
            None => Bytes::new(),
        }),
        false => Body::from_stream(pages(app.store.clone(), 0).map(|page| page.map(|lines| text(&lines)))),
    };
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body))
}

/// Makes a head over what is new.
async fn fresh(app: &AppState) -> Result<(), ApiError> {
    match &app.config.notary {
        Some(notary) => notary.vouch(&app.store, app.clock.as_ref()).await.map(|_| ()).map_err(ApiError::from),
        None => Err(ApiError::unavailable(
            "this server has no key to sign the audit with; set SENTINELL_AUDIT_KEY or HOME",
            60,
        )),
    }
}

fn text(lines: &[Line]) -> Bytes {
    let mut text = Vec::new();
    for line in lines {
        // Lines are made of strings, numbers and JSON: they can always be written.
        let _ = serde_json::to_writer(&mut text, line);
        text.push(b'\n');
    }
    text.into()
}

/// Where an export has come to.
struct Place {
    store: Store,
    /// The head before the lines that are read.
    last: Option<Head>,
    number: u64,
    /// The head whose lines are read, and how far.
    open: Option<(Head, u64, u64)>,
    ready: VecDeque<Vec<Line>>,
    failed: bool,
}

/// Everything that heads vouch for, page by page, after the head with this number.
fn pages(store: Store, number: u64) -> impl Stream<Item = Result<Vec<Line>>> {
    let place = Place { store, last: None, number, open: None, ready: VecDeque::new(), failed: false };
    stream::unfold(place, |mut place| async move {
        if place.failed {
            return None;
        }
        let page = place.next().await;
        place.failed = page.is_err();
        page.transpose().map(|page| (page, place))
    })
}

impl Place {
    async fn next(&mut self) -> Result<Option<Vec<Line>>> {
        if let Some(page) = self.ready.pop_front() {
            return Ok(Some(page));
        }
        if self.open.is_none() {
            let Some(head) = self.store.head_after(self.number).await? else { return Ok(None) };
            let (position, seq) = self.last.as_ref().map_or((0, 0), |last| (last.position, last.system_seq));
            self.number = head.number;
            self.open = Some((head, position, seq));
        }
        let Some((head, position, seq)) = self.open.take() else { return Ok(None) };
        let page = match seq < head.system_seq {
            true => self.store.system_lines(seq, head.system_seq).await?,
            false => self.store.entry_lines(position, head.position).await?,
        };
        let (mut position, mut seq) = (position, seq);
        match page.last() {
            Some(Line::System(event)) => seq = event.seq,
            Some(Line::Entry(entry)) => position = entry.position,
            Some(Line::Dropped { position: last, .. }) => position = *last,
            // What the head vouches for is not there: the auditor will say so.
            Some(Line::Head(_)) | None => (position, seq) = (head.position, head.system_seq),
        }
        if (position, seq) == (head.position, head.system_seq) {
            self.ready.push_back(vec![Line::Head(head.clone())]);
            self.last = Some(head);
        } else {
            self.open = Some((head, position, seq));
        }
        Ok(Some(page))
    }
}
