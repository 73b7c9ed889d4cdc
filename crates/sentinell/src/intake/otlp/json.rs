//! The JSON form: Protobuf's mapping, with ids in hexadecimal digits. Of what is not told, the bytes are passed over.

use super::{DEPTH, Record, Resource, level, millis};
use crate::intake::lines::{Lines, Place};
use crate::intake::raw::{Few, each, object};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow, default, rename = "resourceLogs")]
    resource_logs: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ResourceLogs<'a> {
    #[serde(borrow, default)]
    resource: Option<Attributes<'a>>,
    #[serde(borrow, default, rename = "scopeLogs")]
    scope_logs: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Attributes<'a> {
    #[serde(borrow, default)]
    attributes: Few<'a>,
}

#[derive(Deserialize)]
struct ScopeLogs<'a> {
    #[serde(borrow, default, rename = "logRecords")]
    log_records: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct LogRecord<'a> {
    #[serde(borrow, default, rename = "timeUnixNano")]
    time: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "observedTimeUnixNano")]
    observed: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "severityNumber")]
    number: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "severityText")]
    word: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
    #[serde(borrow, default)]
    attributes: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "traceId")]
    trace: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "eventName")]
    event: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct KeyValue<'a> {
    #[serde(borrow, default)]
    key: Cow<'a, str>,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct AnyValue<'a> {
    #[serde(borrow, default, rename = "stringValue")]
    text: Option<Cow<'a, str>>,
    #[serde(default, rename = "boolValue")]
    truth: Option<bool>,
    #[serde(borrow, default, rename = "intValue")]
    whole: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "doubleValue")]
    real: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "arrayValue")]
    array: Option<Values<'a>>,
    #[serde(borrow, default, rename = "kvlistValue")]
    map: Option<Values<'a>>,
}

#[derive(Deserialize)]
struct Values<'a> {
    #[serde(borrow, default)]
    values: Few<'a>,
}

/// Reads a request into lines.
///
/// # Errors
/// What is not JSON, or not of this shape.
pub fn read(body: &[u8], lines: &mut Lines) -> serde_json::Result<()> {
    let whole: &RawValue = serde_json::from_slice(body)?;
    let request: Request<'_> = object(whole)?;
    each_of(request.resource_logs, |logs| {
        let logs: ResourceLogs<'_> = object(logs)?;
        let mut resource = Resource::default();
        for attribute in logs.resource.into_iter().flat_map(|resource| resource.attributes.0) {
            let attribute: KeyValue<'_> = object(attribute)?;
            resource.attribute(&attribute.key, &plain(attribute.value)?);
        }
        let place = resource.place(lines);
        each_of(logs.scope_logs, |scope| {
            let scope: ScopeLogs<'_> = object(scope)?;
            each_of(scope.log_records, |record| tell(&place, object(record)?, lines))
        })
    })
}

fn tell(place: &Place, record: LogRecord<'_>, lines: &mut Lines) -> serde_json::Result<()> {
    let level = level(severity(record.number), record.word.as_deref().unwrap_or_default());
    if !lines.wants(level) {
        lines.let_go();
        return Ok(());
    }
    let mut told = Record {
        level,
        at: number(record.time).and_then(millis).or_else(|| number(record.observed).and_then(millis)),
        body: value(record.body, DEPTH)?,
        trace: record.trace.unwrap_or_default().into_owned(),
        event: record.event.unwrap_or_default().into_owned(),
        ..Record::default()
    };
    let attributes: Few<'_> =
        record.attributes.map(|raw| serde_json::from_str(raw.get())).transpose()?.unwrap_or_default();
    for attribute in attributes.0 {
        let attribute: KeyValue<'_> = object(attribute)?;
        let text = plain(attribute.value)?;
        told.attribute(&attribute.key, || text);
    }
    told.tell(place, lines);
    Ok(())
}

/// Lists that are not there are empty.
fn each_of<'a>(
    list: Option<&'a RawValue>,
    work: impl FnMut(&'a RawValue) -> serde_json::Result<()>,
) -> serde_json::Result<()> {
    list.map_or(Ok(()), |list| each(list, work))
}

/// A number, which may stand in quotation marks.
fn number(raw: Option<&RawValue>) -> Option<u64> {
    raw?.get().trim_matches('"').parse().ok()
}

/// A severity's number, or its name in Protobuf.
fn severity(raw: Option<&RawValue>) -> u64 {
    let Some(raw) = raw else { return 0 };
    let text = raw.get().trim_matches('"');
    let Some(name) = text.strip_prefix("SEVERITY_NUMBER_") else { return text.parse().unwrap_or(0) };
    let names = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
    let place = names.iter().position(|known| name.trim_end_matches(|c: char| c.is_ascii_digit()) == *known);
    place.map_or(0, |place| place as u64 * 4 + 1)
}

/// An attribute's value as text.
fn plain(raw: Option<&RawValue>) -> serde_json::Result<String> {
    Ok(match value(raw, 1)? {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    })
}

/// A value in plain JSON; what lies deeper than `depth` is left out.
fn value(raw: Option<&RawValue>, depth: usize) -> serde_json::Result<Value> {
    let (Some(raw), true) = (raw, depth > 0) else { return Ok(Value::Null) };
    let any: AnyValue<'_> = object(raw)?;
    Ok(match any {
        AnyValue { text: Some(text), .. } => Value::String(text.into_owned()),
        AnyValue { truth: Some(truth), .. } => Value::Bool(truth),
        AnyValue { whole: Some(number), .. } | AnyValue { real: Some(number), .. } => {
            let text = number.get().trim_matches('"');
            serde_json::from_str(text).ok().filter(Value::is_number).unwrap_or_else(|| Value::String(text.to_owned()))
        }
        AnyValue { array: Some(list), .. } => {
            Value::Array(list.values.0.into_iter().map(|raw| value(Some(raw), depth - 1)).collect::<Result<_, _>>()?)
        }
        AnyValue { map: Some(map), .. } => {
            let mut fields = Map::new();
            for raw in map.values.0 {
                let field: KeyValue<'_> = object(raw)?;
                fields.insert(field.key.clone().into_owned(), value(field.value, depth - 1)?);
            }
            Value::Object(fields)
        }
        _ => Value::Null,
    })
}
