//! What is pushed to Loki (<https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs>), in both of its forms.

use super::lines::{Line, Lines, Place, level_word, structured};
use super::raw::{each, object};
use super::wire::{Broken, Field, Fields};
use sentinell_evidence::case::Level;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// Labels of one stream that are looked at.
const MOST_LABELS: usize = 64;

/// Names of streams' labels and what they mean; the first that is there wins.
const LABELS: [(&str, &[&str]); 12] = [
    ("service", &["service", "service_name", "app", "app_kubernetes_io_name", "container", "container_name", "job"]),
    ("namespace", &["namespace", "k8s_namespace_name", "kubernetes_namespace_name"]),
    ("pod", &["pod", "pod_name", "k8s_pod_name"]),
    ("container", &["container", "container_name", "k8s_container_name"]),
    ("node", &["node", "node_name", "k8s_node_name"]),
    ("host", &["host", "hostname", "host_name"]),
    ("instance", &["instance"]),
    ("job", &["job"]),
    ("deployment", &["deployment", "k8s_deployment_name"]),
    ("cluster", &["cluster", "k8s_cluster_name"]),
    ("environment", &["environment", "env", "deployment_environment"]),
    ("region", &["region"]),
];
const LEVELS: [&str; 4] = ["level", "detected_level", "severity", "severity_text"];
const TRACES: [&str; 3] = ["trace_id", "traceID", "traceid"];

type Labels<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// A stream: who writes, and how loud if its labels tell.
struct Stream {
    place: Place,
    level: Option<Level>,
}

impl Stream {
    fn of(labels: &Labels<'_>, lines: &mut Lines) -> Self {
        let find = |names: &[&str]| {
            let found = names.iter().filter_map(|name| labels.get(*name).map(Cow::as_ref));
            // What Loki itself says when it does not know.
            found.into_iter().find(|value| *value != "unknown_service")
        };
        let known = LABELS.iter().filter_map(|(label, names)| Some((*label, find(names)?)));
        let place = lines.place(known.collect::<Vec<_>>(), None);
        Self { place, level: find(&LEVELS).and_then(level_word) }
    }

    fn line(&self, at: Option<i64>, text: &str, metadata: &Labels<'_>, lines: &mut Lines) {
        let told = |names: &[&str]| names.iter().find_map(|name| metadata.get(*name)).map_or("", Cow::as_ref);
        let level = level_word(told(&LEVELS)).or(self.level);
        if !lines.wants(level) || text.trim().is_empty() {
            return lines.let_go();
        }
        let trace = told(&TRACES);
        match structured(text) {
            Some(read) => {
                let said = read.message.as_deref().unwrap_or(text);
                let trace = if trace.is_empty() { &read.trace } else { trace };
                lines.add(&self.place, Line { text: said, level: level.or(read.level), at, trace, more: &read.more });
            }
            None => lines.add(&self.place, Line { text, level, at, trace, more: "" }),
        }
    }
}

#[derive(Deserialize)]
struct Push<'a> {
    #[serde(borrow)]
    streams: &'a RawValue,
}

#[derive(Deserialize)]
struct PushedStream<'a> {
    #[serde(borrow, default)]
    stream: Pairs<'a>,
    #[serde(borrow)]
    values: &'a RawValue,
}

/// Labels, a bounded number of them.
#[derive(Default)]
struct Pairs<'a>(Labels<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Few;
        impl<'de> Visitor<'de> for Few {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object whose values are texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut labels = Labels::new();
                while let Some((Text(name), Text(value))) = map.next_entry()? {
                    if labels.len() < MOST_LABELS {
                        labels.insert(name, value);
                    }
                }
                Ok(Pairs(labels))
            }
        }
        deserializer.deserialize_map(Few)
    }
}

/// A text that is borrowed where it can be.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads the JSON form into lines.
///
/// # Errors
/// What is not JSON, or not of this shape.
pub fn read_json(body: &[u8], lines: &mut Lines) -> serde_json::Result<()> {
    let push: Push<'_> = object(serde_json::from_slice(body)?)?;
    each(push.streams, |raw| {
        let pushed: PushedStream<'_> = object(raw)?;
        let stream = Stream::of(&pushed.stream.0, lines);
        each(pushed.values, |raw| {
            let (at, text, metadata) = value(raw)?;
            stream.line(at, &text, &metadata, lines);
            Ok(())
        })
    })
}

/// `["<nanoseconds>", "<line>", {metadata}?]`.
fn value(raw: &RawValue) -> serde_json::Result<(Option<i64>, Cow<'_, str>, Labels<'_>)> {
    let mut parts: [Option<&RawValue>; 3] = [None; 3];
    let mut count = 0;
    each(raw, |part| {
        *parts.get_mut(count).ok_or_else(|| serde_json::Error::custom("a value has at most three parts"))? = Some(part);
        count += 1;
        Ok(())
    })?;
    let [Some(at), Some(text), metadata] = parts else {
        return Err(serde_json::Error::custom("a value is a list of a time and a line"));
    };
    let Text(at) = serde_json::from_str(at.get())?;
    let nanos: i64 =
        at.parse().map_err(|_| serde_json::Error::custom("a time is nanoseconds since 1970, in quotation marks"))?;
    let Text(text) = serde_json::from_str(text.get())?;
    let Pairs(metadata) = metadata.map(|raw| serde_json::from_str(raw.get())).transpose()?.unwrap_or_default();
    Ok((millis(nanos), text, metadata))
}

fn millis(nanos: i64) -> Option<i64> {
    Some(nanos / 1_000_000).filter(|at| *at > 0)
}

/// Reads the protobuf form, unpacked, into lines.
///
/// # Errors
/// What is no such message.
pub fn read_protobuf(body: &[u8], lines: &mut Lines) -> Result<(), Broken> {
    for read in Fields(body) {
        let (1, Field::Bytes(stream)) = read? else { continue };
        let mut labels = Cow::Borrowed("");
        for read in Fields(stream) {
            if let (1, field) = read? {
                labels = field.text()?;
            }
        }
        let stream_of = Stream::of(&selector(&labels), lines);
        for read in Fields(stream) {
            if let (2, Field::Bytes(entry)) = read? {
                tell(&stream_of, entry, lines)?;
            }
        }
    }
    Ok(())
}

fn tell(stream: &Stream, entry: &[u8], lines: &mut Lines) -> Result<(), Broken> {
    let (mut seconds, mut nanos, mut text, mut metadata) = (0_u64, 0_u64, Cow::Borrowed(""), Labels::new());
    for read in Fields(entry) {
        match read? {
            (1, Field::Bytes(time)) => {
                for read in Fields(time) {
                    match read? {
                        (1, field) => seconds = field.number()?,
                        (2, field) => nanos = field.number()?,
                        _ => {}
                    }
                }
            }
            (2, field) => text = field.text()?,
            (3, Field::Bytes(pair)) if metadata.len() < MOST_LABELS => {
                let (mut name, mut value) = (Cow::Borrowed(""), Cow::Borrowed(""));
                for read in Fields(pair) {
                    match read? {
                        (1, field) => name = field.text()?,
                        (2, field) => value = field.text()?,
                        _ => {}
                    }
                }
                metadata.insert(name, value);
            }
            _ => {}
        }
    }
    let at = i64::try_from(seconds).ok().and_then(|seconds| seconds.checked_mul(1000));
    let at = at.filter(|at| *at > 0).and_then(|at| at.checked_add(i64::try_from(nanos / 1_000_000).ok()?));
    stream.line(at, &text, &metadata, lines);
    Ok(())
}

/// The labels of `{app="mill", pod="mill-0"}`, as far as it can be read.
fn selector(text: &str) -> Labels<'_> {
    let mut labels = Labels::new();
    let mut rest = text.trim().trim_start_matches('{');
    while let Some((name, after)) = rest.split_once('=') {
        let Some(quoted) = after.trim_start().strip_prefix('"') else { break };
        let Some(end) = end_of_quotation(quoted) else { break };
        let value: Cow<'_, str> = match quoted[..end].contains('\\') {
            false => Cow::Borrowed(&quoted[..end]),
            true => Cow::Owned(serde_json::from_str(&format!("\"{}\"", &quoted[..end])).unwrap_or_default()),
        };
        if labels.len() < MOST_LABELS {
            labels.insert(Cow::Borrowed(name.trim().trim_start_matches(',').trim()), value);
        }
        rest = &quoted[end + 1..];
    }
    labels
}

fn end_of_quotation(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::Incoming;

    fn told(lines: Lines) -> Vec<(Incoming, u64)> {
        assert_eq!((lines.below, lines.told), (2, 3));
        lines.into_signals("loki", |_| Ok::<_, ()>(crate::intake::tests::receipt())).unwrap()
    }

    fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
        out.push(number << 3 | 2);
        out.push(u8::try_from(bytes.len()).unwrap());
        out.extend_from_slice(bytes);
    }

    fn entry(text: &str, metadata: &[(&str, &str)]) -> Vec<u8> {
        let mut entry = vec![];
        // 1,795,348,800 seconds as a varint.
        field(&mut entry, 1, &[0x08, 0xc0, 0xb2, 0x8b, 0xd8, 0x06]);
        field(&mut entry, 2, text.as_bytes());
        for (name, value) in metadata {
            let mut pair = vec![];
            field(&mut pair, 1, name.as_bytes());
            field(&mut pair, 2, value.as_bytes());
            field(&mut entry, 3, &pair);
        }
        entry
    }

    #[test]
    fn both_forms_of_a_push_say_the_same() {
        let body = r#"{"streams": [
            {"stream": {"service_name": "mill", "namespace": "valley", "pod": "mill-0"}, "values": [
                ["1795348800000000000", "the wheel turns"], ["1795348800000000000", "level=error msg=\"the wheel jams\""],
                ["1795348800000000000", "no grain", {"detected_level": "error", "trace_id": "ab12"}],
                ["1795348800000000000", "an error as prose", {"detected_level": "info"}]]},
            {"stream": {"app": "weir"}, "values": [["1795348800000000000", "{\"level\":\"fatal\",\"msg\":\"the weir broke\"}"]]}]}"#;
        let mut lines = Lines::new(Level::Error);
        read_json(body.as_bytes(), &mut lines).unwrap();
        let plain = told(lines);
        let (mut push, mut mill, mut weir) = (vec![], vec![], vec![]);
        field(&mut mill, 1, br#"{service_name="mill", namespace="valley",pod="mill-0"}"#);
        field(&mut mill, 2, &entry("the wheel turns", &[]));
        field(&mut mill, 2, &entry("level=error msg=\"the wheel jams\"", &[]));
        field(&mut mill, 2, &entry("no grain", &[("detected_level", "error"), ("trace_id", "ab12")]));
        field(&mut mill, 2, &entry("an error as prose", &[("detected_level", "info")]));
        field(&mut weir, 1, br#"{app="weir"}"#);
        field(&mut weir, 2, &entry("{\"level\":\"fatal\",\"msg\":\"the weir broke\"}", &[]));
        for stream in [mill, weir] {
            push.extend([0x0a, 0x80 | (stream.len() & 0x7f) as u8, (stream.len() >> 7) as u8]);
            push.extend(stream);
        }
        let mut lines = Lines::new(Level::Error);
        read_protobuf(&push, &mut lines).unwrap();
        assert_eq!(plain, told(lines));
        let label = |of: usize, name: &str| plain[of].0.signal.labels.get(name).cloned();
        assert_eq!((label(0, "service"), label(2, "service")), (Some("mill".into()), Some("weir".into())));
        assert_eq!(plain[1].0.signal.metadata["trace_id"], "ab12");
        assert_eq!(plain[2].0.signal.title, "the weir broke");
        assert_eq!(plain[0].0.signal.occurred_at.0, 1_795_348_800_000);
    }

    #[test]
    fn what_is_no_push_is_refused_and_odd_selectors_are_read_as_far_as_they_go() {
        let read = |text: &str| read_json(text.as_bytes(), &mut Lines::new(Level::Error));
        for wrong in [
            "{}",
            "[]",
            r#"{"streams": 1}"#,
            r#"{"streams": [{"stream": {}, "values": [["x", "y"]]}]}"#,
            r#"{"streams": [{"stream": {"a": 1}, "values": []}]}"#,
            r#"{"streams": [{"stream": {}, "values": [["1"]]}]}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(read(r#"{"streams": []}"#).is_ok());
        let of = |text: &'static str| selector(text).into_iter().map(|(n, v)| format!("{n}:{v}")).collect::<Vec<_>>();
        assert_eq!(of(r#"{a="x, y=\"z\"", b="2"}"#), ["a:x, y=\"z\"", "b:2"]);
        assert_eq!(of(r#"{a="open"#), Vec::<String>::new());
    }
}
