//! A fake of Pinecone: one index, kept in memory, exact. Pinecone's own client is the judge of it (`scripts/stages/memory`).

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The key that it knows.
pub const KEY: &str = "pc-fake-key";

/// Vectors and their metadata by id.
type Space = BTreeMap<String, (Vec<f64>, Value)>;

#[derive(Default)]
struct Inside {
    url: String,
    made: Option<Value>,
    spaces: BTreeMap<String, Space>,
    failing: bool,
}

type Shared = Arc<Mutex<Inside>>;

/// A running fake.
pub struct Index {
    pub url: String,
    inside: Shared,
}

impl Index {
    pub async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inside: Shared = Arc::new(Mutex::new(Inside { url: url.clone(), ..Inside::default() }));
        let app = Router::new()
            .route("/indexes", post(make))
            .route("/indexes/{name}", get(describe))
            .route("/vectors/upsert", post(upsert))
            .route("/vectors/delete", post(delete))
            .route("/query", post(query))
            .with_state(inside.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, inside }
    }

    /// Whether it answers every call with 503 from now on.
    pub fn fail(&self, failing: bool) {
        self.inside.lock().unwrap().failing = failing;
    }

    pub fn ids(&self, space: &str) -> Vec<String> {
        let inside = self.inside.lock().unwrap();
        inside.spaces.get(space).map(|space| space.keys().cloned().collect()).unwrap_or_default()
    }

    pub fn metadata(&self, space: &str, id: &str) -> Value {
        self.inside.lock().unwrap().spaces[space][id].1.clone()
    }
}

fn refused(inside: &Inside, headers: &HeaderMap) -> Option<Response> {
    if inside.failing {
        return Some((StatusCode::SERVICE_UNAVAILABLE, "busy").into_response());
    }
    let known = headers.get("api-key").is_some_and(|key| key == KEY) && headers.contains_key("x-pinecone-api-version");
    (!known).then(|| (StatusCode::UNAUTHORIZED, "who?").into_response())
}

async fn make(State(inside): State<Shared>, headers: HeaderMap, Json(wanted): Json<Value>) -> Response {
    let mut inside = inside.lock().unwrap();
    if let Some(refused) = refused(&inside, &headers) {
        return refused;
    }
    if inside.made.is_some() {
        return (
            StatusCode::CONFLICT,
            Json(json!({"error": {"code": "ALREADY_EXISTS", "message": "there"}, "status": 409})),
        )
            .into_response();
    }
    let place = &wanted["spec"]["serverless"];
    assert!(wanted["metric"] == "cosine" && place["cloud"] == "aws" && place["region"] == "us-east-1", "{wanted}");
    let made = json!({ "name": wanted["name"], "dimension": wanted["dimension"], "metric": "cosine", "host": inside.url,
        "spec": { "serverless": { "cloud": "aws", "region": "us-east-1" } }, "status": { "ready": true, "state": "Ready" },
        "vector_type": "dense", "deletion_protection": "disabled", "tags": {} });
    inside.made = Some(made.clone());
    (StatusCode::CREATED, Json(made)).into_response()
}

async fn describe(State(inside): State<Shared>, headers: HeaderMap, Path(name): Path<String>) -> Response {
    let inside = inside.lock().unwrap();
    if let Some(refused) = refused(&inside, &headers) {
        return refused;
    }
    match inside.made.as_ref().filter(|made| made["name"] == json!(name)) {
        Some(made) => Json(made.clone()).into_response(),
        None => (StatusCode::NOT_FOUND, Json(json!({"error": {"code": "NOT_FOUND", "message": "no"}, "status": 404})))
            .into_response(),
    }
}

fn vector(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn plain(value: &Value) -> bool {
    match value {
        Value::String(_) | Value::Number(_) | Value::Bool(_) => true,
        Value::Array(words) => words.iter().all(Value::is_string),
        _ => false,
    }
}

async fn upsert(State(inside): State<Shared>, headers: HeaderMap, Json(sent): Json<Value>) -> Response {
    let mut inside = inside.lock().unwrap();
    if let Some(refused) = refused(&inside, &headers) {
        return refused;
    }
    let length = inside.made.as_ref().unwrap()["dimension"].as_u64().unwrap() as usize;
    let vectors = sent["vectors"].as_array().unwrap().clone();
    for one in &vectors {
        let fields = one.get("metadata").cloned().unwrap_or_else(|| json!({}));
        let fits = vector(&one["values"]).len() == length && fields.as_object().unwrap().values().all(plain);
        if !fits || fields.to_string().len() > 40_960 {
            return (StatusCode::BAD_REQUEST, format!("does not fit: {one}")).into_response();
        }
        let space = inside.spaces.entry(sent["namespace"].as_str().unwrap_or_default().to_owned()).or_default();
        space.insert(one["id"].as_str().unwrap().to_owned(), (vector(&one["values"]), fields));
    }
    Json(json!({ "upsertedCount": vectors.len() })).into_response()
}

async fn delete(State(inside): State<Shared>, headers: HeaderMap, Json(sent): Json<Value>) -> Response {
    let mut inside = inside.lock().unwrap();
    if let Some(refused) = refused(&inside, &headers) {
        return refused;
    }
    let Some(space) = inside.spaces.get_mut(sent["namespace"].as_str().unwrap_or_default()) else {
        return (StatusCode::NOT_FOUND, Json(json!({"code": 5, "message": "Namespace not found"}))).into_response();
    };
    for id in sent["ids"].as_array().unwrap() {
        space.remove(id.as_str().unwrap());
    }
    Json(json!({})).into_response()
}

fn passes(filter: &Value, fields: &Value) -> bool {
    filter.as_object().into_iter().flatten().all(|(name, wanted)| {
        wanted.as_object().unwrap().iter().all(|(how, bound)| {
            let (value, number) = (&fields[name], |value: &Value| value.as_f64());
            match how.as_str() {
                "$eq" => value == bound,
                "$gte" => number(value) >= number(bound),
                "$lte" => number(value) <= number(bound),
                other => panic!("{other}"),
            }
        })
    })
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

async fn query(State(inside): State<Shared>, headers: HeaderMap, Json(asked): Json<Value>) -> Response {
    let inside = inside.lock().unwrap();
    if let Some(refused) = refused(&inside, &headers) {
        return refused;
    }
    let wanted = vector(&asked["vector"]);
    let space = inside.spaces.get(asked["namespace"].as_str().unwrap_or_default());
    let mut near: Vec<(f64, &String, &Value)> = space
        .into_iter()
        .flatten()
        .filter(|(_, (_, fields))| passes(&asked["filter"], fields))
        .map(|(id, (vector, fields))| (cosine(&wanted, vector), id, fields))
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0));
    near.truncate(asked["topK"].as_u64().unwrap() as usize);
    let with = asked["includeMetadata"] == json!(true);
    let one = |(score, id, fields): (f64, &String, &Value)| {
        let mut one = json!({ "id": id, "score": score, "values": [] });
        if with {
            one["metadata"] = fields.clone();
        }
        one
    };
    let matches: Vec<Value> = near.into_iter().map(one).collect();
    Json(json!({ "matches": matches, "namespace": asked["namespace"], "usage": { "readUnits": 1 } })).into_response()
}
