//! The eyes that one look without a server opens (`sentinell investigate`).

use crate::clock::SystemClock;
use crate::config::Programs;
use anyhow::{Context, anyhow};
use sentinell_adapters::http::{Credentials, Http, HttpLimits};
use sentinell_adapters::kubectl::Kubectl;
use sentinell_adapters::process::Program;
use sentinell_adapters::tools::kubernetes::Kubernetes;
use sentinell_adapters::tools::log_file::{LogContent, LogFile, LogSource};
use sentinell_adapters::tools::prometheus::Prometheus;
use sentinell_adapters::tools::recording::{RecordedIncident, Recording};
use sentinell_core::ports::{Question, Tool};
use sentinell_core::time::Timestamp;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One eye and what to ask it.
pub struct Eye {
    /// It.
    pub tool: Box<dyn Tool>,
    /// What to ask.
    pub questions: Vec<Question>,
}

/// Text of a log, wherever it came from.
#[derive(Debug, Clone)]
pub enum Log {
    /// A file.
    File(PathBuf),
    /// Already read.
    Text(String),
}

/// An eye on one log. `service` is who writes it, if known.
pub fn log(name: &str, content: Log, baseline: Option<PathBuf>, service: Option<&str>) -> Eye {
    let source = LogSource {
        name: name.to_owned(),
        subject: service.map_or_else(|| name.to_owned(), |service| format!("service/{service}")),
        content: match content {
            Log::File(path) => LogContent::File(path),
            Log::Text(text) => LogContent::Text(text),
        },
        baseline: baseline.map(LogContent::File),
    };
    let args = BTreeMap::from([("source".to_owned(), name.to_owned())]);
    eye(LogFile::new(vec![source]), vec![args])
}

/// An eye on a folder of recorded telemetry, and what its `incident.json` says.
///
/// # Errors
/// When it is no such folder.
pub fn recording(folder: &Path) -> anyhow::Result<(Eye, RecordedIncident)> {
    let tool = Recording::open(folder).map_err(|error| anyhow!(error))?;
    let incident = tool.incident().clone();
    Ok((eye(tool, vec![BTreeMap::new()]), incident))
}

/// An eye on some namespaces of a cluster.
///
/// # Errors
/// When there is no kubectl.
pub fn cluster(
    kubeconfig: &Path,
    context: Option<&str>,
    namespaces: &[String],
    programs: &Programs,
) -> anyhow::Result<Eye> {
    let program = Program::find("kubectl", OsStr::new(&programs.search_path));
    let program = program.map_err(|error| anyhow!("{error}; install kubectl"))?;
    let program = program.with_env(programs.variables.clone());
    let kubectl = Kubectl::new(program, kubeconfig, context.map(str::to_owned));
    let ask = |namespace: &String| BTreeMap::from([("namespace".to_owned(), namespace.clone())]);
    Ok(eye(Kubernetes::new(kubectl, namespaces.to_vec()), namespaces.iter().map(ask).collect()))
}

/// What to ask a Prometheus server.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// Labels to match (`service`, `namespace`, `job`, `instance`); none: who is up, and which alerts fire.
    pub labels: BTreeMap<String, String>,
    /// Expressions to plot besides.
    pub queries: Vec<String>,
    /// When it began.
    pub onset: Option<Timestamp>,
}

/// An eye on a Prometheus server. A name and password may stand in its URL.
///
/// # Errors
/// When the URL makes no sense.
pub fn prometheus(url: &str, series: &Series) -> anyhow::Result<Eye> {
    let tool = prometheus_server(url)?;
    let mut common: BTreeMap<String, String> = BTreeMap::new();
    common.extend(series.onset.map(|onset| ("onset".to_owned(), onset.to_string())));
    let mut first = common.clone();
    first.extend(series.labels.clone());
    let mut asked = vec![first];
    for query in series.queries.clone() {
        let mut args = common.clone();
        args.insert("query".to_owned(), query);
        asked.push(args);
    }
    Ok(eye(tool, asked))
}

/// An eye on a Prometheus server.
pub(super) fn prometheus_server(url: &str) -> anyhow::Result<Prometheus> {
    let http = Http::new(HttpLimits::default()).map_err(|error| anyhow!(error))?;
    let (url, who) = credentials(url)?;
    Prometheus::new(http, &url, who, Arc::new(SystemClock)).map_err(|error| anyhow!("{url}: {error}"))
}

/// Takes the name and password out of a URL, so that no evidence ever repeats them.
fn credentials(url: &str) -> anyhow::Result<(String, Credentials)> {
    let mut parsed = sentinell_adapters::http::Url::parse(url)
        .with_context(|| "not the URL of a Prometheus server; write http://127.0.0.1:9090")?;
    let (name, password) = (parsed.username().to_owned(), parsed.password().unwrap_or_default().to_owned());
    if name.is_empty() {
        return Ok((url.to_owned(), Credentials::None));
    }
    let cleared = parsed.set_username("").and_then(|()| parsed.set_password(None));
    cleared.map_err(|()| anyhow!("this URL cannot carry a name"))?;
    Ok((parsed.to_string(), Credentials::Basic(name, password)))
}

fn eye(tool: impl Tool + 'static, asked: Vec<BTreeMap<String, String>>) -> Eye {
    let name = tool.name().to_owned();
    let question = |args| Question { tool: name.clone(), args, why: "what is wrong here?".to_owned() };
    Eye { questions: asked.into_iter().map(question).collect(), tool: Box::new(tool) }
}
