//! A language model as the reasoning step needs it: one request, one reply, no provider's words.
//!
//! An adapter translates to one wire. It never decides: it says what came back, what it cost and, if nothing came back,
//! who has to act.

use crate::investigation::Usage;
use crate::ports::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One request to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRequest {
    /// The rules: the same for every incident, so that a provider can keep them warm.
    pub system: String,
    /// What it may call. The same order every time, for the same reason.
    pub offers: Vec<Offer>,
    /// The conversation, beginning with [`Message::Told`], ending with it too. Best only ever lengthened: what stands
    /// before a reply's thinking is part of it, and a changed beginning makes the provider drop thinking and cache.
    pub messages: Vec<Message>,
    /// The most it may write, tokens, its thinking included.
    pub max_output_tokens: u32,
    /// Whether it must call one of the offers; otherwise it may also just talk. A model that cannot be made to (those that
    /// always think) is only asked by what the messages say: a reply without a call is possible all the same.
    pub must_call: bool,
}

/// Something that a model may call. To call it is to answer with data; nothing runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// Its name: letters, digits, `_`.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// JSON Schema of its argument, an object.
    pub schema: Value,
}

/// One part of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// What we say. `answers` are the results of the calls of the reply before it, by call id; `text` follows them.
    Told {
        /// Results of calls.
        answers: Vec<(String, String)>,
        /// Text.
        text: String,
    },
    /// What the model said.
    Said(Reply),
}

/// What a model said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reply {
    /// Its words, without its thinking.
    pub text: String,
    /// Its calls, in order.
    pub calls: Vec<Call>,
    /// Which wire `verbatim` belongs to (`anthropic`, `openai`).
    pub wire: String,
    /// The provider's own form, signed thinking included: it goes back unchanged on the same wire, and is left out on
    /// another.
    pub verbatim: Value,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The provider's id for it, made unlike every other of the conversation where it was not.
    pub id: String,
    /// Which offer, as the model named it: it may be one that was never made.
    pub name: String,
    /// Its argument. Text that is not JSON is kept as a JSON string.
    pub args: Value,
}

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The model had said what it wanted.
    Finished,
    /// It ran into `max_output_tokens`, perhaps in the middle of a call.
    TooLong,
    /// The provider or the model refused.
    Refused,
}

/// A whole answer and its price.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// What it said.
    pub reply: Reply,
    /// Why it ended.
    pub ended: Ended,
    /// The model that answered, as the provider names it.
    pub model: String,
    /// What it cost; zero tokens where the provider did not say.
    pub usage: Usage,
}

/// Why there is no answer. The kind says who must act. What was streamed before the failure may still have cost something.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{kind}: {why}")]
pub struct ModelError {
    /// Who must act.
    pub kind: ModelTrouble,
    /// One bounded line: status and message, never a key.
    pub why: String,
    /// What it cost all the same, where the provider said so.
    pub usage: Usage,
}

/// Who must act when a model did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ModelTrouble {
    /// Busy, overloaded, away or cut short: the same request may succeed later, not before `after_millis` where the
    /// provider said when.
    #[error("busy or away")]
    Busy {
        /// Milliseconds from now.
        after_millis: Option<u64>,
    },
    /// The account's money or quota is used up: only a person can change that. Never retried.
    #[error("spend limit reached")]
    SpendLimit,
    /// The key is missing, wrong or may not do this. Never retried.
    #[error("not permitted")]
    Denied,
    /// The request is larger than the model's window: the caller must say it shorter.
    #[error("the request is too large")]
    TooLarge,
    /// The provider does not accept this request, or what came back cannot be read. The same again will not help.
    #[error("not usable")]
    Unusable,
}

/// Hears a reply's text piece by piece as it is written. Must not block.
pub type Listener<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// A language model behind one wire.
pub trait Model: Send + Sync {
    /// Its name, as it stands in turns and in the price table.
    fn name(&self) -> &str;
    /// How many tokens fit, question and answer together.
    fn window(&self) -> u32;
    /// One call. Dropping the future cancels it. The adapter bounds its time and size; it does not retry.
    fn complete<'a>(
        &'a self,
        request: &'a ModelRequest,
        hear: Listener<'a>,
    ) -> BoxFuture<'a, Result<Completion, ModelError>>;
}
