//! Chat completions: OpenAI, and the servers that one runs oneself (Ollama, vLLM, llama.cpp).
//!
//! A server whose tool calling is missing or not held to is asked for one JSON document held to a schema instead
//! ([`Answers::Schema`]); what comes back is one call, so that nobody behind the port sees a difference.

mod by_schema;
mod reply;

use super::exchange::{Server, as_object, matched};
use super::trouble::Refusal;
use super::{Answers, ModelSettings};
use reply::Deltas;
use sentinell_core::model::{Completion, Listener, Message, Model, ModelError, ModelRequest, Reply};
use sentinell_core::ports::BoxFuture;
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

/// The name of this wire in a [`Reply`].
pub const WIRE: &str = "openai";
/// The maker's own server.
pub const HOME: &str = "https://api.openai.com/v1";

/// A model behind chat completions.
#[derive(Debug)]
pub struct OpenAi {
    server: Server,
    settings: ModelSettings,
    /// OpenAI's own server, or one that does all as it does.
    at_home: bool,
    learnt: Learnt,
}

/// What this server turned out not to accept; it is not asked for it again.
#[derive(Debug, Default)]
struct Learnt {
    tools: AtomicBool,
    max_tokens: AtomicBool,
    stream_options: AtomicBool,
}

/// How one request is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Manner {
    by_schema: bool,
    /// The limit as newer servers call it.
    new_limit: bool,
    /// Whether the count of tokens is asked for.
    count: bool,
}

impl OpenAi {
    /// A client. Nothing is sent yet.
    ///
    /// # Errors
    /// A sentence if the settings cannot be used: the name, the address, the key's characters.
    pub fn new(settings: ModelSettings) -> Result<Self, String> {
        let url = settings.address(HOME, "chat/completions")?;
        let headers = settings.headers("authorization", "Bearer ")?;
        let server = Server::new(&settings, url, headers)?;
        let at_home = server.host().ends_with(".openai.com") || server.host().ends_with(".openai.azure.com");
        Ok(Self { server, settings, at_home, learnt: Learnt::default() })
    }

    async fn converse(&self, request: &ModelRequest, hear: Listener<'_>) -> Result<Completion, ModelError> {
        let mut manner = self.manner(request);
        let incoming = loop {
            match self.server.ask(&self.body(request, manner)).await {
                Ok(incoming) => break incoming,
                Err(refusal) => match self.bend(&refusal, manner) {
                    Some(other) => manner = other,
                    None => return Err(refusal.error),
                },
            }
        };
        let mut deltas = Deltas::new(request, manner.by_schema);
        self.server.read(incoming, &mut deltas, hear).await?;
        let completion = deltas.finish(request);
        Ok(Completion { usage: self.server.priced(completion.usage), ..completion })
    }

    fn manner(&self, request: &ModelRequest) -> Manner {
        let learnt = |what: &AtomicBool| what.load(Ordering::Relaxed);
        let by_schema = match self.settings.answers {
            Answers::Auto => !self.at_home || learnt(&self.learnt.tools),
            Answers::Tools => false,
            Answers::Schema => true,
        };
        Manner {
            by_schema: by_schema && !request.offers.is_empty(),
            new_limit: self.at_home || learnt(&self.learnt.max_tokens),
            count: !learnt(&self.learnt.stream_options),
        }
    }

    /// Another manner after this refusal; none if it is about something else. A refused request costs nothing.
    fn bend(&self, refusal: &Refusal, manner: Manner) -> Option<Manner> {
        let said = refusal.said.message.to_ascii_lowercase();
        if !matches!(refusal.status, 400 | 404 | 422 | 500 | 501) {
            return None;
        }
        let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
        if !manner.new_limit && has(&["max_completion_tokens"]) {
            self.learnt.max_tokens.store(true, Ordering::Relaxed);
            return Some(Manner { new_limit: true, ..manner });
        }
        if manner.count && has(&["stream_options", "include_usage"]) {
            self.learnt.stream_options.store(true, Ordering::Relaxed);
            return Some(Manner { count: false, ..manner });
        }
        let about_tools = has(&["tool"]) && has(&["support", "require", "--jinja", "reasoning_effort", "not allowed"]);
        if self.settings.answers == Answers::Auto && !manner.by_schema && about_tools {
            self.learnt.tools.store(true, Ordering::Relaxed);
            return Some(Manner { by_schema: true, ..manner });
        }
        None
    }

    fn body(&self, request: &ModelRequest, manner: Manner) -> Value {
        let mut body = Map::new();
        body.insert("model".into(), json!(self.settings.name));
        body.insert("stream".into(), json!(true));
        if manner.count {
            body.insert("stream_options".into(), json!({"include_usage": true}));
        }
        let limit = if manner.new_limit { "max_completion_tokens" } else { "max_tokens" };
        body.insert(limit.into(), json!(request.max_output_tokens));
        if self.at_home {
            body.insert("store".into(), json!(false));
        }
        if let Some(effort) = &self.settings.effort {
            body.insert("reasoning_effort".into(), json!(effort));
        }
        if manner.by_schema {
            body.insert("response_format".into(), by_schema::format(request));
        } else if !request.offers.is_empty() {
            body.insert("tools".into(), request.offers.iter().map(tool).collect());
            body.insert("tool_choice".into(), json!(if request.must_call { "required" } else { "auto" }));
        }
        body.insert("messages".into(), messages(request, manner.by_schema));
        Value::Object(body)
    }
}

impl Model for OpenAi {
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

fn tool(offer: &sentinell_core::model::Offer) -> Value {
    let function = json!({"name": offer.name, "description": offer.description, "parameters": offer.schema});
    json!({"type": "function", "function": function})
}

fn messages(request: &ModelRequest, by_schema: bool) -> Value {
    let mut system = request.system.clone();
    if by_schema {
        system.push_str(&by_schema::explained(request));
    }
    let mut messages = Vec::new();
    if !system.trim().is_empty() {
        messages.push(json!({"role": "system", "content": system}));
    }
    let mut said: Option<&Reply> = None;
    for message in &request.messages {
        match message {
            Message::Said(reply) => {
                said = Some(reply);
                messages.push(if by_schema { by_schema::spoken(reply) } else { spoken(reply) });
            }
            Message::Told { answers, text } => {
                let calls = said.take().map(|reply| reply.calls.as_slice()).unwrap_or_default();
                let (results, other) = matched(calls, answers);
                let mut texts: Vec<String> = Vec::new();
                for (call, result) in results {
                    if by_schema {
                        texts.push(format!("The result of {}:\n{result}", call.name));
                    } else {
                        messages.push(json!({"role": "tool", "tool_call_id": call.id, "content": result}));
                    }
                }
                texts.extend(other.into_iter().chain([text.as_str()]).map(str::to_owned));
                texts.retain(|text| !text.trim().is_empty());
                if texts.is_empty() && messages.last().is_none_or(|last| last["role"] != "tool") {
                    texts.push("Go on.".into());
                }
                if !texts.is_empty() {
                    messages.push(json!({"role": "user", "content": texts.join("\n\n")}));
                }
            }
        }
    }
    Value::Array(messages)
}

fn spoken(reply: &Reply) -> Value {
    let mut message = json!({"role": "assistant", "content": reply.text});
    if !reply.calls.is_empty() {
        let calls = reply.calls.iter().map(|call| {
            let arguments = as_object(&call.args).to_string();
            json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
        });
        message["tool_calls"] = calls.collect();
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Secret;
    use crate::models::trouble::refusal;
    use reqwest::header::HeaderMap;
    use sentinell_core::model::Offer;
    use std::time::SystemTime;

    fn request() -> ModelRequest {
        ModelRequest {
            system: "s".into(),
            offers: vec![Offer { name: "look".into(), description: "looks".into(), schema: json!({"type": "object"}) }],
            messages: vec![Message::Told { answers: vec![], text: "t".into() }],
            max_output_tokens: 10,
            must_call: true,
        }
    }

    fn model(base_url: &str) -> OpenAi {
        let mut settings = ModelSettings::new("gpt-5.4");
        settings.base_url = base_url.into();
        settings.key = Some(Secret::new("k"));
        OpenAi::new(settings).unwrap()
    }

    #[test]
    fn openai_itself_is_asked_for_calls_and_asked_to_keep_nothing() {
        let model = model("");
        assert_eq!(model.server.host(), "api.openai.com");
        let body = model.body(&request(), model.manner(&request()));
        assert_eq!(
            (&body["max_completion_tokens"], &body["store"], &body["tool_choice"]),
            (&json!(10), &json!(false), &json!("required"))
        );
        assert!(body.get("max_tokens").is_none() && body.get("response_format").is_none());
    }

    #[test]
    fn a_server_that_refuses_tools_is_asked_for_a_document_from_then_on() {
        let model = model("");
        let before = model.manner(&request());
        let refused = |message: &str| {
            let body = json!({"error": {"message": message, "type": "invalid_request_error"}}).to_string();
            model.bend(&refusal(400, &HeaderMap::new(), body.as_bytes(), SystemTime::now(), None), before)
        };
        assert_eq!(refused("the system prompt is not allowed"), None);
        let after = refused("Function tools with reasoning_effort are not supported for this model");
        assert_eq!(after, Some(Manner { by_schema: true, ..before }));
        assert_eq!(Some(model.manner(&request())), after);
        let body = model.body(&request(), model.manner(&request()));
        assert!(body.get("tools").is_none() && body["response_format"]["type"] == "json_schema");
    }

    #[test]
    fn an_address_is_taken_with_and_without_its_version() {
        for (base, url) in [
            ("http://127.0.0.1:11434", "http://127.0.0.1:11434/v1/chat/completions"),
            ("http://127.0.0.1:11434/v1/", "http://127.0.0.1:11434/v1/chat/completions"),
            ("https://gateway/openai/v1", "https://gateway/openai/v1/chat/completions"),
            ("https://gateway/compatible", "https://gateway/compatible/chat/completions"),
        ] {
            let settings = ModelSettings { base_url: base.into(), ..ModelSettings::new("m") };
            assert_eq!(settings.address(HOME, "chat/completions").unwrap().as_str(), url);
        }
        let settings = ModelSettings { base_url: "https://gateway/anthropic".into(), ..ModelSettings::new("m") };
        let url = settings.address(crate::models::anthropic::HOME, "messages").unwrap();
        assert_eq!(url.as_str(), "https://gateway/anthropic/v1/messages");
    }
}
