//! Amazon CloudWatch (or what speaks its API): lines of the log groups that bear the service's name, the metrics that have it
//! as a dimension, and the alarms that ring. Signed by ourselves, without Amazon's libraries: every call is a POST of JSON.

mod logs;
mod metrics;

use super::gathered::Gathered;
use crate::aws::{Caller, Protocol, Service};
use crate::text::{arg, known_args, label, one_line};
use crate::window::{self, Window};
use sentinell_core::evidence::{Gap, Observation, Query};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Clock, Question, Tool, ToolError};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

pub use crate::aws::{AwsIdentity, AwsKeys};

/// Logs of CloudWatch.
const LOGS: Service = Service {
    name: "logs",
    protocol: Protocol::Json { target: "Logs_20140328", content_type: "application/x-amz-json-1.1" },
};
/// Metrics and alarms of CloudWatch.
const MONITORING: Service = Service {
    name: "monitoring",
    protocol: Protocol::Json { target: "GraniteServiceVersion20100801", content_type: "application/x-amz-json-1.0" },
};

/// Bytes of a query of Logs Insights that a question may bring.
const MAX_QUERY: usize = 2000;
/// Arguments besides the time.
const ARGS: [&str; 8] = ["service", "namespace", "instance", "alarm", "log_group", "metric", "contains", "query"];

/// Which CloudWatch, and who asks.
#[derive(Debug, Clone)]
pub struct CloudWatchSettings {
    /// The region (`eu-west-1`).
    pub region: String,
    /// Where to ask instead of Amazon's own addresses: a VPC endpoint or a stand-in.
    pub endpoint: Option<String>,
    /// Who asks.
    pub identity: AwsIdentity,
    /// How the names of the log groups begin that may be read; empty: any that this identity may.
    pub log_groups: Vec<String>,
}

/// The tool `cloudwatch`.
pub struct CloudWatch {
    caller: Caller,
    allowed: Vec<String>,
    clock: Arc<dyn Clock>,
    describe: String,
}

impl CloudWatch {
    /// An eye on one region.
    ///
    /// # Errors
    /// If the region or the endpoint makes no sense.
    pub fn new(settings: CloudWatchSettings, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let describe = format!(
            "reads Amazon CloudWatch in {}: log groups that bear the service's name, its metrics, the alarms that ring; args: \
             service, instance (an EC2 id), alarm (whose metric to plot), log_group (an exact name), metric (only this one), \
             contains (only lines with this text), query (Logs Insights, over the log groups, instead of all that), {}",
            settings.region,
            window::HELP
        );
        let caller = Caller::new(settings.region, settings.endpoint.as_deref(), settings.identity, clock.clone())?;
        Ok(Self { caller, allowed: settings.log_groups, clock, describe })
    }

    async fn look(&self, query: &Query) -> Result<Observation, ToolError> {
        let args = &query.args;
        let known: Vec<&str> = ARGS.iter().chain(&window::ARGS).copied().collect();
        known_args(args, &known).map_err(ToolError::BadQuery)?;
        let window = Window::of(args, self.clock.now()).map_err(ToolError::BadQuery)?;
        let wanted = metrics::Wanted {
            service: arg(args, "service"),
            instance: arg(args, "instance"),
            alarm: arg(args, "alarm"),
            metric: arg(args, "metric"),
        };
        if ["service", "instance", "alarm", "log_group"].iter().all(|name| arg(args, name).is_none()) {
            return Err(ToolError::BadQuery("say what to look for: service, instance, alarm or log_group".into()));
        }
        let subject = subject(args);
        if let Some(text) = arg(args, "query") {
            return self.insights(text, args, &subject, window).await;
        }
        let mut gathered = Gathered::default();
        let (said, numbers) =
            futures::join!(self.lines(args, &subject, window, &mut gathered), self.numbers(&wanted, &subject, window));
        let mut seen = Observation::default();
        // One half that is away is a gap; if both are, the whole is.
        match (said, numbers) {
            (Err(error), Err(_)) => return Err(error),
            (Err(error), _) if wanted.is_nothing() => return Err(error),
            (said, numbers) => {
                let lost = |what: &str, error: ToolError| Gap { what: what.to_owned(), why: error.to_string() };
                match said {
                    Ok((groups, gaps)) => {
                        seen.gaps.extend(gaps);
                        seen.call = format!("CloudWatch {}: {}", self.caller.region(), groups.join(", "));
                    }
                    Err(error) => seen.gaps.push(lost("log groups of CloudWatch", error)),
                }
                match numbers {
                    Ok((alarms, telemetry, gaps)) => {
                        metrics::say(&alarms, &subject, &mut gathered);
                        seen.telemetry = telemetry;
                        seen.gaps.extend(gaps);
                    }
                    Err(error) => seen.gaps.push(lost("metrics and alarms of CloudWatch", error)),
                }
            }
        }
        if seen.call.is_empty() {
            seen.call = format!("CloudWatch {}", self.caller.region());
        }
        let (logs, gaps) = gathered.finish(&seen.call);
        seen.telemetry.extend(logs);
        seen.gaps.extend(gaps);
        Ok(seen)
    }

    /// Lines of the groups that were named or found; which, and what was not read.
    async fn lines(
        &self,
        args: &BTreeMap<String, String>,
        subject: &str,
        window: Window,
        gathered: &mut Gathered,
    ) -> Result<(Vec<String>, Vec<Gap>), ToolError> {
        let groups = self.groups(args).await?;
        let mut gaps = vec![];
        if let (true, Some(service)) = (groups.is_empty(), arg(args, "service")) {
            let what = format!("log groups of {}", one_line(service, 100));
            let why = "no name of a group that may be read has it as a word; ask with log_group".to_owned();
            gaps.push(Gap { what, why });
        }
        for group in &groups {
            gaps.extend(logs::read(&self.caller, group, subject, arg(args, "contains"), window, gathered).await?);
        }
        Ok((groups, gaps))
    }

    async fn groups(&self, args: &BTreeMap<String, String>) -> Result<Vec<String>, ToolError> {
        if let Some(group) = arg(args, "log_group") {
            if !logs::may_be_read(group, &self.allowed) {
                let group = one_line(group, 200);
                return Err(ToolError::Denied(format!("`{group}` is not among the log_groups that may be read")));
            }
            return Ok(vec![group.to_owned()]);
        }
        match arg(args, "service") {
            Some(service) => logs::groups(&self.caller, service, &self.allowed).await,
            None => Ok(vec![]),
        }
    }

    /// Alarms, series, and what was not read.
    async fn numbers(
        &self,
        wanted: &metrics::Wanted<'_>,
        subject: &str,
        window: Window,
    ) -> Result<(Vec<serde_json::Value>, Vec<sentinell_core::evidence::Telemetry>, Vec<Gap>), ToolError> {
        if wanted.is_nothing() {
            return Ok((vec![], vec![], vec![]));
        }
        let alarms = metrics::alarms(&self.caller, wanted).await?;
        let (telemetry, gaps) = metrics::read(&self.caller, wanted, &alarms, subject, window.whole()).await?;
        Ok((alarms, telemetry, gaps))
    }

    async fn insights(
        &self,
        text: &str,
        args: &BTreeMap<String, String>,
        subject: &str,
        window: Window,
    ) -> Result<Observation, ToolError> {
        if text.len() > MAX_QUERY {
            return Err(ToolError::BadQuery(format!("a query of more than {MAX_QUERY} bytes")));
        }
        let groups = self.groups(args).await?;
        if groups.is_empty() {
            return Err(ToolError::BadQuery("a query needs a log_group, or a service that has one".to_owned()));
        }
        let mut gathered = Gathered::default();
        let mut gaps = logs::insights(&self.caller, &groups, text, window, subject, &mut gathered).await?;
        let call = format!("{}: {}", groups.join(", "), one_line(text, 400));
        let (telemetry, more) = gathered.finish(&call);
        gaps.extend(more);
        Ok(Observation { telemetry, gaps, call })
    }
}

/// Whom the answer is about.
fn subject(args: &BTreeMap<String, String>) -> String {
    let named = |name: &str| arg(args, name).map(|value| one_line(value, 200));
    match (named("service"), named("namespace"), named("instance")) {
        (Some(service), Some(namespace), _) => format!("service/{namespace}/{service}"),
        (Some(service), None, _) => format!("service/{service}"),
        (None, _, Some(instance)) => format!("host/{instance}"),
        _ => format!("log/{}", named("log_group").or(named("alarm")).unwrap_or_default()),
    }
}

impl Tool for CloudWatch {
    fn name(&self) -> &str {
        "cloudwatch"
    }

    fn describe(&self) -> &str {
        &self.describe
    }

    fn first_look(&self, case: &Investigation) -> Vec<Question> {
        let mut args = BTreeMap::new();
        let mut take = |name: &str, value: Option<&str>| {
            args.extend(value.map(|value| (name.to_owned(), value.chars().take(200).collect::<String>())));
        };
        let names = ["service", "service_name", "app", "function", "deployment", "container", "component"];
        take("service", label(case, &names));
        take("instance", label(case, &["instance", "instance_id"]).filter(|value| value.starts_with("i-")));
        if case.signal.source == "cloudwatch" {
            take("alarm", label(case, &["alertname"]));
        }
        if args.is_empty() {
            return vec![];
        }
        take_namespace(case, &mut args);
        args.insert("onset".to_owned(), case.signal.occurred_at.to_string());
        let why = "what do its logs, metrics and alarms in CloudWatch say?".to_owned();
        vec![Question { tool: self.name().to_owned(), args, why }]
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        Box::pin(self.look(query))
    }

    fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
        Box::pin(async {
            let groups = self.caller.call(LOGS, "DescribeLogGroups", &json!({"limit": 1})).await?;
            self.caller.call(MONITORING, "DescribeAlarms", &json!({"MaxRecords": 1})).await?;
            let none = groups["logGroups"].as_array().is_none_or(Vec::is_empty);
            let found = if none { "there are no log groups yet" } else { "log groups and alarms can be read" };
            Ok(Some(format!("{}: {found}", self.caller.region())))
        })
    }
}

fn take_namespace(case: &Investigation, args: &mut BTreeMap<String, String>) {
    let namespace = label(case, &["namespace"]).filter(|value| !value.contains('/'));
    args.extend(namespace.map(|value| ("namespace".to_owned(), value.chars().take(200).collect())));
}

impl std::fmt::Debug for CloudWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CloudWatch").field("region", &self.caller.region()).finish_non_exhaustive()
    }
}
