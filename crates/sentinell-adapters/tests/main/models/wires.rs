//! Both wires, written by hand: what a server sends for the same reply.

use sentinell_adapters::models::{Answers, Anthropic, ModelSettings, OpenAi, Secret, StreamLimits};
use sentinell_core::model::{Completion, Message, Model, ModelError, ModelRequest, Offer};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::time::Duration;

/// A key that must never be seen.
pub const KEY: &str = "sk-never-to-be-seen-0123456789";

/// Little patience, for what would otherwise be waited for in vain. Everything else gets the usual limits: a busy machine
/// must not look like a fault.
pub fn impatient(settings: &mut ModelSettings) {
    settings.limits = StreamLimits {
        connect: Duration::from_millis(500),
        first_byte: Duration::from_millis(500),
        between: Duration::from_millis(400),
        total: Duration::from_millis(1500),
        ..settings.limits
    };
}

/// A wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Anthropic,
    OpenAi,
}

/// Both.
pub const BOTH: [Wire; 2] = [Wire::Anthropic, Wire::OpenAi];

/// Why a reply ends.
#[derive(Debug, Clone, Copy)]
pub enum Why {
    Done,
    Length,
    Refused,
}

fn event(document: &Value) -> String {
    let name = document["type"].as_str().map(|name| format!("event: {name}\n")).unwrap_or_default();
    format!("{name}data: {document}\n\n")
}

/// One chunk of chat completions.
fn chunk(choices: Value, usage: Value) -> String {
    event(&json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_763_800_000,
        "model": "claude-sonnet-4-5-20250929", "choices": choices, "usage": usage}))
}

impl Wire {
    /// A model on this wire at `url`.
    pub fn model(self, url: &str) -> Box<dyn Model> {
        self.model_with(url, |_| {})
    }

    /// The same with other settings.
    pub fn model_with(self, url: &str, change: impl FnOnce(&mut ModelSettings)) -> Box<dyn Model> {
        let mut settings = ModelSettings::new("claude-sonnet-4-5");
        settings.base_url = url.to_owned();
        settings.key = Some(Secret::new(KEY));
        settings.answers = Answers::Tools;
        settings.limits = StreamLimits { body: 4 << 20, ..StreamLimits::default() };
        change(&mut settings);
        match self {
            Self::Anthropic => {
                let model = Anthropic::new(settings).unwrap();
                assert!(!format!("{model:?}").contains(KEY));
                Box::new(model)
            }
            Self::OpenAi => {
                let model = OpenAi::new(settings).unwrap();
                assert!(!format!("{model:?}").contains(KEY));
                Box::new(model)
            }
        }
    }

    /// How a reply begins; 100 tokens were read, 40 of them from a cache.
    pub fn opening(self) -> String {
        match self {
            Self::Anthropic => event(&json!({"type": "message_start", "message": {
                "model": "claude-sonnet-4-5-20250929", "role": "assistant", "content": [],
                "usage": {"input_tokens": 50, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 10, "output_tokens": 1}}})),
            Self::OpenAi => self.delta(json!({"role": "assistant", "content": ""})),
        }
    }

    /// A piece of text. On Anthropic's wire it is block 0.
    pub fn text(self, pieces: &[&str]) -> String {
        match self {
            Self::Anthropic => {
                let start = event(
                    &json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
                );
                let pieces = pieces.iter().map(|piece| {
                    event(&json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}))
                });
                start + &pieces.collect::<String>() + &event(&json!({"type": "content_block_stop", "index": 0}))
            }
            Self::OpenAi => pieces.iter().map(|piece| self.delta(json!({"content": piece}))).collect(),
        }
    }

    /// A call, its argument in pieces. On Anthropic's wire it is block `at` + 1.
    pub fn call(self, at: usize, id: &str, name: &str, pieces: &[&str]) -> String {
        match self {
            Self::Anthropic => {
                let index = at + 1;
                let start = event(&json!({"type": "content_block_start", "index": index,
                    "content_block": {"type": "tool_use", "id": id, "name": name, "input": {}}}));
                let pieces = pieces.iter().map(|piece| {
                    event(&json!({"type": "content_block_delta", "index": index,
                        "delta": {"type": "input_json_delta", "partial_json": piece}}))
                });
                start + &pieces.collect::<String>() + &event(&json!({"type": "content_block_stop", "index": index}))
            }
            Self::OpenAi => {
                let begin =
                    json!({"index": at, "id": id, "type": "function", "function": {"name": name, "arguments": ""}});
                let pieces = pieces
                    .iter()
                    .map(|piece| self.delta(json!({"tool_calls": [{"index": at, "function": {"arguments": piece}}]})));
                self.delta(json!({"tool_calls": [begin]})) + &pieces.collect::<String>()
            }
        }
    }

    /// The reason and the final count: 25 tokens were written.
    pub fn reason(self, why: Why) -> String {
        match self {
            Self::Anthropic => {
                let reason = match why {
                    Why::Done => "end_turn",
                    Why::Length => "max_tokens",
                    Why::Refused => "refusal",
                };
                event(
                    &json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 25}}),
                )
            }
            Self::OpenAi => {
                let reason = match why {
                    Why::Done => "stop",
                    Why::Length => "length",
                    Why::Refused => "content_filter",
                };
                let usage = json!({"prompt_tokens": 100, "completion_tokens": 25, "total_tokens": 125,
                    "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10}});
                chunk(json!([{"index": 0, "delta": {}, "finish_reason": reason}]), Value::Null)
                    + &chunk(json!([]), usage)
            }
        }
    }

    /// The last event.
    pub fn stop(self) -> String {
        match self {
            Self::Anthropic => event(&json!({"type": "message_stop"})),
            Self::OpenAi => "data: [DONE]\n\n".into(),
        }
    }

    /// An ordinary reply from beginning to end.
    pub fn reply(self) -> String {
        self.around(&self.text(&["The disk ", "is full."]), Why::Done)
    }

    /// A whole reply around these parts.
    pub fn around(self, parts: &str, why: Why) -> String {
        self.opening() + parts + &self.reason(why) + &self.stop()
    }

    /// One delta of chat completions.
    pub fn delta(self, delta: Value) -> String {
        chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}]), Value::Null)
    }

    /// The document of an error.
    pub fn error(self, kind: &str, message: &str) -> String {
        match self {
            Self::Anthropic => json!({"type": "error", "error": {"type": kind, "message": message}}).to_string(),
            Self::OpenAi => {
                json!({"error": {"message": message, "type": kind, "param": null, "code": null}}).to_string()
            }
        }
    }
}

/// A question with one offer.
pub fn question() -> ModelRequest {
    let schema = json!({"type": "object", "properties": {"service": {"type": "string"}}, "required": ["service"], "additionalProperties": false});
    ModelRequest {
        system: "You look into incidents.".into(),
        offers: vec![Offer { name: "look".into(), description: "Looks at a service.".into(), schema }],
        messages: vec![Message::Told { answers: vec![], text: "The shop answers with 500.".into() }],
        max_output_tokens: 1000,
        must_call: false,
    }
}

/// What the model answers, and the pieces of text that were heard. The key is in nothing.
pub async fn asked(model: &dyn Model, request: &ModelRequest) -> (Result<Completion, ModelError>, Vec<String>) {
    let heard = Mutex::new(Vec::new());
    let answered = model.complete(request, &|piece| heard.lock().unwrap().push(piece.to_owned())).await;
    if let Err(error) = &answered {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(KEY) && !shown.contains('\n') && error.why.chars().count() < 400, "{shown}");
    }
    (answered, heard.into_inner().unwrap())
}
