//! The Messages API: Claude, and servers that speak its wire.

mod reply;

use super::ModelSettings;
use super::exchange::{Server, matched};
use super::trouble::Refusal;
use reply::Blocks;
use reqwest::header::HeaderValue;
use sentinell_core::model::{Completion, Listener, Message, Model, ModelError, ModelRequest, Reply};
use sentinell_core::ports::BoxFuture;
use serde_json::{Map, Value, json};

/// The name of this wire in a [`Reply`].
pub const WIRE: &str = "anthropic";
/// The maker's own server.
pub const HOME: &str = "https://api.anthropic.com";
/// The version of the wire that is spoken.
const VERSION: &str = "2023-06-01";
/// Messages of ours that end with a mark for the cache; with the tools and the system text there are at most four marks.
const MARKED_MESSAGES: usize = 2;
/// The smallest budget for thinking that is accepted.
const LEAST_THINKING: u32 = 1024;

/// A model behind the Messages API.
#[derive(Debug)]
pub struct Anthropic {
    server: Server,
    settings: ModelSettings,
}

/// What a server has refused and is left out of the same request.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Without {
    /// Insisting on a call.
    insistence: bool,
    /// The thinking of earlier replies.
    earlier_thinking: bool,
}

impl Anthropic {
    /// A client. Nothing is sent yet.
    ///
    /// # Errors
    /// A sentence if the settings cannot be used: the name, the address, the key's characters.
    pub fn new(settings: ModelSettings) -> Result<Self, String> {
        let url = settings.address(HOME, "messages")?;
        let mut headers = settings.headers("x-api-key", "")?;
        headers.insert("anthropic-version", HeaderValue::from_static(VERSION));
        Ok(Self { server: Server::new(&settings, url, headers)?, settings })
    }

    async fn converse(&self, request: &ModelRequest, hear: Listener<'_>) -> Result<Completion, ModelError> {
        let mut without = Without::default();
        let incoming = loop {
            match self.server.ask(&self.body(request, without)).await {
                Ok(incoming) => break incoming,
                Err(refusal) => match bend(&refusal, without) {
                    Some(less) => without = less,
                    None => return Err(refusal.error),
                },
            }
        };
        let mut blocks = Blocks::new(request);
        self.server.read(incoming, &mut blocks, hear).await?;
        let completion = blocks.finish(request);
        Ok(Completion { usage: self.server.priced(completion.usage), ..completion })
    }

    fn body(&self, request: &ModelRequest, without: Without) -> Value {
        let mut body = Map::new();
        body.insert("model".into(), json!(self.settings.name));
        body.insert("max_tokens".into(), json!(request.max_output_tokens));
        body.insert("stream".into(), json!(true));
        if !request.system.trim().is_empty() {
            body.insert("system".into(), json!([marked(json!({"type": "text", "text": request.system}))]));
        }
        let thinking = self.thinking(request.max_output_tokens);
        if !request.offers.is_empty() {
            body.insert("tools".into(), tools(request));
            let insist = request.must_call && thinking.is_none() && !without.insistence;
            let choice = if insist && may_be_forced(&self.settings.name) { "any" } else { "auto" };
            body.insert("tool_choice".into(), json!({ "type": choice }));
        }
        if let Some(thinking) = thinking {
            body.insert("thinking".into(), thinking);
        }
        if let Some(effort) = &self.settings.effort {
            body.insert("output_config".into(), json!({ "effort": effort }));
        }
        body.insert("messages".into(), messages(request, without.earlier_thinking));
        Value::Object(body)
    }

    fn thinking(&self, most: u32) -> Option<Value> {
        let budget = self.settings.thinking_budget?.max(LEAST_THINKING);
        match generation(&self.settings.name) {
            Generation::Adaptive | Generation::AlwaysThinking => Some(json!({"type": "adaptive"})),
            Generation::Budgeted | Generation::Other if most > LEAST_THINKING => {
                Some(json!({"type": "enabled", "budget_tokens": budget.min(most - 1)}))
            }
            Generation::Budgeted | Generation::Other => None,
        }
    }
}

impl Model for Anthropic {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn window(&self) -> u32 {
        self.settings.window
    }

    fn complete<'a>(
        &'a self,
        request: &'a ModelRequest,
        hear: Listener<'a>,
    ) -> BoxFuture<'a, Result<Completion, ModelError>> {
        Box::pin(self.converse(request, hear))
    }
}

/// How a model takes `thinking` and a forced call, which its name alone says.
#[derive(Debug, PartialEq, Eq)]
enum Generation {
    /// Takes a budget; does not think unasked.
    Budgeted,
    /// Decides for itself how long it thinks; does not think unasked.
    Adaptive,
    /// Thinks unasked, and may then not be forced to call.
    AlwaysThinking,
    /// Not a Claude.
    Other,
}

fn generation(name: &str) -> Generation {
    let name = name.to_ascii_lowercase().replace('.', "-");
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    if !name.contains("claude") {
        Generation::Other
    } else if has(&["opus-4-7", "opus-4-8"]) {
        Generation::Adaptive
    } else if has(&["claude-3", "opus-4", "sonnet-4", "haiku-4"]) {
        Generation::Budgeted
    } else {
        Generation::AlwaysThinking
    }
}

fn may_be_forced(name: &str) -> bool {
    generation(name) != Generation::AlwaysThinking
}

/// What to leave out after this refusal; nothing if it is about something else. A refused request costs nothing.
fn bend(refusal: &Refusal, without: Without) -> Option<Without> {
    let said = refusal.said.message.to_ascii_lowercase();
    if refusal.status != 400 {
        return None;
    }
    if !without.insistence && said.contains("tool_choice") {
        return Some(Without { insistence: true, ..without });
    }
    // Thinking is bound to all that stood before it: a conversation that was shortened may not repeat it.
    let about_thinking = said.contains("thinking") && (said.contains("block") || said.contains("signature"));
    (!without.earlier_thinking && about_thinking).then_some(Without { earlier_thinking: true, ..without })
}

fn marked(mut block: Value) -> Value {
    if let Some(block) = block.as_object_mut() {
        block.insert("cache_control".into(), json!({"type": "ephemeral"}));
    }
    block
}

fn tools(request: &ModelRequest) -> Value {
    let last = request.offers.len() - 1;
    let tool = |(at, offer): (usize, &sentinell_core::model::Offer)| {
        let tool = json!({"name": offer.name, "description": offer.description, "input_schema": offer.schema});
        if at == last { marked(tool) } else { tool }
    };
    request.offers.iter().enumerate().map(tool).collect()
}

fn messages(request: &ModelRequest, without_thinking: bool) -> Value {
    let mut said: Option<&Reply> = None;
    let mut messages = Vec::with_capacity(request.messages.len());
    for message in &request.messages {
        messages.push(match message {
            Message::Told { answers, text } => json!({"role": "user", "content": told(said.take(), answers, text)}),
            Message::Said(reply) => {
                said = Some(reply);
                json!({"role": "assistant", "content": spoken(reply, without_thinking)})
            }
        });
    }
    let ours = messages.iter_mut().rev().filter(|message| message["role"] == "user");
    for message in ours.take(MARKED_MESSAGES) {
        if let Some(last) = message["content"].as_array_mut().and_then(|blocks| blocks.last_mut()) {
            *last = marked(last.take());
        }
    }
    Value::Array(messages)
}

/// Results first, as the wire wants it, then text; never nothing.
fn told(said: Option<&Reply>, answers: &[(String, String)], text: &str) -> Vec<Value> {
    let calls = said.map(|reply| reply.calls.as_slice()).unwrap_or_default();
    let (results, other) = matched(calls, answers);
    let mut blocks: Vec<Value> = results
        .iter()
        .map(|(call, text)| json!({"type": "tool_result", "tool_use_id": call.id, "content": text}))
        .collect();
    let texts = other.into_iter().chain([text]).filter(|text| !text.trim().is_empty());
    blocks.extend(texts.map(|text| json!({"type": "text", "text": text})));
    if blocks.is_empty() {
        blocks.push(json!({"type": "text", "text": "Go on."}));
    }
    blocks
}

/// What the model said, in its own form where it said it on this wire.
fn spoken(reply: &Reply, without_thinking: bool) -> Vec<Value> {
    let own = reply.verbatim.as_array().filter(|_| reply.wire == WIRE);
    let mut blocks: Vec<Value> = match own {
        Some(blocks) => blocks.clone(),
        None => {
            let text = (!reply.text.trim().is_empty()).then(|| json!({"type": "text", "text": reply.text}));
            let calls = reply.calls.iter().map(|call| {
                let input = super::exchange::as_object(&call.args);
                json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input})
            });
            text.into_iter().chain(calls).collect()
        }
    };
    if without_thinking {
        blocks.retain(|block| !matches!(block["type"].as_str(), Some("thinking" | "redacted_thinking")));
    }
    if blocks.is_empty() {
        blocks.push(json!({"type": "text", "text": "(nothing)"}));
    }
    blocks
}
