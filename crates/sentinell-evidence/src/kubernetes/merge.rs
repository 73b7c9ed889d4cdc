//! Several reads about one object become one value.

use serde_json::{Map, Value};

/// Objects deeper than this are replaced rather than merged.
const MAX_DEPTH: usize = 32;

/// Maps that mean something only as a whole.
const WHOLE: [&str; 6] = ["selector", "matchLabels", "nodeSelector", "labels", "matchExpressions", "state"];

/// Puts `more` into `base`; where both say something, `more` wins. Emptiness never wins over content.
pub fn merge(base: &mut Value, more: Value) {
    merge_at(base, more, 0);
}

fn merge_at(base: &mut Value, more: Value, depth: usize) {
    match (base, more) {
        (Value::Object(base), Value::Object(more)) if depth < MAX_DEPTH => merge_maps(base, more, depth),
        (Value::Array(base), Value::Array(more)) => merge_lists(base, more, depth),
        (base, more) => {
            if base.is_null() || !empty(&more) {
                *base = more;
            }
        }
    }
}

fn merge_maps(base: &mut Map<String, Value>, more: Map<String, Value>, depth: usize) {
    for (key, value) in more {
        match base.get_mut(&key) {
            Some(old) if WHOLE.contains(&key.as_str()) && !old["matchLabels"].is_object() => {
                if !empty(&value) {
                    *old = value;
                }
            }
            Some(old) => merge_at(old, value, depth + 1),
            None => {
                base.insert(key, value);
            }
        }
    }
}

/// Lists of named things merge by name, others are replaced.
fn merge_lists(base: &mut Vec<Value>, more: Vec<Value>, depth: usize) {
    let identity = ["name", "type", "containerPort", "port"].into_iter().find(|key| {
        let named = |item: &Value| !item[*key].is_null();
        !base.is_empty() && !more.is_empty() && base.iter().all(named) && more.iter().all(named)
    });
    let Some(identity) = identity else {
        if !more.is_empty() {
            *base = more;
        }
        return;
    };
    for item in more {
        match base.iter_mut().find(|old| old[identity] == item[identity]) {
            Some(old) => merge_at(old, item, depth + 1),
            None => base.push(item),
        }
    }
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn later_reads_win_selectors_are_whole_and_containers_merge_by_name() {
        let mut value = json!({ "spec": { "selector": { "app": "till", "tier": "web" }, "nodeName": "n1",
            "containers": [{ "name": "main", "image": "till:1", "ports": [{ "containerPort": 80, "name": "http" }] }] } });
        merge(
            &mut value,
            json!({ "spec": { "selector": { "app": "tills" }, "nodeName": "",
                "containers": [{ "name": "main", "ports": [{ "containerPort": 80, "protocol": "TCP" }] }, { "name": "side" }] } }),
        );
        assert_eq!(value["spec"]["selector"], json!({ "app": "tills" }));
        assert_eq!(value["spec"]["nodeName"], "n1");
        assert_eq!(value["spec"]["containers"][0]["image"], "till:1");
        assert_eq!(
            value["spec"]["containers"][0]["ports"][0],
            json!({ "containerPort": 80, "name": "http", "protocol": "TCP" })
        );
        assert_eq!(value["spec"]["containers"][1]["name"], "side");
    }
}
