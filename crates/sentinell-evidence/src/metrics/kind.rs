//! What a metric's name says about it: which direction hurts, how narrowly it points at a cause, and how small a change
//! means nothing. General words of the trade only.

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A share of calls that succeed, or of time that something is up: only a fall hurts.
    Success,
    /// Failures: only a rise hurts.
    Failures,
    /// Segments that TCP sends again: a few are how it finds its pace.
    Resent,
    /// For how much of the time a limit on the processor holds it up.
    Throttled,
    /// How long something takes.
    Latency,
    /// Memory in use.
    Memory,
    /// Processor in use.
    Processor,
    /// How much is asked or sent: it follows everything else that happens.
    Traffic,
    /// Anything else.
    Other,
}

const WORDS: [(Kind, &[&str]); 8] = [
    (Kind::Success, &["success", "successful", "availability", "available", "uptime"]),
    (
        Kind::Failures,
        &[
            "error", "errors", "failed", "failure", "failures", "fail", "timeout", "timeouts", "dropped", "drops",
            "5xx", "4xx", "fault", "faults",
        ],
    ),
    (Kind::Resent, &["retransmits", "retransmit", "retransmissions", "retransmitted", "retrans"]),
    (Kind::Throttled, &["throttled", "throttling"]),
    (Kind::Latency, &["latency", "lat", "duration", "delay", "elapsed", "rtt"]),
    (Kind::Memory, &["memory", "mem", "heap", "rss"]),
    (Kind::Processor, &["cpu", "processor"]),
    (
        Kind::Traffic,
        &[
            "requests",
            "request",
            "rps",
            "qps",
            "throughput",
            "calls",
            "receive",
            "received",
            "transmit",
            "transmitted",
            "workload",
        ],
    ),
];

/// Beginnings and parts of names that client libraries, exporters and the scraping itself add
/// (<https://prometheus.io/docs/instrumenting/writing_clientlibs/>, "Standard and runtime collectors"): how long a garbage
/// collection or a scrape takes says nothing of how long a request does.
const WATCHERS: [&str; 4] = ["go_", "python_gc_", "scrape_", "promhttp_"];

/// Whether a series is about the watching, or the runtime, and not about the work.
pub(crate) fn is_of_the_watcher(name: &str) -> bool {
    let name = name.strip_prefix("rate(").unwrap_or(name);
    WATCHERS.iter().any(|beginning| name.starts_with(beginning)) || name.contains("exporter_")
}

impl Kind {
    /// By the words of a name; the first kind that has one of them.
    pub(crate) fn of(name: &str) -> Self {
        let lower = name.to_ascii_lowercase();
        let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let known = WORDS.iter().find(|(_, known)| words.iter().any(|word| known.contains(word)));
        known.map_or(Self::Other, |(kind, _)| *kind)
    }

    /// What a rise and a fall are worth: a fall of what is consumed, or of a latency, is mostly the effect of less work.
    pub(super) fn hurts(self) -> (f64, f64) {
        match self {
            Self::Success => (0.0, 1.0),
            Self::Failures | Self::Resent | Self::Throttled => (1.0, 0.0),
            Self::Latency | Self::Memory | Self::Processor => (1.0, 0.5),
            Self::Traffic => (0.5, 0.5),
            Self::Other => (1.0, 1.0),
        }
    }

    /// How narrowly it names a cause. What grows in memory is rarely an effect; work on anything costs processor time;
    /// latency and failures show where it hurts; traffic follows the users.
    pub(super) fn specificity(self) -> u8 {
        match self {
            Self::Memory => 4,
            Self::Processor => 3,
            Self::Success | Self::Failures | Self::Resent | Self::Throttled | Self::Latency | Self::Other => 2,
            Self::Traffic => 1,
        }
    }
}

/// A share near its ceiling says most as its distance from it: of 99 % and 97 % one failure in a hundred became three.
///
/// `values` are turned round in place (into per cent that fail) if they are such shares; the ceiling (100 or 1) comes back.
pub(crate) fn from_the_ceiling(kind: Kind, values: &mut [(i64, f64)]) -> Option<f64> {
    if kind != Kind::Success {
        return None;
    }
    let highest = values.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let ceiling = if highest > 1.5 { 100.0 } else { 1.0 };
    if highest > ceiling || values.iter().any(|(_, value)| *value < 0.0) {
        return None;
    }
    for (_, value) in values {
        *value = 100.0 - 100.0 * *value / ceiling;
    }
    Some(ceiling)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_tell_the_kind() {
        let kinds = ["till_latency_p99", "success_rate", "mem", "cpu_usage_percent", "http_requests_total", "platform"];
        let expected = [Kind::Latency, Kind::Success, Kind::Memory, Kind::Processor, Kind::Traffic, Kind::Other];
        assert_eq!(kinds.map(Kind::of), expected);
        assert_eq!(Kind::of("http_requests_failed_total"), Kind::Failures);
    }
}
