//! The makers' own clients judge what we send, and what the scripted server sends in their place.

use super::script::{Script, serve, stream};
use super::wires::{BOTH, Why, Wire, asked, question};
use sentinell_adapters::models::Answers;
use sentinell_core::model::{Message, ModelRequest};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What `scripts/models/judge.py` says; nothing, said aloud, where the clients are not installed.
fn judged(args: &[&str], input: &str) -> Option<(bool, String)> {
    let Some(python) = std::env::var_os("SENTINELL_TEST_PYTHON") else {
        eprintln!("SKIPPED: SENTINELL_TEST_PYTHON is not set; scripts/stages/models sets it");
        return None;
    };
    let judge = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/models/judge.py");
    let mut command = Command::new(python);
    command.arg(judge).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Some((output.status.success(), String::from_utf8(output.stdout).unwrap()))
}

fn name(wire: Wire) -> &'static str {
    if wire == Wire::Anthropic { "anthropic" } else { "openai" }
}

/// Every form of request that we have: with and without a forced call, thinking, effort, a schema, a longer conversation.
async fn requests(wire: Wire) -> Vec<Value> {
    let served = serve(vec![Script::of(stream(&wire.reply()))]);
    let long = ModelRequest { max_output_tokens: 4000, must_call: true, ..super::requests::after_a_call("c1") };
    let mut thoughtful = long.clone();
    if let Message::Said(reply) = &mut thoughtful.messages[1] {
        reply.wire = "anthropic".into();
        reply.verbatim = json!([{"type": "thinking", "thinking": "t", "signature": "s"}, {"type": "redacted_thinking", "data": "d"},
            {"type": "text", "text": "x"}, {"type": "tool_use", "id": "c1", "name": "look", "input": {"service": "shop"}}]);
    }
    let silent = ModelRequest { offers: vec![], system: String::new(), ..question() };
    for request in [&question(), &long, &thoughtful, &silent] {
        for answers in [Answers::Tools, Answers::Schema] {
            let plain = wire.model_with(&served.url, |settings| settings.answers = answers);
            let thinking = wire.model_with(&served.url, |settings| {
                settings.answers = answers;
                settings.thinking_budget = Some(2000);
                settings.effort = Some("low".into());
            });
            asked(&*plain, request).await.0.unwrap();
            asked(&*thinking, request).await.0.unwrap();
        }
    }
    served.seen().into_iter().map(|seen| seen.body).collect()
}

#[tokio::test]
#[ignore = "needs the makers' clients: scripts/stages/models"]
async fn requests_fit_the_types_of_the_makers_own_clients() {
    for wire in BOTH {
        let requests = requests(wire).await;
        let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
        let Some((fits, why)) = judged(&["requests", name(wire)], &lines) else { return };
        assert!(fits, "{wire:?}:\n{why}");
        let mut wrong = requests[1].clone();
        wrong["messages"][0]["rolle"] = json!("user");
        let (fits, why) = judged(&["requests", name(wire)], &wrong.to_string()).unwrap();
        assert!(!fits && why.contains("rolle"), "the judge sees nothing: {why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the makers' clients: scripts/stages/models"]
async fn our_reading_of_a_stream_is_that_of_the_makers_own_clients() {
    for wire in BOTH {
        let calls = wire.call(0, "c1", "look", &["{\"service\":", " \"shop\"}"])
            + &wire.call(1, "c2", "look", &["{\"service\": \"till\"}"]);
        let events = wire.around(&(wire.text(&["Grüße, ", "I look."]) + &calls), Why::Done);
        let served = serve(vec![Script::of(stream(&events))]);
        let Some((read, theirs)) = judged(&["reply", name(wire), &served.url], "") else { return };
        assert!(read, "{wire:?}: the client does not understand the scripted server");
        let completion = asked(&*wire.model(&served.url), &question()).await.0.unwrap();
        let (reply, usage) = (completion.reply, completion.usage);
        let calls: Vec<Value> = reply.calls.iter().map(|call| json!([call.id, call.name, call.args])).collect();
        let counts = [usage.input_tokens, usage.cache_read_tokens, usage.cache_written_tokens, usage.output_tokens];
        let ours = json!({"text": reply.text, "calls": calls, "model": completion.model, "counts": counts});
        assert_eq!(ours, serde_json::from_str::<Value>(&theirs).unwrap(), "{wire:?}");
    }
}
