//! A reply of chat completions, put together from its deltas.

use super::{WIRE, by_schema};
use crate::models::exchange::{MAX_CALLS, Reader, argument, largest_reply, own_ids, tokens};
use crate::models::trouble::unusable;
use crate::text::one_line;
use sentinell_core::investigation::Usage;
use sentinell_core::model::{Call, Completion, Ended, Listener, ModelError, ModelRequest, Reply};
use serde_json::Value;

/// A call as it grows.
#[derive(Debug, Default)]
struct Growing {
    /// Its place, as the server counts.
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

impl Growing {
    fn is_complete(&self) -> bool {
        serde_json::from_str::<Value>(&self.arguments).is_ok_and(|value| value.is_object())
    }
}

/// What has come so far.
#[derive(Debug, Default)]
pub(super) struct Deltas {
    by_schema: bool,
    text: String,
    refusal: String,
    calls: Vec<Growing>,
    model: String,
    finish: Option<String>,
    usage: Usage,
    size: usize,
    largest: usize,
}

impl Deltas {
    pub fn new(request: &ModelRequest, by_schema: bool) -> Self {
        Self { by_schema, largest: largest_reply(request), ..Self::default() }
    }

    /// The reply. Its calls carry ids that the conversation did not have before.
    pub fn finish(self, request: &ModelRequest) -> Completion {
        let calls =
            self.calls.into_iter().map(|call| Call { id: call.id, name: call.name, args: argument(&call.arguments) });
        let mut calls: Vec<Call> = calls.collect();
        let mut text = self.text;
        if self.by_schema && calls.is_empty() {
            (text, calls) = by_schema::understood(text);
        }
        let ended = match self.finish.as_deref() {
            Some("length") => Ended::TooLong,
            Some("content_filter") => Ended::Refused,
            _ if !self.refusal.is_empty() => Ended::Refused,
            _ => Ended::Finished,
        };
        if text.is_empty() {
            text = self.refusal;
        }
        let calls = own_ids(calls, request).into_iter().flatten().collect();
        let reply = Reply { text, calls, wire: WIRE.into(), verbatim: Value::Null };
        Completion { reply, ended, model: self.model, usage: self.usage }
    }

    /// Counts are totals; a server may say them more than once.
    fn count(&mut self, usage: &Value) {
        let details = &usage["prompt_tokens_details"];
        let read = tokens(&details["cached_tokens"]);
        let written = tokens(&details["cache_write_tokens"]);
        let input = tokens(&usage["prompt_tokens"]).saturating_sub(read).saturating_sub(written);
        let said = Usage {
            input_tokens: input,
            cache_read_tokens: read,
            cache_written_tokens: written,
            output_tokens: tokens(&usage["completion_tokens"]),
            micro_usd: 0,
        };
        if said != Usage::default() {
            self.usage = said;
        }
    }

    fn grow(&mut self, bytes: usize) -> Result<(), ModelError> {
        self.size += bytes;
        if self.size > self.largest {
            return Err(unusable(&format!("the reply is larger than {} bytes", self.largest)));
        }
        Ok(())
    }

    fn add(&mut self, delta: &Value, hear: Listener<'_>) -> Result<(), ModelError> {
        if let Some(piece) = delta["content"].as_str().filter(|piece| !piece.is_empty()) {
            self.grow(piece.len())?;
            self.text.push_str(piece);
            // A document is no speech.
            if !self.by_schema {
                hear(piece);
            }
        }
        if let Some(piece) = delta["refusal"].as_str().filter(|piece| !piece.is_empty()) {
            self.grow(piece.len())?;
            self.refusal.push_str(piece);
        }
        // Thinking is not kept, but its size counts: it would otherwise be the way around the bound.
        for field in ["reasoning_content", "reasoning"] {
            self.grow(delta[field].as_str().map_or(0, str::len))?;
        }
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            self.add_call(call)?;
        }
        Ok(())
    }

    fn add_call(&mut self, delta: &Value) -> Result<(), ModelError> {
        let index = delta["index"].as_u64();
        let id = delta["id"].as_str().unwrap_or_default();
        let name = delta["function"]["name"].as_str().unwrap_or_default();
        let arguments = match &delta["function"]["arguments"] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        self.grow(id.len() + name.len() + arguments.len())?;
        // Some servers count every call as the first: another id is another call. Some do not count at all.
        let same = |call: &Growing| {
            (index.is_none() || call.index == index) && (id.is_empty() || call.id.is_empty() || call.id == id)
        };
        let begins = index.is_none() && id.is_empty() && !name.is_empty();
        let place = self.calls.iter().rposition(|call| !begins && same(call));
        let Some(place) = place else {
            if self.calls.len() >= MAX_CALLS {
                return Err(unusable("the reply has too many calls"));
            }
            self.calls.push(Growing { index, id: id.to_owned(), name: name.to_owned(), arguments });
            return Ok(());
        };
        let call = &mut self.calls[place];
        if call.id.is_empty() {
            call.id = id.to_owned();
        }
        if call.name.is_empty() {
            call.name = name.to_owned();
        } else if !name.is_empty() && call.is_complete() {
            // The same call from its beginning, after a reconnect behind the server.
            return Ok(());
        }
        call.arguments.push_str(&arguments);
        Ok(())
    }

    fn choice<'d>(&mut self, document: &'d Value) -> Option<&'d Value> {
        if let Some(model) = document["model"].as_str().filter(|_| self.model.is_empty()) {
            self.model = one_line(model, 200);
        }
        self.count(&document["usage"]);
        let choices = document["choices"].as_array()?;
        let choice = choices.iter().find(|choice| choice["index"].as_u64().unwrap_or(0) == 0)?;
        if let Some(reason) = choice["finish_reason"].as_str() {
            self.finish = Some(one_line(reason, 60));
        }
        Some(choice)
    }
}

impl Reader for Deltas {
    fn take(&mut self, document: &Value, hear: Listener<'_>) -> Result<bool, ModelError> {
        if let Some(choice) = self.choice(document) {
            self.add(&choice["delta"], hear)?;
        }
        Ok(false)
    }

    fn take_whole(&mut self, document: &Value, hear: Listener<'_>) -> Result<(), ModelError> {
        if let Some(choice) = self.choice(document) {
            self.add(&choice["message"], hear)?;
            self.finish.get_or_insert_default();
        }
        Ok(())
    }

    fn whole(&self) -> bool {
        self.finish.is_some()
    }

    fn usage(&self) -> Usage {
        self.usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::exchange::{a_request, survives};
    use serde_json::json;

    #[test]
    fn no_document_makes_it_panic() {
        let call = json!({"index": 0, "id": "i", "type": "function", "function": {"name": "n", "arguments": "{"}});
        let more = json!({"index": 0, "function": {"arguments": "}"}});
        let usage = json!({"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}});
        let chunk =
            |delta: Value| json!({"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
        let documents = [
            chunk(json!({"role": "assistant", "content": "a", "reasoning_content": "r"})),
            chunk(json!({ "tool_calls": [call] })),
            chunk(json!({ "tool_calls": [more] })),
            chunk(json!({"refusal": "no"})),
            json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage}),
            json!({"choices": [{"message": {"content": "{\"call\": {\"name\": \"n\", \"args\": {}}}"}}], "usage": usage}),
        ];
        let request = a_request();
        for by_schema in [false, true] {
            survives(&documents, || Deltas::new(&request, by_schema), |deltas| drop(deltas.finish(&request)));
        }
    }
}
