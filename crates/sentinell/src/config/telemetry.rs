//! Where traces and metrics are sent: `[telemetry]` of the file, or the variables that OpenTelemetry itself has names for.

use super::Secret;
use serde::Deserialize;
use std::collections::BTreeMap;

/// `[telemetry]` as it was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawTelemetry {
    pub endpoint: Option<String>,
    pub traces_endpoint: Option<String>,
    pub metrics_endpoint: Option<String>,
    pub headers: BTreeMap<String, Secret>,
    pub service_name: Option<String>,
    pub attributes: BTreeMap<String, String>,
    pub sampler: Option<String>,
    pub ratio: Option<f64>,
    pub traces: Option<bool>,
    pub metrics: Option<bool>,
    pub timeout_millis: Option<u64>,
    pub interval_millis: Option<u64>,
    #[serde(skip)]
    disabled: bool,
}

/// Where traces and metrics are sent, and how much of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Telemetry {
    /// The whole URL that traces are posted to; none: no traces.
    pub traces: Option<String>,
    /// The whole URL that metrics are posted to; none: no metrics.
    pub metrics: Option<String>,
    /// Headers of every such request.
    pub headers: BTreeMap<String, Secret>,
    /// Our name there.
    pub service_name: String,
    /// More that is said about this process (`deployment.environment.name`, …).
    pub attributes: BTreeMap<String, String>,
    /// Which traces are kept.
    pub sampler: Sampler,
    /// How long one delivery may take, milliseconds.
    pub timeout_millis: u64,
    /// How often metrics are delivered, milliseconds.
    pub interval_millis: u64,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            traces: None,
            metrics: None,
            headers: BTreeMap::new(),
            service_name: "sentinell".into(),
            attributes: BTreeMap::new(),
            sampler: Sampler { ratio: 1.0, ask_parent: true },
            timeout_millis: 10_000,
            interval_millis: 60_000,
        }
    }
}

/// Which traces are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// Of the traces that begin here: 0 none, 1 all.
    pub ratio: f64,
    /// Whether a caller that has decided already is followed.
    pub ask_parent: bool,
}

impl RawTelemetry {
    /// Lays OpenTelemetry's own variables over the file.
    pub(super) fn lay_environment(&mut self, get: impl Fn(&str) -> Option<String>, problems: &mut Vec<String>) {
        self.disabled = get("OTEL_SDK_DISABLED").is_some_and(|word| word.eq_ignore_ascii_case("true"));
        self.endpoint = get("OTEL_EXPORTER_OTLP_ENDPOINT").or(self.endpoint.take());
        self.traces_endpoint = get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or(self.traces_endpoint.take());
        self.metrics_endpoint = get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT").or(self.metrics_endpoint.take());
        self.service_name = get("OTEL_SERVICE_NAME").or(self.service_name.take());
        self.sampler = get("OTEL_TRACES_SAMPLER").or(self.sampler.take());
        let mut number = |name: &str| {
            let text = get(name)?;
            text.parse::<f64>().map_err(|_| problems.push(format!("{name}: expected a number"))).ok()
        };
        self.ratio = number("OTEL_TRACES_SAMPLER_ARG").or(self.ratio);
        let millis = |number: f64| number.max(0.0) as u64;
        self.timeout_millis = number("OTEL_EXPORTER_OTLP_TIMEOUT").map(millis).or(self.timeout_millis);
        self.interval_millis = number("OTEL_METRIC_EXPORT_INTERVAL").map(millis).or(self.interval_millis);
        for (name, wanted) in [("OTEL_TRACES_EXPORTER", &mut self.traces), ("OTEL_METRICS_EXPORTER", &mut self.metrics)]
        {
            match get(name).as_deref() {
                None => {}
                Some("otlp") => *wanted = Some(true),
                Some("none") => *wanted = Some(false),
                Some(_) => problems.push(format!("{name}: expected otlp or none; nothing else is spoken")),
            }
        }
        if get("OTEL_EXPORTER_OTLP_PROTOCOL").is_some_and(|protocol| protocol != "http/protobuf") {
            problems.push(
                "OTEL_EXPORTER_OTLP_PROTOCOL: expected http/protobuf (usually port 4318); nothing else is spoken"
                    .into(),
            );
        }
        let pairs = |name: &str| pairs(&get(name).unwrap_or_default());
        self.attributes.extend(pairs("OTEL_RESOURCE_ATTRIBUTES"));
        let headers = pairs("OTEL_EXPORTER_OTLP_HEADERS");
        self.headers.extend(headers.into_iter().map(|(name, value)| (name, Secret::new(value))));
    }

    /// Checks it; off unless an endpoint is named.
    pub(super) fn check(self, problems: &mut Vec<String>) -> Telemetry {
        let defaults = Telemetry::default();
        let base = self.endpoint.as_deref().map(|url| url.trim_end_matches('/'));
        let under = |path: &str| base.map(|base| format!("{base}/v1/{path}"));
        let mut url = |name: &str, wanted: Option<bool>, url: Option<String>| {
            let url = url.filter(|_| wanted.unwrap_or(true) && !self.disabled)?;
            // The text is not repeated: a mistyped URL may carry a password.
            if !url.starts_with("http://") && !url.starts_with("https://") {
                problems.push(format!("telemetry.{name}: must begin with http:// or https://"));
            }
            Some(url)
        };
        let traces = url("traces_endpoint", self.traces, self.traces_endpoint.or_else(|| under("traces")));
        let metrics = url("metrics_endpoint", self.metrics, self.metrics_endpoint.or_else(|| under("metrics")));
        let sampler = sampler(self.sampler.as_deref(), self.ratio, problems);
        let mut between = |name: &str, value: u64, low: u64, high: u64| {
            if !(low..=high).contains(&value) {
                problems.push(format!("telemetry.{name}: {value} is out of range; {low} to {high}"));
            }
            value
        };
        Telemetry {
            traces,
            metrics,
            headers: self.headers,
            service_name: self.service_name.unwrap_or(defaults.service_name),
            attributes: self.attributes,
            sampler,
            timeout_millis: between(
                "timeout_millis",
                self.timeout_millis.unwrap_or(defaults.timeout_millis),
                1,
                60_000,
            ),
            interval_millis: between(
                "interval_millis",
                self.interval_millis.unwrap_or(defaults.interval_millis),
                100,
                3_600_000,
            ),
        }
    }
}

fn sampler(word: Option<&str>, ratio: Option<f64>, problems: &mut Vec<String>) -> Sampler {
    let ratio = ratio.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&ratio) {
        problems.push("telemetry.ratio (OTEL_TRACES_SAMPLER_ARG): expected a number from 0 to 1".into());
    }
    let word = word.unwrap_or("parentbased_traceidratio");
    let ask_parent = word.starts_with("parentbased_");
    let ratio = match word.trim_start_matches("parentbased_") {
        "always_on" => 1.0,
        "always_off" => 0.0,
        "traceidratio" => ratio,
        _ => {
            problems.push(
                "telemetry.sampler (OTEL_TRACES_SAMPLER): expected always_on, always_off or traceidratio, perhaps with parentbased_ before it".into(),
            );
            1.0
        }
    };
    Sampler { ratio, ask_parent }
}

/// `name=value,name=value` with per cent signs, as OpenTelemetry spells lists.
fn pairs(text: &str) -> BTreeMap<String, String> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        Some((name.trim().to_owned(), decoded(value.trim())))
    };
    text.split(',').filter_map(pair).filter(|(name, _)| !name.is_empty()).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        let (byte, taken) = match code {
            Some(code) if first == b'%' => (code, 3),
            _ => (first, 1),
        };
        bytes.push(byte);
        rest = &rest[taken..];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Telemetry, Vec<String>) {
        let get = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let (mut raw, mut problems) = (RawTelemetry::default(), vec![]);
        raw.lay_environment(get, &mut problems);
        (raw.check(&mut problems), problems)
    }

    #[test]
    fn nothing_is_sent_unless_somebody_says_where_to() {
        assert_eq!(read(&[]), (Telemetry::default(), vec![]));
        let (off, problems) = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"), ("OTEL_SDK_DISABLED", "TRUE")]);
        assert_eq!((off.traces, off.metrics, problems), (None, None, vec![]));
    }

    #[test]
    fn the_standard_variables_mean_what_they_mean_everywhere() {
        let (telemetry, problems) = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/"),
            ("OTEL_METRICS_EXPORTER", "none"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x=%zz"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging"),
            ("OTEL_SERVICE_NAME", "pager"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ]);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!((telemetry.traces.as_deref(), telemetry.metrics), (Some("http://c:4318/v1/traces"), None));
        assert_eq!(telemetry.headers["api-key"].expose(), "a b");
        assert_eq!(telemetry.headers["x"].expose(), "%zz");
        assert_eq!(telemetry.attributes["deployment.environment.name"], "staging");
        assert_eq!(telemetry.service_name, "pager");
        assert_eq!(telemetry.sampler, Sampler { ratio: 0.25, ask_parent: true });
    }

    #[test]
    fn what_is_not_spoken_is_refused_with_what_to_write_instead() {
        let (_, problems) = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "c:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_TRACES_SAMPLER_ARG", "many"),
        ]);
        // Both URLs are wrong for the same reason.
        assert_eq!(problems.len(), 6, "{problems:#?}");
    }
}
