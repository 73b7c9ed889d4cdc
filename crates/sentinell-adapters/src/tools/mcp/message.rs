//! The messages of MCP (JSON-RPC 2.0) from the side that asks.
//!
//! By hand, and not through the official crate's client: it starts programs and builds HTTP clients of its own, reads
//! lines without a bound, writes what the peer says into our log, starts a task a notification, and answers out of a
//! cache whose age the peer decides. What is left of the protocol for who only lists and calls tools is this file.

use crate::text::one_line;
use sentinell_core::redact::redact;
use serde_json::{Value, json};

/// The newest version with a handshake: nearly every server speaks it, or names an older one of this kind.
pub(super) const HANDSHAKE: &str = "2025-11-25";
/// The version without one, in which every request says who asks.
pub(super) const MODERN: &str = "2026-07-28";
/// Characters of a peer's word in our sentences.
const WORDS: usize = 300;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing can be asked on this line any more.
    Gone(String),
    /// The server wants somebody else.
    Denied(String),
    /// The server said no to this request.
    Refused {
        /// JSON-RPC's code.
        code: i64,
        /// Its words, bounded and without secrets.
        why: String,
    },
}

/// What a message is to who waits for an answer.
#[derive(Debug, PartialEq)]
pub(super) enum Heard {
    /// The answer.
    Answer(Value),
    /// The server said no.
    Refused(Trouble),
    /// The server asks something; this is what it is told.
    Asks(Value),
    /// The server says that its tools have changed.
    Changed,
    /// Something else: an answer to nobody, a notification, no JSON at all.
    Other,
}

/// A request; in the modern version it says who asks.
pub(super) fn request(id: u64, method: &str, mut params: Value, modern: bool) -> Value {
    if modern {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": client(),
            "io.modelcontextprotocol/clientCapabilities": {},
        });
    }
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// The handshake's question: we can nothing but ask.
pub(super) fn hello() -> Value {
    json!({ "protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": client() })
}

fn client() -> Value {
    json!({ "name": "sentinell", "version": env!("CARGO_PKG_VERSION") })
}

/// What a message is, while the answer to `id` is waited for.
pub(super) fn heard(bytes: &[u8], id: u64) -> Heard {
    let Ok(Value::Object(mut message)) = serde_json::from_slice(bytes) else { return Heard::Other };
    let theirs = message.remove("id");
    if let Some(method) = message.get("method") {
        return match (theirs, method.as_str().unwrap_or_default()) {
            (None, "notifications/tools/list_changed") => Heard::Changed,
            (Some(theirs), method) if is_id(&theirs) => Heard::Asks(reply(&theirs, method)),
            _ => Heard::Other,
        };
    }
    // Some servers send a number back as text.
    let ours = theirs.is_some_and(|theirs| theirs == json!(id) || theirs == json!(id.to_string()));
    match (ours, message.remove("result"), message.get("error")) {
        (true, Some(result), None) => Heard::Answer(result),
        (true, None, Some(error)) => Heard::Refused(refused(error)),
        _ => Heard::Other,
    }
}

/// The protocol's own no, in the body of an answer that can only be ours.
pub(super) fn refusal(body: &[u8]) -> Option<Trouble> {
    let message: Value = serde_json::from_slice(body).ok()?;
    message.get("error").filter(|error| error["code"].is_i64()).map(refused)
}

fn refused(error: &Value) -> Trouble {
    let code = error["code"].as_i64().unwrap_or_default();
    Trouble::Refused { code, why: bounded(error["message"].as_str().unwrap_or("no explanation")) }
}

fn is_id(id: &Value) -> bool {
    id.is_i64() || id.is_u64() || id.as_str().is_some_and(|id| id.len() <= 200)
}

/// Whoever asks whether we are there is told so. Roots, sampling and elicitation are refused: a server that is read from
/// gets no files, no model and no person.
fn reply(id: &Value, method: &str) -> Value {
    match method {
        "ping" => json!({ "jsonrpc": "2.0", "id": id, "result": {} }),
        _ => json!({ "jsonrpc": "2.0", "id": id,
            "error": { "code": -32601, "message": "this client calls tools and offers nothing" } }),
    }
}

/// A peer's words in a sentence of ours: one line, bounded, without secrets of a known shape.
pub(super) fn bounded(text: &str) -> String {
    let text: String = text.chars().take(4000).collect();
    one_line(&redact(&text), WORDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_to_our_own_question_is_one() {
        let of = |text: &str| heard(text.as_bytes(), 7);
        assert_eq!(of(r#"{"jsonrpc":"2.0","id":7,"result":{"a":1}}"#), Heard::Answer(json!({ "a": 1 })));
        assert_eq!(of(r#"{"id":"7","result":null}"#), Heard::Answer(Value::Null));
        assert_eq!(of(r#"{"method":"notifications/tools/list_changed"}"#), Heard::Changed);
        let error = of(r#"{"id":7,"error":{"code":-32000,"message":"no\u0007 token=hunter2hunter2"}}"#);
        let Heard::Refused(Trouble::Refused { code: -32000, why }) = error else { panic!("{error:?}") };
        assert!(!why.contains("hunter2") && !why.contains('\u{7}'), "{why}");
        for other in [
            r#"{"id":8,"result":{}}"#,
            r#"{"id":7,"result":{},"error":{}}"#,
            r#"{"id":7}"#,
            r#"{"id":null,"result":{}}"#,
            r#"{"method":"notifications/message","params":{}}"#,
            r#"{"id":{"a":1},"method":"ping"}"#,
            r#"[{"id":7,"result":{}}]"#,
            "Server listening",
            "",
        ] {
            assert_eq!(of(other), Heard::Other, "{other}");
        }
        for asked in ["roots/list", "sampling/createMessage", "elicitation/create", "tasks/get"] {
            let Heard::Asks(reply) = of(&json!({ "id": "x", "method": asked }).to_string()) else { panic!("{asked}") };
            assert_eq!((&reply["id"], &reply["error"]["code"]), (&json!("x"), &json!(-32601)));
        }
        let Heard::Asks(pong) = of(r#"{"id":1,"method":"ping"}"#) else { panic!("no pong") };
        assert_eq!(pong["result"], json!({}));
    }
}
