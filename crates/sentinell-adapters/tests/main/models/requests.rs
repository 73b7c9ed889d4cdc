//! What is sent: the form of a request, its marks for the cache, and what changes when a server refuses a part of it.

use super::script::{Script, answer, serve, stream};
use super::wires::{BOTH, KEY, Why, Wire, asked, question};
use sentinell_adapters::models::{Answers, Anthropic, ModelSettings, OpenAi, Secret};
use sentinell_core::model::{Call, Ended, Message, ModelRequest, Reply};
use sentinell_core::price::{Price, known};
use serde_json::{Value, json};

fn told(answers: &[(&str, &str)], text: &str) -> Message {
    let answers = answers.iter().map(|(id, text)| ((*id).to_owned(), (*text).to_owned())).collect();
    Message::Told { answers, text: text.into() }
}

/// A conversation that goes on after one call with this id.
pub fn after_a_call(id: &str) -> ModelRequest {
    let call = Call { id: id.into(), name: "look".into(), args: json!({"service": "shop"}) };
    let reply = Reply { text: "Let me look.".into(), calls: vec![call], ..Reply::default() };
    let mut request = question();
    request.messages.extend([Message::Said(reply), told(&[(id, "it is down")], "Go on.")]);
    request
}

/// What a server is sent for this request, when it answers ordinarily after these refusals.
async fn sent(
    wire: Wire,
    request: &ModelRequest,
    refusals: &[String],
    change: impl FnOnce(&mut ModelSettings),
) -> Vec<Value> {
    let scripts = refusals.iter().map(|body| Script::of(answer("400 Bad", "", body)));
    let served = serve(scripts.chain([Script::of(stream(&wire.reply()))]).collect());
    let (answered, _) = asked(&*wire.model_with(&served.url, change), request).await;
    answered.unwrap();
    served.seen().into_iter().map(|seen| seen.body).collect()
}

fn marks(value: &Value) -> usize {
    value.to_string().matches("cache_control").count()
}

#[tokio::test]
async fn the_key_travels_in_its_header_and_nowhere_else() {
    for (wire, header) in
        [(Wire::Anthropic, format!("x-api-key: {KEY}")), (Wire::OpenAi, format!("authorization: bearer {KEY}"))]
    {
        let served = serve(vec![Script::of(stream(&wire.reply()))]);
        asked(&*wire.model(&served.url), &question()).await.0.unwrap();
        asked(&*wire.model_with(&served.url, |settings| settings.key = None), &question()).await.0.unwrap();
        let [with, without] = served.seen().try_into().unwrap();
        assert!(with.head.contains(&header) && !with.body.to_string().contains(KEY), "{}", with.head);
        assert!(!without.head.contains("x-api-key") && !without.head.contains("authorization"), "{}", without.head);
        assert!(with.head.contains("accept-encoding: identity"));
        let path = if wire == Wire::Anthropic { "post /v1/messages http" } else { "post /v1/chat/completions http" };
        assert!(with.head.starts_with(path), "{}", with.head);
        assert_eq!(with.head.contains("anthropic-version: 2023-06-01"), wire == Wire::Anthropic);
    }
}

#[tokio::test]
async fn a_long_conversation_has_four_marks_and_its_beginning_does_not_change() {
    let mut request = question();
    request.offers.push(request.offers[0].clone());
    let mut before: Option<Value> = None;
    for turn in 0..5 {
        let [body] = sent(Wire::Anthropic, &request, &[], |_| {}).await.try_into().unwrap();
        assert_eq!(marks(&body), if turn == 0 { 3 } else { 4 }, "{body}");
        assert_eq!(marks(&body["tools"][1]) + marks(&body["system"]), 2);
        let last = body["messages"].as_array().unwrap().last().unwrap();
        assert_eq!(marks(&last["content"]), 1);
        // Without the marks, each request begins with the whole of the one before.
        let plain: Value =
            serde_json::from_str(&body.to_string().replace(",\"cache_control\":{\"type\":\"ephemeral\"}", "")).unwrap();
        if let Some(before) = before {
            let (old, new) = (before["messages"].as_array().unwrap(), plain["messages"].as_array().unwrap());
            assert_eq!(new[..old.len()], old[..]);
            assert_eq!((&before["system"], &before["tools"]), (&plain["system"], &plain["tools"]));
        }
        before = Some(plain);
        let id = format!("c{turn}");
        let Message::Said(reply) = after_a_call(&id).messages.remove(1) else { unreachable!() };
        request.messages.extend([Message::Said(reply), told(&[(&id, "still down")], "")]);
    }
}

#[tokio::test]
async fn signed_thinking_goes_back_as_it_came() {
    let wire = Wire::Anthropic;
    let event = |document: Value| format!("data: {document}\n\n");
    let thinking = event(
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
    ) + &event(
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "The disk"}}),
    ) + &event(
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "…"}}),
    ) + &event(
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}}),
    ) + &event(
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "redacted_thinking", "data": "b64=="}}),
    );
    let events =
        wire.around(&(thinking + &wire.call(1, "toolu_1", "look", &["{\"service\"", ":\"shop\"}"])), Why::Done);
    let served = serve(vec![Script::of(stream(&events)), Script::of(stream(&wire.reply()))]);
    let model = wire.model_with(&served.url, |settings| settings.thinking_budget = Some(2000));
    let mut request = ModelRequest { max_output_tokens: 4000, must_call: true, ..question() };
    let (answered, heard) = asked(&*model, &request).await;
    let reply = answered.unwrap().reply;
    assert!(heard.is_empty() && reply.text.is_empty(), "thinking is not speech: {heard:?}");
    let expected = json!([
        {"type": "thinking", "thinking": "The disk…", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "b64=="},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"service": "shop"}},
    ]);
    assert_eq!(reply.verbatim, expected);
    let through_the_journal: Reply = serde_json::from_str(&serde_json::to_string(&reply).unwrap()).unwrap();
    request.messages.extend([Message::Said(through_the_journal), told(&[("toolu_1", "full")], "")]);
    asked(&*model, &request).await.0.unwrap();
    let [first, second] = served.seen().try_into().unwrap();
    assert_eq!(second.body["messages"][1], json!({"role": "assistant", "content": expected}));
    assert_eq!(second.body["messages"][2]["content"][0]["tool_use_id"], "toolu_1");
    assert_eq!(first.body["thinking"], json!({"type": "enabled", "budget_tokens": 2000}));
    assert_eq!(first.body["tool_choice"], json!({"type": "auto"}), "thinking and a forced call exclude each other");
}

#[tokio::test]
async fn a_conversation_moves_to_the_other_wire_and_every_call_keeps_its_result() {
    let mut request = after_a_call("c1");
    let Message::Said(reply) = &mut request.messages[1] else { unreachable!() };
    reply.calls.push(Call { id: "c2".into(), name: "look".into(), args: json!("{'no'") });
    reply.wire = "another".into();
    reply.verbatim = json!([{"type": "thinking", "thinking": "x", "signature": "theirs"}]);
    for wire in BOTH {
        let [body] = sent(wire, &request, &[], |_| {}).await.try_into().unwrap();
        let text = body.to_string();
        assert!(!text.contains("theirs"), "{text}");
        let messages = body["messages"].as_array().unwrap();
        match wire {
            Wire::Anthropic => {
                assert_eq!(messages[1]["content"][2]["input"], json!({"unreadable": "{'no'"}));
                let told = messages[2]["content"].as_array().unwrap();
                assert_eq!(told.len(), 3, "two results and the text: {told:?}");
                assert_eq!(
                    (&told[1]["tool_use_id"], &told[1]["content"]),
                    (&json!("c2"), &json!("There is no result."))
                );
            }
            Wire::OpenAi => {
                assert_eq!(messages[2]["tool_calls"][1]["function"]["arguments"], "{\"unreadable\":\"{'no'\"}");
                assert_eq!(messages[3], json!({"role": "tool", "tool_call_id": "c1", "content": "it is down"}));
                assert_eq!(messages[4]["tool_call_id"], "c2");
                assert_eq!(messages[5], json!({"role": "user", "content": "Go on."}));
            }
        }
    }
}

#[tokio::test]
async fn a_model_is_made_to_call_only_where_it_can_be() {
    let must = ModelRequest { must_call: true, max_output_tokens: 4000, ..question() };
    let choice = async |name: &'static str, budget: Option<u32>| {
        let bodies = sent(Wire::Anthropic, &must, &[], |settings| {
            settings.name = name.into();
            settings.thinking_budget = budget;
        });
        let body = bodies.await.remove(0);
        (body["tool_choice"]["type"].as_str().unwrap().to_owned(), body["thinking"]["type"].as_str().map(str::to_owned))
    };
    assert_eq!(choice("claude-sonnet-4-20250514", None).await, ("any".into(), None));
    assert_eq!(choice("claude-opus-4-8", None).await, ("any".into(), None));
    assert_eq!(choice("claude-opus-4-8", Some(5000)).await, ("auto".into(), Some("adaptive".into())));
    assert_eq!(choice("claude-sonnet-5-5", None).await, ("auto".into(), None));
    assert_eq!(choice("claude-opus-5-5", Some(5000)).await, ("auto".into(), Some("adaptive".into())));
    assert_eq!(choice("smollm2", None).await, ("any".into(), None));
}

#[tokio::test]
async fn a_part_that_is_refused_is_left_out_once() {
    let wire = Wire::Anthropic;
    let forced = wire.error("invalid_request_error", "tool_choice: forced tool use is not supported for this model");
    let must = ModelRequest { must_call: true, ..question() };
    let [first, second] = sent(wire, &must, std::slice::from_ref(&forced), |_| {}).await.try_into().unwrap();
    assert_eq!((&first["tool_choice"]["type"], &second["tool_choice"]["type"]), (&json!("any"), &json!("auto")));

    let bound = wire.error("invalid_request_error", "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a different conversation.");
    let mut request = after_a_call("c1");
    let Message::Said(reply) = &mut request.messages[1] else { unreachable!() };
    reply.wire = "anthropic".into();
    reply.verbatim = json!([{"type": "thinking", "thinking": "", "signature": "s"}, {"type": "tool_use", "id": "c1", "name": "look", "input": {}}]);
    let [first, second] = sent(wire, &request, &[bound], |_| {}).await.try_into().unwrap();
    assert!(first.to_string().contains("signature") && !second.to_string().contains("signature"), "{second}");
    assert_eq!(second["messages"][1]["content"][0]["type"], "tool_use");

    let stubborn = serve(vec![Script::of(answer("400 Bad", "", &forced))]);
    assert!(asked(&*wire.model(&stubborn.url), &must).await.0.is_err());
    assert_eq!(stubborn.seen().len(), 2, "the same refusal again is final");
}

#[tokio::test]
async fn a_server_of_ones_own_answers_with_one_document() {
    let wire = Wire::OpenAi;
    let documents = [
        "{\"call\": {\"name\": \"look\", \"args\": {\"service\": \"shop\"}}}",
        "```json\n{\"call\": {\"name\": \"look\", \"args\": {\"service\": \"shop\"}}}\n```",
        "{\"name\": \"look\", \"arguments\": \"{\\\"service\\\": \\\"shop\\\"}\"} and so I looked.",
    ];
    for document in documents {
        let served = serve(vec![Script::of(stream(&wire.around(&wire.text(&[document]), Why::Done)))]);
        let model = wire.model_with(&served.url, |settings| settings.answers = Answers::Auto);
        let request = ModelRequest { must_call: true, ..after_a_call("c1") };
        let (answered, heard) = asked(&*model, &request).await;
        let reply = answered.unwrap().reply;
        assert_eq!((reply.text.as_str(), reply.calls.len(), heard.len()), ("", 1, 0), "{document}");
        assert_eq!((reply.calls[0].name.as_str(), &reply.calls[0].args), ("look", &json!({"service": "shop"})));
        assert!(!reply.calls[0].id.is_empty() && reply.calls[0].id != "c1");
        let body = &served.seen()[0].body;
        assert!(body.get("tools").is_none() && body["max_tokens"] == 1000, "{body}");
        let schema = &body["response_format"]["json_schema"]["schema"];
        assert_eq!(schema["properties"]["call"]["properties"]["name"]["enum"], json!(["look"]));
        assert!(body["messages"][0]["content"].as_str().unwrap().contains("look: Looks at a service."));
        assert_eq!(
            body["messages"][2]["content"],
            "Let me look.\n{\"call\":{\"name\":\"look\",\"args\":{\"service\":\"shop\"}}}"
        );
        assert_eq!(body["messages"][3]["content"], "The result of look:\nit is down\n\nGo on.");
    }
    let said = wire.around(&wire.text(&["{\"call\": {\"name\": \"say\", \"args\": {\"text\": \"Hm.\"}}}"]), Why::Done);
    let prose = wire.around(&wire.text(&["I do not do JSON: {'a': 1}"]), Why::Done);
    for (events, text) in [(said, "Hm."), (prose, "I do not do JSON: {'a': 1}")] {
        let served = serve(vec![Script::of(stream(&events))]);
        let model = wire.model_with(&served.url, |settings| settings.answers = Answers::Schema);
        let completion = asked(&*model, &question()).await.0.unwrap();
        assert_eq!((completion.reply.text.as_str(), completion.reply.calls.len()), (text, 0));
        assert_eq!(completion.ended, Ended::Finished);
    }
}

#[tokio::test]
async fn a_server_is_asked_only_once_for_what_it_does_not_know() {
    let refuse =
        |message: &str| Script::of(answer("400 Bad", "", &Wire::OpenAi.error("invalid_request_error", message)));
    let served = serve(vec![
        refuse("Unknown parameter: 'stream_options'."),
        refuse("'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."),
        Script::of(stream(&Wire::OpenAi.reply())),
    ]);
    let model = Wire::OpenAi.model(&served.url);
    for _ in 0..2 {
        asked(&*model, &question()).await.0.unwrap();
    }
    let bodies: Vec<Value> = served.seen().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies.len(), 4, "three for the first question, one for the second");
    assert!(bodies[0].get("stream_options").is_some() && bodies[1].get("stream_options").is_none());
    assert!(bodies[2]["max_completion_tokens"] == 1000 && bodies[2].get("max_tokens").is_none());
    assert_eq!(bodies[3], bodies[2]);
}

#[tokio::test]
async fn calls_are_told_apart_by_servers_that_count_badly() {
    let wire = Wire::OpenAi;
    let delta = |calls: Value| wire.delta(json!({ "tool_calls": calls }));
    let all_first =
        delta(json!([{"index": 0, "id": "a", "function": {"name": "look", "arguments": "{\"service\":\"x\"}"}}]))
            + &delta(
                json!([{"index": 0, "id": "b", "function": {"name": "look", "arguments": "{\"service\":\"y\"}"}}]),
            );
    let uncounted = delta(
        json!([{"function": {"name": "look", "arguments": {"service": "x"}}}, {"function": {"name": "look", "arguments": {"service": "y"}}}]),
    );
    let named_each_time =
        delta(json!([{"index": 0, "id": "a", "function": {"name": "look", "arguments": "{\"service\":"}}]))
            + &delta(json!([{"index": 0, "id": "a", "function": {"name": "look", "arguments": "\"x\"}"}}]))
            + &delta(
                json!([{"index": 1, "id": "b", "function": {"name": "look", "arguments": "{\"service\":\"y\"}"}}]),
            );
    for events in [all_first, uncounted, named_each_time] {
        let served = serve(vec![Script::of(stream(&wire.around(&events, Why::Done)))]);
        let reply = asked(&*wire.model(&served.url), &question()).await.0.unwrap().reply;
        let args: Vec<_> = reply.calls.iter().map(|call| call.args["service"].as_str()).collect();
        assert_eq!(args, [Some("x"), Some("y")], "{events}");
        assert!(reply.calls.iter().all(|call| call.name == "look" && !call.id.is_empty()));
    }
}

#[tokio::test]
async fn a_keyless_model_costs_nothing_and_an_unknown_one_is_not_taken_to_be_cheap() {
    for wire in BOTH {
        let served = serve(vec![Script::of(stream(&wire.reply()))]);
        let cost = async |change: fn(&mut ModelSettings)| {
            asked(&*wire.model_with(&served.url, change), &question()).await.0.unwrap().usage.micro_usd
        };
        let usual = cost(|_| {}).await;
        assert_eq!(usual, 575);
        assert_eq!(cost(|settings| settings.key = None).await, 0);
        assert!(cost(|settings| settings.name = "claude-of-tomorrow".into()).await > usual);
        assert_eq!(cost(|settings| settings.price = Some(Price::FREE)).await, 0);
    }
}

#[test]
fn settings_that_cannot_work_are_refused_without_showing_the_key() {
    let with = |change: &dyn Fn(&mut ModelSettings)| {
        let mut settings = ModelSettings::new("claude-sonnet-4-5");
        settings.key = Some(Secret::new(KEY));
        change(&mut settings);
        assert!(!format!("{settings:?}").contains(KEY));
        let both = [Anthropic::new(settings.clone()).map(|_| ()), OpenAi::new(settings).map(|_| ())];
        both.map(Result::err)
    };
    assert_eq!(with(&|_| {}), [None, None]);
    let broken: [&dyn Fn(&mut ModelSettings); 7] = [
        &|settings| settings.base_url = "not a URL".into(),
        &|settings| settings.base_url = "ftp://models".into(),
        &|settings| settings.base_url = format!("https://me:{KEY}@models"),
        &|settings| settings.base_url = format!("https://models/?key={KEY}"),
        &|settings| settings.key = Some(Secret::new(&format!("{KEY}\nx: y"))),
        &|settings| settings.name = String::new(),
        &|settings| settings.effort = Some("very much\n".into()),
    ];
    for change in broken {
        for error in with(change) {
            assert!(!error.unwrap().contains(KEY));
        }
    }
    assert_eq!(ModelSettings::new("claude-sonnet-4-20250514").window, known("claude-sonnet-4").unwrap().window);
}
