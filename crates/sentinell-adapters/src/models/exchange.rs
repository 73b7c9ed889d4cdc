//! One streamed exchange with a model's server, whatever the wire.

use super::trouble::{self, Refusal, Said, busy, compressed, unusable};
use super::{ModelSettings, Secret};
use crate::http::sse::{Event, Events, LARGEST};
use crate::http::{Incoming, Lost, Streams};
use reqwest::Url;
use reqwest::header::HeaderMap;
use sentinell_core::investigation::Usage;
use sentinell_core::model::{Call, Listener, Message, ModelError, ModelRequest};
use sentinell_core::price::Price;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::time::SystemTime;

/// Bytes of a refusal that are read.
const REFUSAL: usize = 64 << 10;
/// Calls of one reply.
pub(super) const MAX_CALLS: usize = 128;
/// More tokens than any model has; a server that says more is not believed.
const MOST_TOKENS: u64 = 1_000_000_000;

/// A model's server.
#[derive(Debug)]
pub(super) struct Server {
    streams: Streams,
    url: Url,
    headers: HeaderMap,
    key: Option<Secret>,
    price: Price,
}

/// Puts a reply together.
pub(super) trait Reader: Send {
    /// Takes the next document of the stream; `true` says that the reply is complete.
    fn take(&mut self, document: &Value, hear: Listener<'_>) -> Result<bool, ModelError>;
    /// Takes the whole reply of a server that does not stream.
    fn take_whole(&mut self, document: &Value, hear: Listener<'_>) -> Result<(), ModelError>;
    /// Whether nothing is missing, should the stream end here.
    fn whole(&self) -> bool;
    /// What the server said it cost so far, in tokens.
    fn usage(&self) -> Usage;
}

impl Server {
    pub fn new(settings: &ModelSettings, url: Url, headers: HeaderMap) -> Result<Self, String> {
        settings.check()?;
        let (streams, key) = (Streams::new(settings.limits)?, settings.key.clone());
        Ok(Self { streams, url, headers, key, price: settings.price() })
    }

    /// The address.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Sends a request and waits for the head of a success.
    pub async fn ask(&self, body: &Value) -> Result<Incoming, Refusal> {
        let sent = self.streams.post(self.url.clone(), self.headers.clone(), body).await;
        let incoming =
            sent.map_err(|error| Refusal { status: 0, said: Said::default(), error: lost(error, self.key.as_ref()) })?;
        let status = incoming.status().as_u16();
        if status == 200 {
            return Ok(incoming);
        }
        let headers = incoming.headers().clone();
        let body = incoming.head(REFUSAL).await;
        Err(trouble::refusal(status, &headers, &body, SystemTime::now(), self.key.as_ref()))
    }

    /// Reads an answer to its end. An error carries what was spent until then.
    pub async fn read<R: Reader>(
        &self,
        incoming: Incoming,
        reader: &mut R,
        hear: Listener<'_>,
    ) -> Result<(), ModelError> {
        let read = self.read_unpriced(incoming, reader, hear).await;
        read.map_err(|error| ModelError { usage: self.priced(reader.usage()), ..error })
    }

    async fn read_unpriced<R: Reader>(
        &self,
        mut incoming: Incoming,
        reader: &mut R,
        hear: Listener<'_>,
    ) -> Result<(), ModelError> {
        if compressed(incoming.headers()) {
            return Err(unusable("the answer is compressed although it was asked not to be"));
        }
        match kind_of(incoming.headers()) {
            Kind::Stream => {}
            Kind::Document => return self.read_document(incoming, reader, hear).await,
            Kind::Page => return Err(unusable("a web page instead of an answer")),
        }
        let (mut events, mut batch) = (Events::default(), Vec::new());
        loop {
            let ended = match incoming.next().await {
                Ok(Some(bytes)) => {
                    events.take(&bytes, &mut batch).map_err(|why| unusable(&why))?;
                    false
                }
                Ok(None) => {
                    batch.extend(events.end());
                    true
                }
                Err(_) if reader.whole() => return Ok(()),
                Err(error) => return Err(lost(error, self.key.as_ref())),
            };
            for event in batch.drain(..) {
                if self.event(&event, reader, hear)? {
                    return Ok(());
                }
            }
            if ended {
                return if reader.whole() { Ok(()) } else { Err(busy("the answer was cut short")) };
            }
        }
    }

    fn event<R: Reader>(&self, event: &Event, reader: &mut R, hear: Listener<'_>) -> Result<bool, ModelError> {
        let data = event.data.trim();
        if data == "[DONE]" {
            return if reader.whole() { Ok(true) } else { Err(busy("the answer ended without a reason")) };
        }
        let document: Value = serde_json::from_str(data)
            .map_err(|error| unusable(&format!("an event of the answer is not JSON: {error}")))?;
        if document["type"] == "error" || document.get("error").is_some_and(|error| !error.is_null()) {
            return Err(trouble::within(&document, self.key.as_ref()));
        }
        reader.take(&document, hear)
    }

    async fn read_document<R: Reader>(
        &self,
        incoming: Incoming,
        reader: &mut R,
        hear: Listener<'_>,
    ) -> Result<(), ModelError> {
        let body = incoming.head(LARGEST).await;
        let document: Value = serde_json::from_slice(&body).map_err(|error| {
            let why = format!("the answer is not JSON: {error}");
            if error.is_eof() && body.len() < LARGEST { busy(&why) } else { unusable(&why) }
        })?;
        if document["type"] == "error" || document.get("error").is_some_and(|error| !error.is_null()) {
            return Err(trouble::within(&document, self.key.as_ref()));
        }
        reader.take_whole(&document, hear)?;
        if reader.whole() { Ok(()) } else { Err(unusable("the answer is not one of this wire")) }
    }

    /// The same usage with its money.
    pub fn priced(&self, usage: Usage) -> Usage {
        Usage { micro_usd: self.price.micro_usd(&usage), ..usage }
    }
}

enum Kind {
    Stream,
    Document,
    Page,
}

/// What the answer says it is; a server that does not say is taken to stream, as it was asked to.
fn kind_of(headers: &HeaderMap) -> Kind {
    let kind = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.trim().to_ascii_lowercase();
    if kind.starts_with("application/json") {
        Kind::Document
    } else if kind.starts_with("text/html") {
        Kind::Page
    } else {
        Kind::Stream
    }
}

fn lost(lost: Lost, key: Option<&Secret>) -> ModelError {
    let (kind, why) = match &lost {
        Lost::Away(why) => (sentinell_core::model::ModelTrouble::Busy { after_millis: None }, why),
        Lost::TooLarge(why) => (sentinell_core::model::ModelTrouble::Unusable, why),
    };
    trouble::error(kind, why, key)
}

/// A count of tokens; what is missing, negative or no number counts as nothing.
pub(super) fn tokens(count: &Value) -> u64 {
    count.as_u64().unwrap_or(0).min(MOST_TOKENS)
}

/// Bytes that a reply may have, its thinking included: a token is rarely longer than sixteen bytes.
pub(super) fn largest_reply(request: &ModelRequest) -> usize {
    (64 << 10) + 16 * request.max_output_tokens as usize
}

/// The argument of a call out of its text. Nothing is an empty object; JSON in a JSON string is unpacked once; what is no
/// JSON stays text.
pub(super) fn argument(text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Object(Map::new());
    }
    match serde_json::from_str(text) {
        Ok(Value::String(inner)) => match serde_json::from_str(&inner) {
            Ok(Value::Object(object)) => Value::Object(object),
            _ => Value::String(inner),
        },
        Ok(value) => value,
        Err(_) => Value::String(text.to_owned()),
    }
}

/// The argument as an object, which every wire wants when a call is sent back.
pub(super) fn as_object(args: &Value) -> Value {
    match args {
        Value::Object(_) => args.clone(),
        other => serde_json::json!({ "unreadable": other }),
    }
}

/// The calls, each with an id of its own that every wire accepts, unlike those of the conversation before it. `None` where
/// a call is there twice, as a stream that was taken up again may have it.
pub(super) fn own_ids(calls: Vec<Call>, request: &ModelRequest) -> Vec<Option<Call>> {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for message in &request.messages {
        if let Message::Said(reply) = message {
            taken.extend(reply.calls.iter().map(|call| call.id.clone()));
        }
    }
    let mut seen: Vec<Call> = Vec::new();
    let mut own = |call: Call| {
        if seen.contains(&call) {
            return None;
        }
        seen.push(call.clone());
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let fits = !call.id.is_empty() && call.id.len() <= 64 && call.id.chars().all(plain);
        let id = if fits && !taken.contains(&call.id) {
            call.id
        } else {
            (1..).map(|n| format!("call_{n}")).find(|id| !taken.contains(id)).unwrap_or_default()
        };
        taken.insert(id.clone());
        Some(Call { id, ..call })
    };
    calls.into_iter().map(&mut own).collect()
}

/// The results that belong to the calls of the reply before, in the order of the calls, and those that belong to none.
pub(super) fn matched<'m>(
    calls: &'m [Call],
    answers: &'m [(String, String)],
) -> (Vec<(&'m Call, &'m str)>, Vec<&'m str>) {
    let answer = |call: &Call| answers.iter().find(|(id, _)| *id == call.id).map(|(_, text)| text.as_str());
    let matched = calls.iter().map(|call| (call, answer(call).unwrap_or("There is no result."))).collect();
    let known: BTreeSet<&str> = calls.iter().map(|call| call.id.as_str()).collect();
    let other = answers.iter().filter(|(id, _)| !known.contains(id.as_str())).map(|(_, text)| text.as_str());
    (matched, other.collect())
}

/// Feeds a reader these documents with every value in them replaced by odd ones, one at a time: it may refuse, but it must
/// not panic, and must not believe absurd counts.
#[cfg(test)]
pub(super) fn survives<R: Reader>(documents: &[Value], fresh: impl Fn() -> R, finish: impl Fn(R)) {
    use serde_json::json;
    let odd =
        [json!(null), json!(-1), json!(u64::MAX), json!(1e300), json!("\u{0}é"), json!([[]]), json!({"type": {}})];
    let places: Vec<(usize, String)> = documents
        .iter()
        .enumerate()
        .flat_map(|(at, one)| {
            let mut found = Vec::new();
            pointers(one, String::new(), &mut found);
            found.into_iter().map(move |place| (at, place))
        })
        .collect();
    assert!(places.len() > 20, "nothing to replace");
    for (at, place) in places {
        for value in &odd {
            let mut documents = documents.to_vec();
            if let Some(there) = documents[at].pointer_mut(&place) {
                *there = value.clone();
            }
            let mut reader = fresh();
            for document in &documents {
                if !matches!(reader.take(document, &|_| {}), Ok(false)) {
                    break;
                }
            }
            assert!(reader.usage().output_tokens <= MOST_TOKENS, "{place}");
            finish(reader);
            let mut reader = fresh();
            let _ = reader.take_whole(&documents[at], &|_| {});
            finish(reader);
        }
    }
}

#[cfg(test)]
fn pointers(value: &Value, at: String, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| pointers(value, format!("{at}/{name}"), into));
        }
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(n, value)| pointers(value, format!("{at}/{n}"), into));
        }
        _ => {}
    }
    into.push(at);
}

#[cfg(test)]
pub(super) fn a_request() -> ModelRequest {
    let told = Message::Told { answers: vec![], text: "t".into() };
    ModelRequest {
        system: String::new(),
        offers: vec![],
        messages: vec![told],
        max_output_tokens: 100,
        must_call: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sentinell_core::model::Reply;
    use serde_json::json;

    fn call(id: &str, args: Value) -> Call {
        Call { id: id.into(), name: "look".into(), args }
    }

    #[test]
    fn arguments_are_data_wherever_they_can_be() {
        assert_eq!(argument(""), json!({}));
        assert_eq!(argument(r#"{"a":1}"#), json!({"a": 1}));
        assert_eq!(argument(r#""{\"a\":1}""#), json!({"a": 1}));
        assert_eq!(argument(r#"{"a":"#), json!("{\"a\":"));
        assert_eq!(as_object(&json!("{'a'")), json!({"unreadable": "{'a'"}));
    }

    #[test]
    fn every_call_has_an_id_of_its_own() {
        let earlier = Reply { calls: vec![call("call_1", json!({}))], ..Reply::default() };
        let request = ModelRequest {
            system: String::new(),
            offers: vec![],
            messages: vec![Message::Said(earlier)],
            max_output_tokens: 1,
            must_call: true,
        };
        let odd = ["a", "a", "a", "", "with blank", "call_1"];
        let calls = odd.iter().zip([1, 2, 1, 3, 4, 5]).map(|(id, n)| call(id, json!(n))).collect();
        let ids: Vec<_> = own_ids(calls, &request).into_iter().map(|call| call.map(|call| call.id)).collect();
        let expected = [Some("a"), Some("call_2"), None, Some("call_3"), Some("call_4"), Some("call_5")];
        assert_eq!(ids, expected.map(|id| id.map(str::to_owned)));
    }

    #[test]
    fn every_call_gets_a_result_and_no_result_is_lost() {
        let calls = [call("a", json!(1)), call("b", json!(2))];
        let answers = [("b".to_owned(), "two".to_owned()), ("z".to_owned(), "whose?".to_owned())];
        let (matched, other) = matched(&calls, &answers);
        assert_eq!(matched.iter().map(|(_, text)| *text).collect::<Vec<_>>(), ["There is no result.", "two"]);
        assert_eq!(other, ["whose?"]);
    }
}
