//! The REST interface and the stream, in process, on a store of their own.

#![expect(clippy::unwrap_used, reason = "what does not work in a test should stop it")]

mod access;
mod approval;
mod audit;
mod bad_input;
mod cloudwatch;
mod collected;
mod mcp;
mod outbox;
mod registry;
mod regroup;
mod senders;
mod signals;
mod silences;
mod slackbot;
mod stream;
mod topology;

use crate::database::Place;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use sentinell::api::{ApiConfig, AppState, CheckError, CheckOutcome, OperatorToken, RepoChecks, router};
use sentinell::auth::secret;
use sentinell::config::Secret;
use sentinell::store::{By, Destination, NewToken, Options, Store};
use sentinell_core::action::{Action, BlastRadius, Deed, Expectation, Plan, Verification};
use sentinell_core::approval::Role;
use sentinell_core::ids::IncidentId;
use sentinell_core::investigation::Event;
use sentinell_core::policy::Ruling;
use sentinell_core::ports::{BoxFuture, Clock};
use sentinell_core::time::Timestamp;
use serde_json::Value;
use sqlx::{Connection, PgConnection, SqliteConnection};
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tower::ServiceExt;

/// The operator's token of every house.
pub const OPERATOR: &str = "an-operator-token";
/// What GitHub signs with.
pub const GITHUB: &str = "It's a Secret to Everybody";
/// 2026-11-22T12:00:00Z.
const NOON: i64 = 1_795_348_800_000;

/// A clock that tests move.
pub struct Hands(AtomicI64);

impl Hands {
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// Checks: one repository has one, and it fails.
struct Checks;

impl RepoChecks for Checks {
    fn run<'a>(&'a self, name: &'a str, _: &'a str) -> BoxFuture<'a, Result<CheckOutcome, CheckError>> {
        Box::pin(async move {
            match name {
                "broken" => Ok(CheckOutcome { exit_code: Some(2), stdout: "1 failed".into(), stderr: String::new() }),
                other => Err(CheckError::NotConfigured(other.into())),
            }
        })
    }
}

/// A server in process and what it stands on.
pub struct House {
    pub router: Router,
    pub state: AppState,
    pub clock: Arc<Hands>,
    pub stop: tokio::sync::watch::Sender<bool>,
    place: Place,
}

/// An answer that has arrived.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
    pub text: String,
}

impl House {
    pub async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut ApiConfig)) -> Self {
        Self::over(Options::default(), change).await
    }

    /// A server whose notices go somewhere.
    pub async fn telling(destinations: Vec<Destination>) -> Self {
        Self::telling_with(destinations, |_| {}).await
    }

    pub async fn telling_with(destinations: Vec<Destination>, change: impl FnOnce(&mut ApiConfig)) -> Self {
        Self::over(Options { destinations, ..Options::default() }, change).await
    }

    /// A server whose writer has hardly anybody wait.
    pub async fn narrow() -> Self {
        Self::over(Options { queue: 2, group: 1, ..Options::default() }, |_| {}).await
    }

    async fn over(options: Options, change: impl FnOnce(&mut ApiConfig)) -> Self {
        let place = Place::new().await;
        let store = Store::open(place.url(), options).await.unwrap();
        let mut config = ApiConfig::on("127.0.0.1:8000".parse().unwrap());
        config.operators = vec![OperatorToken::new("olga", &Secret::new(OPERATOR))];
        config.senders.github = Some(Secret::new(GITHUB));
        change(&mut config);
        let clock = Arc::new(Hands(AtomicI64::new(NOON)));
        let (stop, stopping) = tokio::sync::watch::channel(false);
        let state = AppState::new(store, clock.clone(), config, Arc::new(Checks), stopping);
        Self { router: router(state.clone()), state, clock, stop, place }
    }

    /// Somebody else's transaction: nobody can write until it is dropped.
    pub async fn held(&self) -> Box<dyn Any> {
        if self.url().starts_with("sqlite:") {
            let mut conn = SqliteConnection::connect(self.place.url()).await.unwrap();
            sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut conn).await.unwrap();
            return Box::new(conn);
        }
        let mut conn = PgConnection::connect(self.place.url()).await.unwrap();
        sqlx::raw_sql("BEGIN; LOCK TABLE incidents IN EXCLUSIVE MODE").execute(&mut conn).await.unwrap();
        Box::new(conn)
    }

    /// Its database.
    pub fn url(&self) -> String {
        self.place.url().to_owned()
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = axum::body::to_bytes(body, 64 << 20).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Answer { status: parts.status, headers: parts.headers, body, text }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path, None).body(Body::empty()).unwrap()).await
    }

    pub async fn get_as(&self, token: &str, path: &str) -> Answer {
        self.send(request("GET", path, Some(token)).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, None, body).await
    }

    pub async fn post_as(&self, token: &str, path: &str, body: &Value) -> Answer {
        self.call("POST", path, Some(token), body).await
    }

    pub async fn call(&self, method: &str, path: &str, token: Option<&str>, body: &Value) -> Answer {
        let request = request(method, path, token).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// A token with this role; its name is the role's.
    pub async fn token(&self, name: &str, role: Role) -> String {
        let token = format!("token-of-{name}");
        let id = format!("tok-{name}");
        let new = NewToken { id, name: name.into(), role, hash: secret::hash(&token) };
        self.state.store.create_token(new, By { actor: "olga".into(), at: self.clock.now() }).await.unwrap();
        token
    }

    /// An incident whose action `a1` waits for approval; its id and the action's hash.
    pub async fn waiting(&self) -> (String, String) {
        let issue = serde_json::json!({"title": "cart is down", "description": "since noon"});
        let id = self.post("/api/issues", &issue).await.body["id"].as_str().unwrap().to_owned();
        let hash = self.ask(&id).await;
        (id, hash)
    }

    /// Its action `a1` waits for approval from now on; the action's hash.
    pub async fn ask(&self, id: &str) -> String {
        self.ask_with(id, Ruling::ask("autonomy is `approve`")).await
    }

    /// The same, ruled on like this.
    pub async fn ask_with(&self, id: &str, ruling: Ruling) -> String {
        let case = self.state.store.load(&IncidentId(id.to_owned())).await.unwrap().unwrap();
        let action = rollback(id, self.clock.now().plus_seconds(600));
        let hash = action.hash();
        let expires_at = action.expires_at;
        let events = vec![
            Event::ActionProposed { action: Box::new(action), hash: hash.clone() },
            Event::ActionRuled { action: "a1".into(), ruling },
            Event::ApprovalRequested { action: "a1".into(), expires_at },
        ];
        self.state.store.append(&case, events, self.clock.now(), None).await.unwrap();
        hash.to_string()
    }
}

pub fn request(method: &str, path: &str, token: Option<&str>) -> axum::http::request::Builder {
    let request = Request::builder().method(method).uri(path).header("host", "127.0.0.1:8000");
    match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    }
}

impl Answer {
    /// Demands a problem document of this status; answers its detail.
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["status"], status);
        let detail = self.body["detail"].as_str().unwrap_or_default();
        assert!(!detail.is_empty(), "a problem says what to do: {}", self.text);
        detail.to_owned()
    }

    pub fn ok(&self, status: u16) -> &Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        &self.body
    }
}

fn rollback(incident: &str, expires_at: Timestamp) -> Action {
    let argv = |words: &[&str]| Deed::Argv(words.iter().map(|word| (*word).to_owned()).collect());
    Action {
        id: "a1".into(),
        incident: incident.into(),
        kind: "kubernetes.rollout_undo".into(),
        target: "deployment/shop/cart".into(),
        params: BTreeMap::new(),
        because: "h1".into(),
        why: "the image does not exist".into(),
        evidence: vec!["e1".into()],
        plan: Plan {
            deed: argv(&["kubectl", "rollout", "undo", "deployment/cart"]),
            undo: None,
            undo_if_unhelpful: false,
            environment: "staging".into(),
            verification: Verification {
                queries: vec![],
                expect: Expectation::FindingsGone { subject: "service/shop/cart".into() },
                hold_seconds: 10,
                every_seconds: 2,
                within_seconds: 60,
            },
            blast_radius: BlastRadius { objects: 2, description: "2 pods restart".into() },
            precondition: "revision 5 is current".into(),
        },
        undoes: None,
        expires_at,
    }
}
