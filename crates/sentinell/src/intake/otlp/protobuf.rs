//! The protobuf form, by the field numbers of opentelemetry/proto/logs/v1/logs.proto.

use super::{ATTRIBUTES, DEPTH, Record, Resource, level, millis};
use crate::intake::lines::{Lines, Place};
use crate::intake::wire::{Broken, Field, Fields};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;

/// Reads a request into lines.
///
/// # Errors
/// What is no such message.
pub fn read(body: &[u8], lines: &mut Lines) -> Result<(), Broken> {
    for logs in messages(body, 1) {
        let logs = logs?;
        let mut resource = Resource::default();
        for found in messages(logs, 1) {
            for attribute in messages(found?, 1).take(ATTRIBUTES) {
                let (name, raw) = key_value(attribute?)?;
                resource.attribute(&name, &plain(raw)?);
            }
        }
        let place = resource.place(lines);
        for scope in messages(logs, 2) {
            for record in messages(scope?, 2) {
                tell(&place, record?, lines)?;
            }
        }
    }
    Ok(())
}

/// The messages in a repeated field.
fn messages(bytes: &[u8], field: u64) -> impl Iterator<Item = Result<&[u8], Broken>> {
    Fields(bytes).filter_map(move |read| match read {
        Ok((number, value)) if number == field => Some(value.bytes()),
        Ok(_) => None,
        Err(broken) => Some(Err(broken)),
    })
}

fn tell(place: &Place, record: &[u8], lines: &mut Lines) -> Result<(), Broken> {
    let (mut time, mut observed, mut number, mut word) = (0, 0, 0, Cow::Borrowed(""));
    let (mut body, mut trace, mut event): (_, &[u8], _) = (None, &[], Cow::Borrowed(""));
    for read in Fields(record) {
        match read? {
            (1, value) => time = value.number()?,
            (2, value) => number = value.number()?,
            (3, value) => word = value.text()?,
            (5, value) => body = Some(value.bytes()?),
            (9, value) => trace = value.bytes()?,
            (11, value) => observed = value.number()?,
            (12, value) => event = value.text()?,
            _ => {}
        }
    }
    let level = level(number, &word);
    if !lines.wants(level) {
        lines.let_go();
        return Ok(());
    }
    let mut told = Record {
        level,
        at: millis(time).or_else(|| millis(observed)),
        body: body.map_or(Ok(Value::Null), |raw| value(raw, DEPTH))?,
        trace: trace.iter().take(16).map(|byte| format!("{byte:02x}")).collect(),
        event: event.into_owned(),
        ..Record::default()
    };
    for attribute in messages(record, 6).take(ATTRIBUTES) {
        let (name, raw) = key_value(attribute?)?;
        let text = plain(raw)?;
        told.attribute(&name, || text);
    }
    told.tell(place, lines);
    Ok(())
}

fn key_value(bytes: &[u8]) -> Result<(Cow<'_, str>, &[u8]), Broken> {
    let (mut name, mut value): (_, &[u8]) = (Cow::Borrowed(""), &[]);
    for read in Fields(bytes) {
        match read? {
            (1, field) => name = field.text()?,
            (2, field) => value = field.bytes()?,
            _ => {}
        }
    }
    Ok((name, value))
}

/// An attribute's value as text.
fn plain(raw: &[u8]) -> Result<String, Broken> {
    Ok(match value(raw, 1)? {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    })
}

/// A value in plain JSON; what lies deeper than `depth` is left out.
fn value(raw: &[u8], depth: usize) -> Result<Value, Broken> {
    let mut found = Value::Null;
    if depth == 0 {
        return Ok(found);
    }
    for read in Fields(raw) {
        found = match read? {
            (1, field) => Value::String(field.text()?.into_owned()),
            (2, field) => Value::Bool(field.number()? != 0),
            (3, field) => Value::Number(field.number()?.cast_signed().into()),
            (4, field) => Number::from_f64(f64::from_bits(field.number()?)).map_or(Value::Null, Value::Number),
            (5, Field::Bytes(list)) => {
                let values = messages(list, 1).take(ATTRIBUTES).map(|raw| value(raw?, depth - 1));
                Value::Array(values.collect::<Result<_, _>>()?)
            }
            (6, Field::Bytes(map)) => {
                let mut fields = Map::new();
                for field in messages(map, 1).take(ATTRIBUTES) {
                    let (name, raw) = key_value(field?)?;
                    fields.insert(name.into_owned(), value(raw, depth - 1)?);
                }
                Value::Object(fields)
            }
            _ => found,
        };
    }
    Ok(found)
}
