//! Pinecone over REST: an index that is made when it is missing, vectors with metadata in namespaces.

use crate::http::{Credentials, HeaderMap, Http, HttpLimits, Method, StatusCode, Url, base_url, under};
use crate::text::one_line;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;
use tokio::sync::OnceCell;

/// The control plane.
pub const HOME: &str = "https://api.pinecone.io";
/// The version of the API that is spoken.
const VERSION: &str = "2025-10";

/// Which index, and whose.
#[derive(Clone)]
pub struct PineconeSettings {
    /// The control plane, [`HOME`] unless a fake stands in for it.
    pub control: String,
    /// The key.
    pub key: String,
    /// The index.
    pub index: String,
    /// Where a missing index is made: the cloud, such as `aws`.
    pub cloud: String,
    /// And its region, such as `us-east-1`.
    pub region: String,
    /// How long its vectors are.
    pub dimension: usize,
}

impl fmt::Debug for PineconeSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PineconeSettings({}, {} dimensions)", self.index, self.dimension)
    }
}

/// A vector with what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct PineconeItem {
    /// The same again takes its place.
    pub id: String,
    /// The vector.
    pub values: Vec<f32>,
    /// A flat object of words, numbers, booleans and lists of words.
    pub metadata: Value,
}

/// An index.
#[derive(Debug)]
pub struct Pinecone {
    http: Http,
    control: Url,
    settings: PineconeSettings,
    host: OnceCell<Url>,
}

impl Pinecone {
    /// A client. Nothing is sent yet.
    ///
    /// # Errors
    /// A sentence if the settings cannot be used.
    pub fn new(settings: PineconeSettings) -> Result<Self, String> {
        let mut key = HeaderValue::from_str(&settings.key).map_err(|_| "the key has characters that no key has")?;
        key.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert("api-key", key);
        headers.insert("x-pinecone-api-version", HeaderValue::from_static(VERSION));
        let limits = HttpLimits { total: Duration::from_secs(20), ..HttpLimits::default() };
        let control = base_url(&settings.control)?;
        Ok(Self { http: Http::with_headers(limits, headers)?, control, settings, host: OnceCell::new() })
    }

    /// What it is called.
    pub fn index(&self) -> &str {
        &self.settings.index
    }

    /// Whether the index is there and fits; it is not made.
    ///
    /// # Errors
    /// What stands in the way.
    pub async fn look(&self) -> Result<Option<String>, String> {
        let path = format!("indexes/{}", self.settings.index);
        let (status, body) = self.send(Method::GET, under(&self.control, &path), None).await?;
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let found = self.read(status, &body)?;
        self.fits(&found)?;
        Ok(Some(found["status"]["state"].as_str().unwrap_or("there").to_owned()))
    }

    /// The index's own address; the index is made if it is missing.
    async fn host(&self) -> Result<&Url, String> {
        self.host.get_or_try_init(|| self.find()).await
    }

    async fn find(&self) -> Result<Url, String> {
        let PineconeSettings { index, cloud, region, dimension, .. } = &self.settings;
        let (status, body) = self.send(Method::GET, under(&self.control, &format!("indexes/{index}")), None).await?;
        let found = if status == StatusCode::NOT_FOUND {
            let wanted = json!({ "name": index, "dimension": dimension, "metric": "cosine",
                "spec": { "serverless": { "cloud": cloud, "region": region } } });
            tracing::info!(index, "the index is missing and is made");
            let (status, body) = self.send(Method::POST, under(&self.control, "indexes"), Some(&wanted)).await?;
            if status == StatusCode::CONFLICT {
                return Err(format!("the index `{index}` is being made by somebody else"));
            }
            self.read(status, &body)?
        } else {
            self.read(status, &body)?
        };
        self.fits(&found)?;
        if found["status"]["ready"] != json!(true) {
            return Err(format!("the index `{index}` is not ready yet"));
        }
        let host = found["host"].as_str().ok_or("the index has no host")?;
        // In the clear only to a stand-in that is asked in the clear itself.
        let clear = self.control.scheme() == "http";
        match host.split_once("://") {
            None => base_url(&format!("https://{host}")),
            Some(("http", _)) if !clear => Err("the index's host is not https".to_owned()),
            Some(_) => base_url(host),
        }
    }

    fn fits(&self, found: &Value) -> Result<(), String> {
        let PineconeSettings { index, dimension, .. } = &self.settings;
        if found["dimension"] != json!(dimension) {
            return Err(format!(
                "the index `{index}` has {} dimensions and not {dimension}; name another with PINECONE_INDEX or set PINECONE_DIMENSION",
                found["dimension"]
            ));
        }
        match found["metric"].as_str() {
            Some("cosine") => Ok(()),
            other => Err(format!("the index `{index}` measures by {} and not by cosine", other.unwrap_or("nothing"))),
        }
    }

    /// Writes vectors, over those with the same ids.
    ///
    /// # Errors
    /// What stands in the way; then nobody knows which were written, and they are to be written again.
    pub async fn upsert(&self, namespace: &str, items: &[PineconeItem]) -> Result<(), String> {
        let vectors: Vec<Value> = items
            .iter()
            .map(|item| json!({ "id": item.id, "values": item.values, "metadata": item.metadata }))
            .collect();
        self.data("vectors/upsert", &json!({ "vectors": vectors, "namespace": namespace })).await.map(drop)
    }

    /// Takes vectors away; those that are not there are no trouble.
    ///
    /// # Errors
    /// What stands in the way.
    pub async fn delete(&self, namespace: &str, ids: &[String]) -> Result<(), String> {
        match self.data("vectors/delete", &json!({ "ids": ids, "namespace": namespace })).await {
            // A namespace that nothing was ever written to.
            Err(why) if why.starts_with("404") => Ok(()),
            done => done.map(drop),
        }
    }

    /// The ids of the vectors most alike with their cosines, the best first.
    ///
    /// # Errors
    /// What stands in the way.
    pub async fn query(
        &self,
        namespace: &str,
        vector: &[f32],
        top: usize,
        filter: &Value,
    ) -> Result<Vec<(String, f64)>, String> {
        let mut asked = json!({ "namespace": namespace, "vector": vector, "topK": top, "includeMetadata": false,
            "includeValues": false });
        if filter.as_object().is_some_and(|filter| !filter.is_empty()) {
            asked["filter"] = filter.clone();
        }
        let answer = match self.data("query", &asked).await {
            Err(why) if why.starts_with("404") => return Ok(vec![]),
            answer => answer?,
        };
        let matches = answer["matches"].as_array().ok_or("the answer has no `matches`")?;
        let one = |found: &Value| Some((found["id"].as_str()?.to_owned(), found["score"].as_f64()?));
        Ok(matches.iter().filter_map(one).filter(|(_, score)| score.is_finite()).take(top).collect())
    }

    async fn data(&self, path: &str, body: &Value) -> Result<Value, String> {
        let url = under(self.host().await?, path);
        let (status, answer) = self.send(Method::POST, url, Some(body)).await?;
        self.read(status, &answer)
    }

    async fn send(&self, method: Method, url: Url, body: Option<&Value>) -> Result<(StatusCode, Vec<u8>), String> {
        self.http.exchange(method, url, body, &Credentials::None).await.map_err(|error| error.to_string())
    }

    fn read(&self, status: StatusCode, body: &[u8]) -> Result<Value, String> {
        if !status.is_success() {
            let said = one_line(&String::from_utf8_lossy(&body[..body.len().min(2_000)]), 300);
            return Err(format!("{status}: {said}").replace(&self.settings.key, "<hidden>"));
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(body).map_err(|error| format!("the answer is not JSON: {error}"))
    }
}
