//! One JSON document instead of a tool call: `{"call": {"name": …, "args": {…}}}`.

use crate::models::exchange::as_object;
use sentinell_core::model::{Call, ModelRequest, Reply};
use serde_json::{Value, json};

/// Stands for plain words where the model need not call.
const JUST_SAY: &str = "say";

/// What the answer must look like. The offers' schemas stand inside: they must not point to a place in their own document.
pub(super) fn format(request: &ModelRequest) -> Value {
    let object = |name: &str, args: Value| {
        let properties = json!({"name": {"type": "string", "enum": [name]}, "args": args});
        json!({"type": "object", "properties": properties, "required": ["name", "args"], "additionalProperties": false})
    };
    let mut forms: Vec<Value> = request.offers.iter().map(|offer| object(&offer.name, offer.schema.clone())).collect();
    if !request.must_call {
        let text = json!({"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"], "additionalProperties": false});
        forms.push(object(JUST_SAY, text));
    }
    let call = if forms.len() == 1 { forms.remove(0) } else { json!({ "anyOf": forms }) };
    let schema =
        json!({"type": "object", "properties": {"call": call}, "required": ["call"], "additionalProperties": false});
    json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}})
}

/// The same in words, below the rules: not every server shows the schema to the model.
pub(super) fn explained(request: &ModelRequest) -> String {
    let mut text = "\n\nAnswer with one JSON document and nothing else: {\"call\": {\"name\": NAME, \"args\": ARGS}}. \
                    Names, and the JSON Schemas of their args:\n"
        .to_owned();
    for offer in &request.offers {
        text.push_str(&format!("- {}: {} {}\n", offer.name, offer.description, offer.schema));
    }
    if !request.must_call {
        text.push_str(&format!("- {JUST_SAY}: say something instead. {{\"text\": …}}\n"));
    }
    text
}

/// What the model said earlier, in this form.
pub(super) fn spoken(reply: &Reply) -> Value {
    let calls = reply.calls.iter().map(|call| {
        let call = json!({"call": {"name": call.name, "args": as_object(&call.args)}});
        call.to_string()
    });
    let text = (!reply.text.trim().is_empty()).then(|| reply.text.clone());
    let content: Vec<String> = text.into_iter().chain(calls).collect();
    json!({"role": "assistant", "content": content.join("\n")})
}

/// The call in such a document, or the words in it. A fence around the document and words after it are passed over; a text
/// that is no such document stays a text.
pub(super) fn understood(text: String) -> (String, Vec<Call>) {
    let Some(document) = document(&text) else { return (text, vec![]) };
    let call = if document["call"].is_object() { &document["call"] } else { &document };
    let Some(name) = call["name"].as_str() else { return (text, vec![]) };
    let args = match call.get("args").or_else(|| call.get("arguments")) {
        Some(Value::String(inner)) => crate::models::exchange::argument(inner),
        Some(args) => args.clone(),
        None => json!({}),
    };
    if name == JUST_SAY
        && let Some(said) = args["text"].as_str()
    {
        return (said.to_owned(), vec![]);
    }
    (String::new(), vec![Call { id: String::new(), name: name.to_owned(), args }])
}

/// The first JSON object of a text.
fn document(text: &str) -> Option<Value> {
    let text = &text[text.find('{')?..];
    let first = serde_json::Deserializer::from_str(text).into_iter::<Value>().next()?;
    first.ok().filter(Value::is_object)
}
