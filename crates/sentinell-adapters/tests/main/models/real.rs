//! Real servers, started by `scripts/stages/models`: a fake of both wires that others wrote, and a small model.

use super::wires::{BOTH, Wire, asked};
use sentinell_adapters::models::{Answers, StreamLimits};
use sentinell_core::model::{Ended, Message, ModelRequest, Offer, Reply};
use serde_json::json;
use std::time::Duration;

fn address(variable: &str) -> Option<String> {
    let address = std::env::var(variable).ok();
    if address.is_none() {
        eprintln!("SKIPPED: {variable} is not set; scripts/stages/models sets it");
    }
    address
}

fn question(text: &str, must_call: bool) -> ModelRequest {
    let schema = json!({"type": "object", "additionalProperties": false, "required": ["service", "minutes"],
        "properties": {"service": {"type": "string", "enum": ["shop", "till"]}, "minutes": {"type": "integer"}}});
    ModelRequest {
        system: "You look into incidents. Answer shortly.".into(),
        offers: vec![Offer { name: "look".into(), description: "Looks at a service.".into(), schema }],
        messages: vec![Message::Told { answers: vec![], text: text.into() }],
        max_output_tokens: 120,
        must_call,
    }
}

fn answer(reply: Reply, text: &str) -> [Message; 2] {
    let answers = reply.calls.iter().map(|call| (call.id.clone(), text.to_owned())).collect();
    [Message::Said(reply), Message::Told { answers, text: String::new() }]
}

#[tokio::test]
#[ignore = "needs aimock: scripts/stages/models"]
async fn a_fake_that_others_wrote_is_understood_on_both_wires() {
    let Some(url) = address("SENTINELL_TEST_AIMOCK") else { return };
    for wire in BOTH {
        let model = wire.model_with(&url, |settings| {
            settings.answers = Answers::Tools;
            settings.limits = StreamLimits::default();
        });
        let mut request = question("wire test: please look at the shop", false);
        let (answered, _) = asked(&*model, &request).await;
        let completion = answered.unwrap();
        let call = &completion.reply.calls[0];
        assert_eq!((call.name.as_str(), &call.args), ("look", &json!({"service": "shop", "minutes": 5})), "{wire:?}");
        assert_eq!(completion.ended, Ended::Finished);
        request.messages.extend(answer(completion.reply, "wire test: it is down"));
        request.messages.extend([
            Message::Said(Reply { text: "I see.".into(), ..Reply::default() }),
            Message::Told { answers: vec![], text: "wire test: just say it".into() },
        ]);
        let (answered, heard) = asked(&*model, &request).await;
        let reply = answered.unwrap().reply;
        assert_eq!((reply.text.as_str(), reply.calls.len()), ("The shop is down.", 0), "{wire:?}");
        assert!(heard.len() > 1 && heard.concat() == reply.text, "{heard:?}");
    }
}

#[tokio::test]
#[ignore = "needs a real model: scripts/stages/models"]
async fn a_real_small_model_is_held_to_the_schema() {
    let Some(url) = address("SENTINELL_TEST_LLM") else { return };
    let model = Wire::OpenAi.model_with(&url, small);
    let (answered, heard) = asked(&*model, &question("The shop answers with 500 since 10 minutes.", true)).await;
    let completion = answered.unwrap();
    assert_eq!((completion.ended, heard.len()), (Ended::Finished, 0), "{completion:?}");
    let [call] = completion.reply.calls.try_into().unwrap();
    assert_eq!(call.name, "look");
    assert!(
        ["shop", "till"].contains(&call.args["service"].as_str().unwrap()) && call.args["minutes"].is_i64(),
        "{call:?}"
    );
    assert!(completion.usage.input_tokens > 20 && completion.usage.output_tokens > 5, "{:?}", completion.usage);
    assert_eq!(completion.usage.micro_usd, 0);
}

#[tokio::test]
#[ignore = "needs a real model: scripts/stages/models"]
async fn a_real_small_model_speaks_the_messages_wire() {
    let Some(url) = address("SENTINELL_TEST_LLM") else { return };
    let model = Wire::Anthropic.model_with(&url, small);
    let mut request = question("Say hello.", false);
    request.offers.clear();
    let (answered, heard) = asked(&*model, &request).await;
    let completion = answered.unwrap();
    assert!(!completion.reply.text.is_empty() && heard.concat() == completion.reply.text, "{completion:?}");
    assert!(completion.usage.input_tokens > 5 && completion.usage.output_tokens > 0, "{:?}", completion.usage);
}

#[tokio::test]
#[ignore = "needs a real model: scripts/stages/models"]
async fn a_question_that_does_not_fit_is_called_too_large() {
    let Some(url) = address("SENTINELL_TEST_LLM") else { return };
    for wire in BOTH {
        let model = wire.model_with(&url, small);
        let long = question(&"the shop is down and nobody knows why ".repeat(3000), true);
        let error = asked(&*model, &long).await.0.unwrap_err();
        assert_eq!(error.kind, sentinell_core::model::ModelTrouble::TooLarge, "{wire:?}: {error}");
    }
}

fn small(settings: &mut sentinell_adapters::models::ModelSettings) {
    settings.name = "smollm2".into();
    settings.key = None;
    settings.answers = Answers::Auto;
    settings.limits = StreamLimits { total: Duration::from_secs(240), ..StreamLimits::default() };
}
