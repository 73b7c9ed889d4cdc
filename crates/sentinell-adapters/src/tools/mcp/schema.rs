//! Arguments held against the schema that a server gave at its start.
//!
//! The schema is a stranger's text. What is looked at is what a caller can get wrong (names, kinds, words, sizes); patterns
//! and references are left to the server, because whoever runs them runs what the stranger wrote.

use super::message::bounded;
use crate::text::one_line;
use serde_json::{Map, Value, json};

/// How deep arguments are looked into.
const DEPTH: usize = 8;
/// Arguments that are spelled out.
const SPELLED: usize = 30;

/// Whether arguments fit.
///
/// # Errors
/// The first thing that does not, as a sentence.
pub(super) fn check(schema: &Value, args: &Map<String, Value>) -> Result<(), String> {
    object(schema, args, "", 0)
}

/// What names alone tell about arguments whose values are not known yet; none: nothing is wrong with them.
pub(super) fn unknown(schema: &Value, args: &Map<String, Value>) -> Option<String> {
    let names = json!({
        "required": schema["required"],
        "additionalProperties": schema["additionalProperties"],
        "properties": schema["properties"].as_object().map(|all| {
            all.keys().map(|name| (name.clone(), json!({}))).collect::<Map<String, Value>>()
        }),
    });
    check(&names, args).err()
}

fn object(schema: &Value, args: &Map<String, Value>, place: &str, depth: usize) -> Result<(), String> {
    let properties = schema["properties"].as_object();
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(missing) = required.into_iter().find(|name| !args.contains_key(*name)) {
        return Err(format!("`{place}{}` is missing", one_line(missing, 80)));
    }
    for (name, value) in args {
        match properties.and_then(|all| all.get(name)) {
            Some(schema) => one(schema, value, &format!("{place}{}", one_line(name, 80)), depth + 1)?,
            None if schema["additionalProperties"] == Value::Bool(false) => {
                return Err(format!("`{place}{}` is not one of its arguments", one_line(name, 80)));
            }
            None => {}
        }
    }
    Ok(())
}

fn one(schema: &Value, value: &Value, place: &str, depth: usize) -> Result<(), String> {
    if depth > DEPTH {
        return Err(format!("`{place}` is nested too deep"));
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => vec![],
    };
    if !kinds.is_empty() && !kinds.iter().any(|kind| is_kind(value, kind)) {
        return Err(format!("`{place}` must be {}", one_line(&kinds.join(" or "), 80)));
    }
    if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
        let words: Vec<String> = words.iter().take(20).map(|word| one_line(&word.to_string(), 60)).collect();
        return Err(format!("`{place}` must be one of {}", words.join(", ")));
    }
    if schema.get("const").is_some_and(|only| only != value) {
        return Err(format!("`{place}` must be {}", one_line(&schema["const"].to_string(), 60)));
    }
    #[expect(clippy::cast_precision_loss, reason = "a size is small")]
    let size = match value {
        Value::Number(number) => number.as_f64().map(|number| (number, "minimum", "maximum")),
        Value::String(text) => Some((text.chars().count() as f64, "minLength", "maxLength")),
        Value::Array(items) => Some((items.len() as f64, "minItems", "maxItems")),
        _ => None,
    };
    if let Some((size, least, most)) = size {
        for (key, wrong) in [
            (least, schema[least].as_f64().is_some_and(|least| size < least)),
            (most, schema[most].as_f64().is_some_and(|most| size > most)),
        ] {
            if wrong {
                return Err(format!("`{place}` is beyond its {key} of {}", schema[key]));
            }
        }
    }
    match value {
        Value::Array(items) if schema["items"].is_object() => items
            .iter()
            .enumerate()
            .try_for_each(|(at, item)| one(&schema["items"], item, &format!("{place}[{at}]"), depth + 1)),
        Value::Object(args) => object(schema, args, &format!("{place}."), depth),
        _ => Ok(()),
    }
}

fn is_kind(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => true,
    }
}

/// A tool's arguments in a line: `query: string, limit?: integer`.
pub(super) fn spelled(schema: &Value) -> String {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let one = |(name, about): (&String, &Value)| {
        let kind = match (&about["enum"], &about["type"]) {
            (Value::Array(words), _) => {
                words.iter().take(8).map(|word| one_line(&word.to_string(), 30)).collect::<Vec<_>>().join("|")
            }
            (_, Value::String(kind)) => one_line(kind, 20),
            (_, Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).take(4).collect::<Vec<_>>().join("|"),
            _ => "any".to_owned(),
        };
        let may = if required.contains(&name.as_str()) { "" } else { "?" };
        format!("{}{may}: {}", one_line(name, 60), one_line(&kind, 120))
    };
    let all = schema["properties"].as_object();
    let listed: Vec<String> = all.into_iter().flatten().take(SPELLED).map(one).collect();
    let listed = bounded(&listed.join(", "));
    if listed.is_empty() { "none".to_owned() } else { listed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_gets_wrong_is_named() {
        let schema = json!({
            "type": "object", "required": ["query"], "additionalProperties": false,
            "properties": {
                "query": { "type": "string", "maxLength": 5, "pattern": "(a+)+$" },
                "limit": { "type": ["integer", "null"], "minimum": 1, "maximum": 50 },
                "sort": { "enum": ["new", "old"] },
                "tags": { "type": "array", "maxItems": 2, "items": { "type": "string" } },
                "within": { "type": "object", "required": ["from"], "properties": { "from": { "type": "number" } } },
            },
        });
        let said = |args: Value| check(&schema, args.as_object().unwrap()).err();
        for good in [
            json!({ "query": "aaaa!" }),
            json!({ "query": "a", "limit": 50, "sort": "old", "tags": ["x"], "within": { "from": 1.5, "to": 2 } }),
            json!({ "query": "", "limit": null }),
        ] {
            assert_eq!(said(good.clone()), None, "{good}");
        }
        for (bad, needle) in [
            (json!({}), "`query` is missing"),
            (json!({ "query": 1 }), "`query` must be string"),
            (json!({ "query": "aaaaaa" }), "maxLength"),
            (json!({ "query": "a", "limit": 51 }), "maximum"),
            (json!({ "query": "a", "limit": 1.5 }), "integer or null"),
            (json!({ "query": "a", "sort": "odd" }), "\"new\", \"old\""),
            (json!({ "query": "a", "tags": ["x", 1] }), "`tags[1]`"),
            (json!({ "query": "a", "tags": ["x", "y", "z"] }), "maxItems"),
            (json!({ "query": "a", "within": {} }), "`within.from`"),
            (json!({ "query": "a", "drop": true }), "`drop` is not one of"),
        ] {
            let said = said(bad.clone()).unwrap_or_default();
            assert!(said.contains(needle), "{bad}: {said}");
        }
        let spelled = spelled(&schema);
        assert!(spelled.contains("query: string") && spelled.contains("limit?: integer|null"), "{spelled}");
    }

    #[test]
    fn no_schema_however_odd_stops_us() {
        let mut deep = json!({ "type": "string" });
        for _ in 0..100 {
            deep = json!({ "type": "object", "properties": { "a": deep } });
        }
        let mut args = json!("x");
        for _ in 0..60 {
            args = json!({ "a": args });
        }
        assert!(check(&deep, args.as_object().unwrap()).unwrap_err().contains("too deep"));
        for odd in [json!(null), json!(7), json!([]), json!({ "properties": 7, "required": "x", "type": 3 })] {
            assert_eq!(check(&odd, &Map::from_iter([("a".to_owned(), json!(1))])), Ok(()), "{odd}");
            assert_eq!(spelled(&odd), "none");
        }
    }
}
