//! A Docker engine (or a Podman, which speaks the same): how it is reached and whose its containers are. What the reading eye and
//! the acting hand have in common. <https://docs.docker.com/reference/api/engine/>

use crate::http::{HeaderMap, Http, HttpLimits, Method, Url, base_url, under};
use crate::text::one_line;
use sentinell_core::ports::ToolError;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Labels that say which service a container is of.
const SERVICE: [&str; 4] = ["com.docker.compose.service", "com.docker.swarm.service.name", "service", "app"];

/// How an engine is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockerAt {
    /// Its socket.
    Socket(PathBuf),
    /// A proxy before it that lets only some requests through.
    Url(String),
}

/// One engine.
pub(crate) struct Engine {
    pub http: Http,
    base: Url,
}

impl Engine {
    /// # Errors
    /// If the address makes no sense.
    pub(crate) fn new(at: &DockerAt, limits: HttpLimits) -> Result<Self, String> {
        let (http, base) = match at {
            DockerAt::Socket(path) => (Http::over_socket(limits, path)?, base_url("http://docker")?),
            DockerAt::Url(url) => (Http::new(limits)?, base_url(url)?),
        };
        Ok(Self { http, base })
    }

    /// Where something is.
    pub(crate) fn url(&self, path: &str) -> Url {
        under(&self.base, path)
    }

    /// All its containers, whether they run or not.
    pub(crate) async fn list(&self) -> Result<Vec<Known>, ToolError> {
        let answer = self.json("containers/json", &[("all", "true")]).await?;
        let all = answer.as_array().ok_or_else(|| ToolError::BadQuery("the answer is none of Docker's".to_owned()))?;
        Ok(all.iter().filter_map(Known::of).collect())
    }

    /// Documents one after the other, as the engine tells events.
    pub(crate) async fn documents(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<Value>, ToolError> {
        let body = self.get(path, query).await?;
        Ok(serde_json::Deserializer::from_slice(&body).into_iter::<Value>().map_while(Result::ok).collect())
    }

    pub(crate) async fn json(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, ToolError> {
        let body = self.get(path, query).await?;
        serde_json::from_slice(&body).map_err(|error| ToolError::BadQuery(format!("the answer is not JSON: {error}")))
    }

    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<u8>, ToolError> {
        let mut url = self.url(path);
        url.query_pairs_mut().extend_pairs(query);
        let (status, _, body) = self.http.send(Method::GET, url, HeaderMap::new(), vec![]).await?;
        let why = || format!("{status}: {}", complaint(&body));
        match status.as_u16() {
            200..300 => Ok(body),
            401 | 403 => Err(ToolError::Denied(why())),
            500.. => Err(ToolError::Retry(why())),
            _ => Err(ToolError::BadQuery(why())),
        }
    }
}

/// What the engine says about a request that it refuses.
pub(crate) fn complaint(body: &[u8]) -> String {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    one_line(said["message"].as_str().unwrap_or_default(), 300)
}

/// One container of the list.
pub(crate) struct Known {
    pub id: String,
    pub name: String,
    pub image: String,
    labels: BTreeMap<String, String>,
    state: String,
    status: String,
}

impl Known {
    /// None: it has no id that could be asked for.
    pub(crate) fn of(listed: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let id =
            listed["Id"].as_str().filter(|id| id.len() >= 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        let name = listed["Names"][0].as_str().unwrap_or(id).trim_start_matches('/').to_owned();
        let labels = SERVICE.iter().filter_map(|label| {
            let value = listed["Labels"][*label].as_str().filter(|value| !value.is_empty())?;
            Some(((*label).to_owned(), value.to_owned()))
        });
        Some(Self {
            id: id.to_owned(),
            name,
            image: text(&listed["Image"]),
            labels: labels.collect(),
            state: text(&listed["State"]),
            status: text(&listed["Status"]),
        })
    }

    /// The service that it is of, as its labels tell, else as its name does.
    pub(crate) fn service(&self) -> String {
        let told = SERVICE.iter().find_map(|label| self.labels.get(*label));
        one_line(told.map_or_else(|| without_number(&self.name), String::as_str), 200)
    }

    /// Whether it is of this service: by a label, or by its name.
    pub(crate) fn is_of(&self, service: &str) -> bool {
        bears(&self.labels, &self.name, service)
    }

    /// Whether an event is about it, or about one that had its name before.
    pub(crate) fn is_told_of(&self, event: &Value) -> bool {
        event["Actor"]["ID"] == self.id || event["Actor"]["Attributes"]["name"] == self.name
    }

    /// Whether it is in trouble: not running though it ended badly, starting again and again, failing its health check.
    pub(crate) fn is_unwell(&self) -> bool {
        let ended = self.state == "exited" && !self.status.starts_with("Exited (0)") && !self.status.is_empty();
        ended || matches!(self.state.as_str(), "restarting" | "dead") || self.status.contains("(unhealthy)")
    }
}

fn bears(labels: &BTreeMap<String, String>, name: &str, service: &str) -> bool {
    let same = |text: &str| text.eq_ignore_ascii_case(service);
    // A service of a Swarm is called `stack_service`.
    let told = |value: &String| same(value) || value.split_once('_').is_some_and(|(_, service)| same(service));
    labels.values().any(told) || same(name) || same(without_number(name))
}

/// The service of a container with these labels and this name, as [`Known::service`] tells it.
pub(crate) fn service(labels: &Value, name: &str) -> String {
    let told = SERVICE.iter().find_map(|label| labels[*label].as_str().filter(|value| !value.is_empty()));
    one_line(told.unwrap_or_else(|| without_number(name)), 200)
}

/// `till-1` → `till`.
fn without_number(name: &str) -> &str {
    let cut = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['-', '_']);
    if cut.is_empty() { name } else { cut }
}
