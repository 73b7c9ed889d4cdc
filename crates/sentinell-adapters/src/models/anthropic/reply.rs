//! A reply of the Messages API, put together from its events.

use super::WIRE;
use crate::models::exchange::{MAX_CALLS, Reader, argument, as_object, largest_reply, own_ids, tokens};
use crate::models::trouble::unusable;
use sentinell_core::investigation::Usage;
use sentinell_core::model::{Call, Completion, Ended, Listener, ModelError, ModelRequest, Reply};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Blocks of one reply.
const MAX_BLOCKS: usize = 2 * MAX_CALLS;

/// One block: how it began, and what was added.
#[derive(Debug, Default)]
struct Block {
    start: Value,
    text: String,
    json: String,
    signature: String,
}

/// The blocks of a reply, in the order of their index.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    blocks: BTreeMap<u64, Block>,
    model: String,
    stop: Option<String>,
    usage: Usage,
    size: usize,
    largest: usize,
}

impl Blocks {
    pub fn new(request: &ModelRequest) -> Self {
        Self { largest: largest_reply(request), ..Self::default() }
    }

    /// The reply. Its calls carry ids that the conversation did not have before.
    pub fn finish(self, request: &ModelRequest) -> Completion {
        let (mut text, mut parts, mut calls, mut places) = (String::new(), Vec::new(), Vec::new(), Vec::new());
        for block in self.blocks.into_values() {
            match block.start["type"].as_str() {
                Some("text") => {
                    let whole = block.whole("text", &block.text);
                    // The wire refuses a text of blanks when it comes back.
                    if !whole.trim().is_empty() {
                        text.push_str(&whole);
                        parts.push(with(block.start, [("text", json!(whole))]));
                    }
                }
                Some("thinking") => {
                    let thought = block.whole("thinking", &block.text);
                    let signature = block.whole("signature", &block.signature);
                    parts.push(with(block.start, [("thinking", json!(thought)), ("signature", json!(signature))]));
                }
                Some("redacted_thinking") => parts.push(block.start),
                Some("tool_use") => {
                    let call = block.call();
                    places.push(parts.len());
                    parts.push(with(block.start, [("input", as_object(&call.args))]));
                    calls.push(call);
                }
                _ => {}
            }
        }
        let calls = own_ids(calls, request);
        for (place, call) in places.into_iter().zip(&calls) {
            match call {
                Some(call) => parts[place]["id"] = json!(call.id),
                None => parts[place] = Value::Null,
            }
        }
        parts.retain(|part| !part.is_null());
        let calls = calls.into_iter().flatten().collect();
        let ended = match self.stop.as_deref() {
            Some("max_tokens" | "model_context_window_exceeded") => Ended::TooLong,
            Some("refusal") => Ended::Refused,
            _ => Ended::Finished,
        };
        let reply = Reply { text, calls, wire: WIRE.into(), verbatim: Value::Array(parts) };
        Completion { reply, ended, model: self.model, usage: self.usage }
    }

    /// Counts are totals so far, said more than once: the largest is the last.
    fn count(&mut self, usage: &Value) {
        let most = |known: &mut u64, field: &str| *known = (*known).max(tokens(&usage[field]));
        most(&mut self.usage.input_tokens, "input_tokens");
        most(&mut self.usage.cache_written_tokens, "cache_creation_input_tokens");
        most(&mut self.usage.cache_read_tokens, "cache_read_input_tokens");
        most(&mut self.usage.output_tokens, "output_tokens");
    }

    fn grow(&mut self, bytes: usize) -> Result<(), ModelError> {
        self.size += bytes;
        if self.size > self.largest {
            return Err(unusable(&format!("the reply is larger than {} bytes", self.largest)));
        }
        Ok(())
    }

    fn begin(&mut self, index: u64, start: &Value, hear: Listener<'_>) -> Result<(), ModelError> {
        let calls = self.blocks.values().filter(|block| block.start["type"] == "tool_use").count();
        if self.blocks.len() >= MAX_BLOCKS || calls >= MAX_CALLS {
            return Err(unusable("the reply has too many parts"));
        }
        self.grow(start.to_string().len())?;
        if start["type"] == "text"
            && let Some(text) = start["text"].as_str().filter(|text| !text.is_empty())
        {
            hear(text);
        }
        self.blocks.insert(index, Block { start: start.clone(), ..Block::default() });
        Ok(())
    }

    fn add(&mut self, index: u64, delta: &Value, hear: Listener<'_>) -> Result<(), ModelError> {
        let (kind, field) = match delta["type"].as_str() {
            Some("text_delta") => ("text", "text"),
            Some("input_json_delta") => ("tool_use", "partial_json"),
            Some("thinking_delta") => ("thinking", "thinking"),
            Some("signature_delta") => ("thinking", "signature"),
            _ => return Ok(()),
        };
        let Some(piece) = delta[field].as_str() else { return Ok(()) };
        self.grow(piece.len())?;
        let Some(block) = self.blocks.get_mut(&index).filter(|block| block.start["type"] == kind) else {
            return Ok(());
        };
        match field {
            "partial_json" => block.json.push_str(piece),
            "signature" => block.signature.push_str(piece),
            _ => block.text.push_str(piece),
        }
        if field == "text" && !piece.is_empty() {
            hear(piece);
        }
        Ok(())
    }
}

impl Block {
    /// What the block began with in this field, and what came after.
    fn whole(&self, field: &str, added: &str) -> String {
        format!("{}{added}", self.start[field].as_str().unwrap_or_default())
    }

    fn call(&self) -> Call {
        let args = match &self.start["input"] {
            Value::Object(input) if self.json.is_empty() => Value::Object(input.clone()),
            _ => argument(&self.json),
        };
        Call { id: self.whole("id", ""), name: self.whole("name", ""), args }
    }
}

impl Reader for Blocks {
    fn take(&mut self, document: &Value, hear: Listener<'_>) -> Result<bool, ModelError> {
        let index = document["index"].as_u64().unwrap_or(0);
        match document["type"].as_str() {
            Some("message_start") => {
                let message = &document["message"];
                self.model = crate::text::one_line(message["model"].as_str().unwrap_or_default(), 200);
                self.count(&message["usage"]);
            }
            Some("content_block_start") => self.begin(index, &document["content_block"], hear)?,
            Some("content_block_delta") => self.add(index, &document["delta"], hear)?,
            Some("message_delta") => {
                if let Some(stop) = document["delta"]["stop_reason"].as_str() {
                    self.stop = Some(crate::text::one_line(stop, 60));
                }
                self.count(&document["usage"]);
            }
            Some("message_stop") => {
                // A server that forgot the reason has still said that this is all.
                self.stop.get_or_insert_default();
                return Ok(true);
            }
            _ => {}
        }
        Ok(false)
    }

    fn take_whole(&mut self, document: &Value, hear: Listener<'_>) -> Result<(), ModelError> {
        let Some(content) = document["content"].as_array() else { return Ok(()) };
        self.model = crate::text::one_line(document["model"].as_str().unwrap_or_default(), 200);
        self.count(&document["usage"]);
        for (index, block) in content.iter().enumerate() {
            self.begin(index as u64, block, hear)?;
        }
        self.stop = Some(document["stop_reason"].as_str().unwrap_or_default().to_owned());
        Ok(())
    }

    fn whole(&self) -> bool {
        self.stop.is_some()
    }

    fn usage(&self) -> Usage {
        self.usage
    }
}

fn with<const N: usize>(mut block: Value, fields: [(&str, Value); N]) -> Value {
    if let Some(block) = block.as_object_mut() {
        for (name, value) in fields {
            block.insert(name.into(), value);
        }
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::exchange::{a_request, survives};

    #[test]
    fn no_document_makes_it_panic() {
        let usage = json!({"input_tokens": 1, "cache_read_input_tokens": 2, "output_tokens": 3});
        let begin =
            |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
        let add = |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
        let documents = [
            json!({"type": "message_start", "message": {"model": "m", "usage": usage}}),
            begin(0, json!({"type": "thinking", "thinking": "a", "signature": ""})),
            add(0, json!({"type": "signature_delta", "signature": "s"})),
            begin(1, json!({"type": "text", "text": "b"})),
            add(1, json!({"type": "text_delta", "text": "c"})),
            begin(2, json!({"type": "tool_use", "id": "i", "name": "n", "input": {}})),
            add(2, json!({"type": "input_json_delta", "partial_json": "{}"})),
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": usage}),
            json!({"type": "message", "model": "m", "content": [{"type": "text", "text": "d"}], "stop_reason": "end_turn", "usage": usage}),
        ];
        let request = a_request();
        survives(&documents, || Blocks::new(&request), |blocks| drop(blocks.finish(&request)));
    }
}
