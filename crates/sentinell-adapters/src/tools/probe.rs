//! Probes of addresses that the operator named: does the name resolve, does the port answer, is the certificate trusted and
//! for how long, what does the page say. No address out of a signal, a log or a model is ever asked.

mod tls;

use crate::http::{Http, HttpLimits, Url};
use crate::text::{arg, known_args, one_line};
use sentinell_core::evidence::{LogLine, Observation, Query, Telemetry};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Clock, Question, Tool, ToolError};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tls::{Certificates, Shown};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What one phase may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// A target that does not answer is asked so often before that is said.
const ATTEMPTS: usize = 3;
/// Time between two of them.
const PAUSE: Duration = Duration::from_millis(500);
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;
/// Targets of one incident that are asked first.
const MAX_TARGETS: usize = 5;
/// Labels of a signal that may be a target's address.
const ADDRESSES: [&str; 4] = ["instance", "target", "url", "host"];
/// Labels of a signal that may be a target's service.
const SERVICES: [&str; 6] = ["service", "service_name", "app", "deployment", "job", "container"];

/// One address that the operator named.
#[derive(Debug, Clone)]
pub struct ProbeTarget {
    /// Its name in questions.
    pub name: String,
    /// `https://host/path`, `http://…`, `tls://host:port`, `tcp://host:port` or `dns://host`.
    pub url: String,
    /// Whom it stands for (`service/shop/cart`).
    pub subject: String,
    /// HTTP statuses that are well; empty: 200 to 399.
    pub expect: Vec<u16>,
    /// Authorities besides the machine's own, PEM.
    pub authorities: Option<Vec<u8>>,
}

/// The tool `probe`.
pub struct Probe {
    targets: Vec<Target>,
    clock: Arc<dyn Clock>,
    describe: String,
}

struct Target {
    name: String,
    subject: String,
    /// Without name, password and query, for people.
    shown: String,
    url: Url,
    place: Place,
    expect: Vec<u16>,
    http: Option<Http>,
    certificates: Option<Certificates>,
}

struct Place {
    host: String,
    /// None: only the name is looked up.
    port: Option<u16>,
}

/// How far one attempt came.
#[derive(Debug, Default)]
struct Attempt {
    lookup: Duration,
    total: Duration,
    addresses: Vec<SocketAddr>,
    shown: Option<Shown>,
    status: Option<u16>,
    /// The phase and why it failed.
    failed: Option<(&'static str, String)>,
}

impl Probe {
    /// An eye on these addresses and no others.
    ///
    /// # Errors
    /// The first target that makes no sense; an address is repeated without what may be secret in it.
    pub fn new(targets: Vec<ProbeTarget>, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let checked = |target: ProbeTarget| {
            let name = target.name.clone();
            Target::of(target).map_err(|why| format!("probe `{name}`: {why}"))
        };
        let targets = targets.into_iter().map(checked).collect::<Result<Vec<_>, _>>()?;
        let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
        let describe = format!(
            "asks an address now: name resolution, connection, certificate and its days left, HTTP status; args: target (one of: {})",
            names.join(", ")
        );
        Ok(Self { targets, clock, describe })
    }

    async fn look(&self, query: &Query) -> Result<Observation, ToolError> {
        known_args(&query.args, &["target"]).map_err(ToolError::BadQuery)?;
        let name = arg(&query.args, "target").unwrap_or_default();
        let target = self.targets.iter().find(|target| target.name == name);
        let target = target.ok_or_else(|| ToolError::BadQuery(format!("no target `{}`", one_line(name, 80))))?;
        let mut attempts = vec![];
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let seen = target.attempt().await;
            let well = seen.failed.is_none();
            attempts.push((self.clock.now().0, seen));
            if well {
                break;
            }
        }
        Ok(Observation {
            telemetry: target.telemetry(&attempts),
            gaps: vec![],
            call: format!("probe {}", target.shown),
        })
    }
}

impl Tool for Probe {
    fn name(&self) -> &str {
        "probe"
    }

    fn describe(&self) -> &str {
        &self.describe
    }

    fn first_look(&self, case: &Investigation) -> Vec<Question> {
        let labels = &case.signal.labels;
        let value = |name: &&str| labels.get(*name).map(|value| value.trim().trim_end_matches('/'));
        let concerned = |target: &&Target| {
            let service = target.subject.rsplit('/').next().unwrap_or_default();
            let named = SERVICES.iter().filter_map(value).any(|value| value == service || value == target.name);
            named || ADDRESSES.iter().filter_map(value).any(|value| target.is_at(value))
        };
        let question = |target: &Target| Question {
            tool: self.name().to_owned(),
            args: BTreeMap::from([("target".to_owned(), target.name.clone())]),
            why: format!("does {} answer?", target.shown),
        };
        self.targets.iter().filter(concerned).take(MAX_TARGETS).map(question).collect()
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(self.look(query))
    }

    fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
        Box::pin(async {
            let attempts = futures::future::join_all(self.targets.iter().map(Target::attempt)).await;
            let failed = self.targets.iter().zip(&attempts).filter_map(|(target, seen)| {
                let (phase, why) = seen.failed.as_ref()?;
                Some(format!("{} ({phase}: {why})", target.name))
            });
            let failed: Vec<String> = failed.collect();
            let count = self.targets.len();
            if failed.is_empty() {
                return Ok(Some(format!("{count} targets answer")));
            }
            Err(ToolError::Retry(format!("{} of {count} targets do not answer: {}", failed.len(), failed.join(", "))))
        })
    }
}

impl Target {
    fn of(target: ProbeTarget) -> Result<Self, String> {
        let url = Url::parse(&target.url).map_err(|error| format!("url is no address: {error}"))?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("url names no host")?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = match (url.scheme(), url.port_or_known_default()) {
            ("dns", _) => None,
            ("http" | "https" | "tcp" | "tls", Some(port)) => Some(port),
            ("tcp" | "tls", None) => return Err("url names no port".to_owned()),
            _ => return Err("url must begin with https://, http://, tls://, tcp:// or dns://".to_owned()),
        };
        let limits = HttpLimits { connect: PATIENCE, total: PATIENCE, ..HttpLimits::default() };
        let pem = target.authorities.as_deref().unwrap_or_default();
        let http = match url.scheme() {
            "http" | "https" if pem.is_empty() => Some(Http::new(limits)?),
            "http" | "https" => Some(Http::with_authorities(limits, pem)?),
            _ => None,
        };
        let certificates =
            matches!(url.scheme(), "https" | "tls").then(|| Certificates::new(&host, pem)).transpose()?;
        let at = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let shown = format!("{}://{}{at}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path());
        let (name, subject, expect) = (target.name, target.subject, target.expect);
        Ok(Self { name, subject, shown, place: Place { host, port }, url, expect, http, certificates })
    }

    /// Whether a label's value is this target's address, as senders spell it.
    fn is_at(&self, value: &str) -> bool {
        let with_port = self.place.port.map(|port| format!("{}:{port}", self.place.host));
        value == self.url.as_str().trim_end_matches('/')
            || value == self.place.host
            || Some(value) == with_port.as_deref()
    }

    async fn attempt(&self) -> Attempt {
        let mut seen = Attempt::default();
        let begun = Instant::now();
        seen.failed = self.phases(&mut seen, begun).await.err();
        seen.total = begun.elapsed();
        seen
    }

    async fn phases(&self, seen: &mut Attempt, begun: Instant) -> Result<(), (&'static str, String)> {
        let found =
            timeout(PATIENCE, tokio::net::lookup_host((self.place.host.as_str(), self.place.port.unwrap_or(0))));
        let found = found.await.map_err(|_| ("dns", late()))?.map_err(|error| ("dns", said(&error)))?;
        seen.lookup = begun.elapsed();
        seen.addresses = found.take(MAX_ADDRESSES).collect();
        seen.addresses.dedup();
        if seen.addresses.is_empty() {
            return Err(("dns", "the name has no address".to_owned()));
        }
        if self.place.port.is_none() {
            return Ok(());
        }
        let stream = connect(&seen.addresses).await.map_err(|why| ("connect", why))?;
        if let Some(certificates) = &self.certificates {
            let shown = timeout(PATIENCE, certificates.ask(stream)).await.map_err(|_| ("tls", late()))?;
            let shown = seen.shown.insert(shown.map_err(|why| ("tls", why))?);
            if let Some(why) = &shown.distrust {
                return Err(("tls", why.clone()));
            }
        }
        if let Some(http) = &self.http {
            let answer = http.look(self.url.clone()).await.map_err(|why| ("http", why))?;
            let status = answer.status.as_u16();
            seen.status = Some(status);
            let well =
                if self.expect.is_empty() { (200..400).contains(&status) } else { self.expect.contains(&status) };
            if !well {
                return Err(("http", format!("status {status}")));
            }
        }
        Ok(())
    }

    fn telemetry(&self, attempts: &[(i64, Attempt)]) -> Vec<Telemetry> {
        let Some((_, last)) = attempts.last() else { return vec![] };
        let mut labels = BTreeMap::from([("target".to_owned(), self.shown.clone())]);
        if let Some((phase, why)) = &last.failed {
            labels.insert("failed".to_owned(), format!("{phase}: {why}"));
        }
        let series = |name: &str, value: &dyn Fn(&Attempt) -> Option<f64>| {
            let points: Vec<_> = attempts.iter().filter_map(|(at, seen)| Some((*at, value(seen)?))).collect();
            (!points.is_empty()).then(|| Telemetry::Metric {
                subject: self.subject.clone(),
                name: name.to_owned(),
                labels: labels.clone(),
                source: format!("probe {}", self.shown),
                points,
            })
        };
        let count = |seen: &Attempt| u32::try_from(seen.addresses.len()).ok().map(f64::from);
        // Named as the blackbox exporter names them, where it has a name.
        let found = [
            series("probe_success", &|seen| Some(f64::from(u8::from(seen.failed.is_none())))),
            series("probe_duration_seconds", &|seen| Some(seen.total.as_secs_f64())),
            series("probe_dns_lookup_time_seconds", &|seen| Some(seen.lookup.as_secs_f64())),
            series("probe_dns_addresses", &count),
            series("probe_http_status_code", &|seen| seen.status.map(f64::from)),
            series("probe_certificate_days_left", &|seen| {
                let at = attempts.last().map_or(0, |(at, _)| *at);
                Some(seen.shown.as_ref()?.days_left(at))
            }),
        ];
        let lines = attempts.iter().filter_map(|(at, seen)| self.line(*at, seen)).collect::<Vec<_>>();
        let logs = (!lines.is_empty()).then(|| Telemetry::Logs {
            subject: self.subject.clone(),
            source: format!("probe {}", self.shown),
            lines,
            baseline: vec![],
        });
        found.into_iter().flatten().chain(logs).collect()
    }

    /// A failed attempt in words; a server whose certificate has run out is told so as TLS clients tell it.
    fn line(&self, at: i64, seen: &Attempt) -> Option<LogLine> {
        let (phase, why) = seen.failed.as_ref()?;
        let text = match &seen.shown {
            Some(shown) if shown.days_left(at) < 0.0 => {
                format!("tls alert of the probe of {}: certificate expired: {}", self.shown, shown.spelled())
            }
            Some(shown) => format!("probe of {} failed ({phase}): {why}; {}", self.shown, shown.spelled()),
            None => format!("probe of {} failed ({phase}): {why}", self.shown),
        };
        Some(LogLine { at: Some(sentinell_core::time::Timestamp(at)), level: Some("error".into()), text, trace: None })
    }
}

/// The first address that answers, in the resolver's order.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, String> {
    let mut why = String::new();
    for address in addresses {
        match timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => why = format!("{address}: {}", said(&error)),
            Err(_) => why = format!("{address}: {}", late()),
        }
    }
    Err(why)
}

fn late() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
}

fn said(error: &std::io::Error) -> String {
    one_line(&error.to_string(), 200)
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.targets.iter().map(|target| &target.name)).finish()
    }
}
