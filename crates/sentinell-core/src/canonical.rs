//! JSON in the one spelling that hashes are made of: RFC 8785 (JSON Canonicalization Scheme).

use serde::Serialize;
use serde_json::Value;

/// Whole numbers below are the same in JavaScript, whose spelling of numbers the RFC takes over.
const EXACT: u64 = 1 << 53;

/// The canonical JSON of a value.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn to_vec(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut value = serde_json::to_value(value)?;
    // Cedar makes objects keep the order that they were written in.
    value.sort_all_objects();
    // Nearly everything is spelled by `serde_json` as the RFC wants it, at a fraction of the price.
    if is_plain(&value) { serde_json::to_vec(&value) } else { serde_json_canonicalizer::to_vec(&value) }
}

/// Whether keys sort the same by bytes as by UTF-16, and no number is spelled otherwise in JavaScript.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().all(|(key, value)| key.is_ascii() && is_plain(value)),
        Value::Array(items) => items.iter().all(is_plain),
        Value::Number(number) => {
            let whole = number.as_u64().or(number.as_i64().map(i64::unsigned_abs));
            let plain = |number: f64| number.fract() != 0.0 && (1e-3..1e6).contains(&number.abs());
            whole.map_or_else(|| number.as_f64().is_some_and(plain), |whole| whole < EXACT)
        }
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-(1_i64 << 53) - 2..(1 << 53) + 2).prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            (-2e6..2e6).prop_map(Value::from),
            (-1.0..1.0_f64).prop_map(|small| Value::from(small * small * small * small)),
            (0..1000_i64).prop_map(|percent| Value::from(percent as f64 / 100.0)),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            let members = proptest::collection::btree_map(".{0,4}", inner.clone(), 0..6);
            prop_oneof![
                proptest::collection::vec(inner, 0..6).prop_map(Value::from),
                members.prop_map(|members| Value::Object(members.into_iter().rev().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_is_spelled_as_the_rfc_wants_it(value in json()) {
            let expected = serde_json_canonicalizer::to_string(&value).unwrap();
            prop_assert_eq!(String::from_utf8(to_vec(&value).unwrap()).unwrap(), expected);
        }
    }
}
