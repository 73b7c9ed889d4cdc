//! Every fault that a transport can have, on both wires: what it must come to, and when to ask again.

use super::script::{Script, Step, answer, chunked, serve, stream as streaming};
use super::wires::{BOTH, KEY, Why, Wire, asked, impatient, question};
use futures::stream::{self, StreamExt};
use sentinell_core::model::{Completion, Ended, ModelTrouble};
use serde_json::json;
use std::time::{Duration, Instant};

/// One fault.
pub struct Fault {
    /// What it is.
    pub name: &'static str,
    /// The rows of the public list that it stands for.
    pub rows: &'static [u16],
    server: fn(Wire) -> Script,
    outcome: Outcome,
}

enum Outcome {
    /// Busy, with the wait that was asked for.
    Busy(Option<u64>),
    Trouble(ModelTrouble),
    /// An answer that looks like this.
    Answer(fn(Wire, &Completion)),
}

use ModelTrouble::{Denied, SpendLimit, TooLarge, Unusable};
use Outcome::{Answer, Busy, Trouble};

const fn fault(name: &'static str, rows: &'static [u16], server: fn(Wire) -> Script, outcome: Outcome) -> Fault {
    Fault { name, rows, server, outcome }
}

fn refused(wire: Wire, status: &str, headers: &str, kind: &str, message: &str) -> Script {
    let headers = format!("Content-Type: application/json\r\n{headers}");
    Script::of(answer(status, &headers, &wire.error(kind, message)))
}

fn streamed(events: &str) -> Script {
    Script::of(streaming(events))
}

/// A stream that breaks off in the middle of an answer whose length is not over.
fn broken(events: &str) -> Script {
    Script::of(chunked(events))
}

fn text_of(completion: &Completion, text: &str) {
    assert_eq!(completion.reply.text, text);
    assert_eq!(completion.ended, Ended::Finished);
}

fn ordinary(_: Wire, completion: &Completion) {
    text_of(completion, "The disk is full.");
    assert!(completion.reply.calls.is_empty());
    let usage = completion.usage;
    let counts = [usage.input_tokens, usage.cache_read_tokens, usage.cache_written_tokens, usage.output_tokens];
    assert_eq!(counts, [50, 40, 10, 25]);
    // 50 × $3, 40 × $0.30, 10 × $3.75 and 25 × $15 of a million, rounded up.
    assert_eq!(usage.micro_usd, 575);
}

fn args_of(completion: &Completion) -> Vec<serde_json::Value> {
    completion.reply.calls.iter().map(|call| call.args.clone()).collect()
}

/// The refusals.
pub const REFUSALS: &[Fault] = &[
    fault(
        "a wrong key",
        &[0],
        |w| refused(w, "401 No", "", "authentication_error", &format!("wrong key {KEY}")),
        Trouble(Denied),
    ),
    fault("a forbidden model", &[1], |w| refused(w, "403 No", "", "permission_error", "not for you"), Trouble(Denied)),
    fault(
        "an unknown model",
        &[2],
        |w| refused(w, "404 No", "", "not_found_error", "model: nobody"),
        Trouble(Unusable),
    ),
    fault("too slow for the server", &[3], |w| refused(w, "408 Late", "", "timeout_error", "late"), Busy(None)),
    fault("a conflict", &[4], |w| refused(w, "409 Conflict", "", "conflict_error", "held"), Busy(None)),
    fault(
        "a document too large",
        &[5],
        |w| refused(w, "413 Large", "", "request_too_large", "33 MB"),
        Trouble(TooLarge),
    ),
    fault(
        "a prompt too long",
        &[],
        |w| refused(w, "400 Bad", "", "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"),
        Trouble(TooLarge),
    ),
    fault(
        "a request not understood",
        &[6],
        |w| refused(w, "422 What", "", "invalid_request_error", "max_tokens"),
        Trouble(Unusable),
    ),
    fault(
        "busy for seconds",
        &[7],
        |w| refused(w, "429 Slow", "Retry-After: 7\r\n", "rate_limit_error", "slow"),
        Busy(Some(7000)),
    ),
    fault(
        "busy until a date",
        &[8, 67],
        |w| {
            let headers = "Date: Sun, 22 Nov 2026 10:00:00 GMT\r\nRetry-After: Sun, 22 Nov 2026 10:00:30 GMT\r\n";
            refused(w, "429 Slow", headers, "rate_limit_error", "slow")
        },
        Busy(Some(30_000)),
    ),
    fault(
        "busy, nobody knows how long",
        &[9, 10],
        |w| refused(w, "429 Slow", "", "rate_limit_error", "slow"),
        Busy(None),
    ),
    fault(
        "busy for milliseconds",
        &[],
        |w| refused(w, "429 Slow", "retry-after-ms: 250\r\nRetry-After: 1\r\n", "rate_limit_error", "slow"),
        Busy(Some(250)),
    ),
    fault(
        "busy for a day",
        &[75],
        |w| refused(w, "429 Slow", "Retry-After: 86400\r\n", "rate_limit_error", "slow"),
        Busy(Some(86_400_000)),
    ),
    fault("a crash inside", &[11], |w| refused(w, "500 Oops", "", "api_error", "oops"), Busy(None)),
    fault(
        "a gateway's page",
        &[12],
        |_| Script::of(answer("502 Bad", "Content-Type: text/html\r\n", "<html><h1>502</h1></html>")),
        Busy(None),
    ),
    fault("away for a second", &[13], |_| Script::of(answer("503 Away", "Retry-After: 1\r\n", "")), Busy(Some(1000))),
    fault("a slow gateway", &[14], |_| Script::of(answer("504 Late", "", "upstream")), Busy(None)),
    fault("overloaded", &[15, 16], |w| refused(w, "529 Overloaded", "", "overloaded_error", "Overloaded"), Busy(None)),
    fault(
        "a proxy that wants a password",
        &[70],
        |_| Script::of(answer("407 Proxy", "Proxy-Authenticate: Basic\r\n", "")),
        Trouble(Denied),
    ),
    fault(
        "the tier's money is used up",
        &[72],
        |_| {
            let body = json!({"type": "error", "error": {"type": "rate_limit_error", "message": "This month is over.",
            "details": {"error_code": "enforced_spend_limit_reached"}}});
            Script::of(answer("429 Slow", "", &body.to_string()))
        },
        Trouble(SpendLimit),
    ),
    fault(
        "the quota is used up",
        &[],
        |_| {
            let body = json!({"error": {"type": "insufficient_quota", "code": "insufficient_quota", "message": "Look at your plan."}});
            Script::of(answer("429 Slow", "Retry-After: 1\r\n", &body.to_string()))
        },
        Trouble(SpendLimit),
    ),
    fault(
        "one's own limit",
        &[73],
        |w| refused(w, "400 Bad", "", "invalid_request_error", "You have reached your spend limit."),
        Trouble(SpendLimit),
    ),
    fault("no credit", &[74], |w| refused(w, "402 Pay", "", "billing_error", "no credit"), Trouble(SpendLimit)),
];

/// What goes wrong below and inside a stream.
pub const STREAMS: &[Fault] = &[
    fault("accepted and closed", &[20], |_| Script { listens: false, steps: vec![] }, Busy(None)),
    fault("a head and nothing more", &[21], |_| streamed("").then(Step::Wait(2000)), Busy(None)),
    fault("not even a head", &[], |_| Script { listens: true, steps: vec![Step::Wait(2000)] }, Busy(None)),
    fault(
        "one word at a time, for ever",
        &[22],
        |w| {
            (0..20).fold(streamed(&w.opening()), |script, _| {
                script.then(Step::Wait(150)).then(Step::Send(w.text(&["word "]).into_bytes()))
            })
        },
        Busy(None),
    ),
    fault(
        "cut inside a character",
        &[23],
        |w| {
            let mut events = streaming(&(w.opening() + &w.text(&["Gr"]) + "data: {\"x\": \"Gr")).into_bytes();
            events.push(0xc3);
            Script::of(events)
        },
        Busy(None),
    ),
    fault(
        "cut inside a call",
        &[24],
        |w| {
            let whole = w.opening() + &w.call(0, "c1", "look", &["{\"service\"", ": \"shop\"}"]);
            streamed(&whole[..whole.len() - 60])
        },
        Busy(None),
    ),
    fault(
        "cut after a call, before the reason",
        &[25],
        |w| streamed(&(w.opening() + &w.call(0, "c1", "look", &["{}"]))),
        Busy(None),
    ),
    fault("the connection breaks", &[], |w| broken(&(w.opening() + &w.text(&["a"]))), Busy(None)),
    fault(
        "frames of another protocol in between",
        &[69],
        |w| {
            // What a proxy that loses its HTTP/2 connection might let through: a GOAWAY frame where a chunk should begin.
            broken(&w.opening()).then(Step::Send(b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec()))
        },
        Busy(None),
    ),
    fault(
        "an answer that is nothing",
        &[],
        |_| Script::of(answer("200 OK", "Content-Type: text/event-stream\r\n", "")),
        Busy(None),
    ),
    fault(
        "every event in three segments",
        &[26],
        |w| {
            let bytes = streaming(&w.reply()).into_bytes();
            let mut pieces = bytes.chunks(bytes.len() / 60).map(|piece| Step::Send(piece.to_vec()));
            let first = Script { listens: true, steps: pieces.next().into_iter().collect() };
            pieces.fold(first, |script, piece| script.then(Step::Wait(5)).then(piece))
        },
        Answer(ordinary),
    ),
    fault("lines with returns", &[27], |w| streamed(&w.reply().replace('\n', "\r\n")), Answer(ordinary)),
    fault(
        "comments and pings only",
        &[28],
        |w| {
            let ping =
                if w == Wire::Anthropic { "event: ping\ndata: {\"type\": \"ping\"}\n\n" } else { ": still here\n\n" };
            (0..20).fold(streamed(&w.opening()), |script, _| script.then(Step::Wait(150)).then(Step::Send(ping.into())))
        },
        Busy(None),
    ),
    fault(
        "events that nobody knows",
        &[29],
        |w| {
            let odd = "event: weather\nid: 1\ndata: {\"type\": \"weather\", \"sky\": [1]}\n\ndata: {}\n\n: note\n\nretry: 1\n\ndata:\n\n";
            streamed(
                &(odd.to_owned()
                    + &w.opening()
                    + odd
                    + &w.text(&["The disk ", "is full."])
                    + odd
                    + &w.reason(Why::Done)
                    + odd
                    + &w.stop()),
            )
        },
        Answer(ordinary),
    ),
    fault(
        "overloaded in the middle",
        &[30],
        |w| {
            streamed(&format!(
                "{}{}event: error\ndata: {}\n\n",
                w.opening(),
                w.text(&["a"]),
                w.error("overloaded_error", "Overloaded")
            ))
        },
        Busy(None),
    ),
    fault(
        "no money in the middle",
        &[],
        |w| streamed(&format!("{}event: error\ndata: {}\n\n", w.opening(), w.error("billing_error", "no"))),
        Trouble(SpendLimit),
    ),
    fault(
        "too long, said in the middle",
        &[],
        |w| streamed(&format!("{}data: {}\n\n", w.opening(), w.error("exceed_context_size_error", "x"))),
        Trouble(TooLarge),
    ),
    fault("stopped twice", &[31], |w| streamed(&(w.reply() + &w.stop() + &w.stop())), Answer(ordinary)),
    fault(
        "an event that is no JSON",
        &[32],
        |w| streamed(&(w.opening() + "data: {\"type\": oops}\n\n" + &w.stop())),
        Trouble(Unusable),
    ),
    fault(
        "a line without an end",
        &[33],
        |w| streamed(&format!("{}data: {}", w.opening(), "a".repeat(10 << 20))),
        Trouble(Unusable),
    ),
    fault(
        "blanks without an end",
        &[34],
        |w| streamed(&w.around(&w.text(&[" ".repeat(1000).as_str(); 100]), Why::Done)),
        Trouble(Unusable),
    ),
    fault(
        "bytes without an end",
        &[],
        |w| streamed(&format!("{}{}", w.opening(), ": x\n".repeat(5 << 18))),
        Trouble(Unusable),
    ),
    fault(
        "a compressed answer, cut short",
        &[68],
        |_| {
            let gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03KI,I\xb4R\xa8\x56";
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n";
            Script::of([head.as_bytes(), gzip].concat())
        },
        Trouble(Unusable),
    ),
    fault(
        "a page instead of an answer",
        &[],
        |_| Script::of(answer("200 OK", "Content-Type: text/html\r\n", "<html>Sign in</html>")),
        Trouble(Unusable),
    ),
    fault(
        "a document of something else",
        &[],
        |_| Script::of(answer("200 OK", "Content-Type: application/json\r\n", "{\"ok\": true}")),
        Trouble(Unusable),
    ),
];

/// Replies that are odd and whole.
pub const REPLIES: &[Fault] = &[
    fault(
        "out of tokens inside a call",
        &[35],
        |w| streamed(&w.around(&w.call(0, "c1", "look", &["{\"service\": \"sh"]), Why::Length)),
        Answer(|_, reply| {
            assert_eq!((reply.ended, args_of(reply)), (Ended::TooLong, vec![json!("{\"service\": \"sh")]));
        }),
    ),
    fault(
        "filtered away",
        &[36],
        |w| streamed(&w.around("", Why::Refused)),
        Answer(|_, reply| assert_eq!(reply.ended, Ended::Refused)),
    ),
    fault(
        "nothing at all",
        &[37],
        |w| streamed(&w.around("", Why::Done)),
        Answer(|_, reply| {
            text_of(reply, "");
            assert!(reply.reply.calls.is_empty());
        }),
    ),
    fault(
        "a refusal in words",
        &[38],
        |w| match w {
            Wire::Anthropic => streamed(&w.around(&w.text(&["I will not."]), Why::Refused)),
            Wire::OpenAi => streamed(&w.around(&w.delta(json!({"refusal": "I will not."})), Why::Done)),
        },
        Answer(|_, reply| {
            assert_eq!((reply.ended, reply.reply.text.as_str()), (Ended::Refused, "I will not."));
        }),
    ),
    fault(
        "a call that was never offered",
        &[39],
        |w| streamed(&w.around(&w.call(0, "c1", "delete_all", &["{}"]), Why::Done)),
        Answer(|_, reply| {
            assert_eq!(reply.reply.calls[0].name, "delete_all");
        }),
    ),
    fault(
        "an argument that is no JSON",
        &[40, 53],
        |w| streamed(&w.around(&w.call(0, "c1", "look", &["{'service': ", "'shop'}"]), Why::Done)),
        Answer(|_, reply| {
            assert_eq!(args_of(reply), [json!("{'service': 'shop'}")]);
        }),
    ),
    fault(
        "an argument packed twice",
        &[41],
        |w| streamed(&w.around(&w.call(0, "c1", "look", &[r#""{\"service\":"#, r#"\"shop\"}""#]), Why::Done)),
        Answer(|_, reply| {
            assert_eq!(args_of(reply), [json!({"service": "shop"})]);
        }),
    ),
    fault(
        "an argument without an end",
        &[45],
        |w| streamed(&w.around(&w.call(0, "c1", "look", &["a".repeat(1 << 20).as_str()]), Why::Done)),
        Trouble(Unusable),
    ),
    fault(
        "two calls of one id",
        &[46],
        |w| {
            streamed(&w.around(
                &(w.call(0, "c1", "look", &["{\"service\": \"shop\"}"])
                    + &w.call(1, "c1", "look", &["{\"service\": \"till\"}"])),
                Why::Done,
            ))
        },
        Answer(|_, reply| {
            assert_eq!(args_of(reply), [json!({"service": "shop"}), json!({"service": "till"})]);
            assert_ne!(reply.reply.calls[0].id, reply.reply.calls[1].id);
        }),
    ),
    fault(
        "a hundred calls",
        &[47],
        |w| {
            let calls: String = (0..100)
                .map(|n| w.call(n, &format!("c{n}"), "look", &[&format!("{{\"service\": \"s{n}\"}}")]))
                .collect();
            streamed(&w.around(&calls, Why::Done))
        },
        Answer(|_, reply| assert_eq!(reply.reply.calls.len(), 100)),
    ),
    fault(
        "calls without an end",
        &[],
        |w| {
            let calls: String = (0..200).map(|n| w.call(n, &format!("c{n}"), "look", &["{}"])).collect();
            streamed(&w.around(&calls, Why::Done))
        },
        Trouble(Unusable),
    ),
    fault(
        "an id of the turn before",
        &[48],
        |w| streamed(&w.around(&w.call(0, "earlier", "look", &["{}"]), Why::Done)),
        Answer(|_, reply| {
            assert_ne!(reply.reply.calls[0].id, "earlier");
        }),
    ),
    fault(
        "text that looks like a call",
        &[50],
        |w| streamed(&w.around(&w.text(&["{\"name\": \"look\", \"args\": {}}"]), Why::Done)),
        Answer(|_, reply| {
            assert!(reply.reply.calls.is_empty());
        }),
    ),
    fault(
        "no count",
        &[64],
        |w| {
            let events = w.reply();
            let kept = events.split("\n\n").filter(|event| !event.contains("\"choices\":[]"));
            streamed(
                &kept.map(|event| format!("{}\n\n", event.replace("\"usage\":", "\"usual\":"))).collect::<String>(),
            )
        },
        Answer(|_, reply| {
            text_of(reply, "The disk is full.");
            assert_eq!(reply.usage, Default::default());
        }),
    ),
    fault(
        "a negative count",
        &[65],
        |w| streamed(&w.reply().replace(":50", ":-50").replace(":25", ":-25").replace(":100", ":-100")),
        Answer(|_, reply| {
            text_of(reply, "The disk is full.");
            assert!(reply.usage.input_tokens == 0 && reply.usage.output_tokens <= 1);
        }),
    ),
    fault(
        "another model answers",
        &[66],
        |w| streamed(&w.reply().replace("claude-sonnet-4-5-20250929", "somebody-else")),
        Answer(|_, reply| {
            assert_eq!(reply.model, "somebody-else");
            assert_eq!(reply.usage.micro_usd, 575, "the price is that of the model that was asked");
        }),
    ),
    fault(
        "the same call twice",
        &[77],
        |w| {
            let call = w.call(0, "c1", "look", &["{\"service\": ", "\"shop\"}"]);
            streamed(&w.around(&(call.clone() + &call), Why::Done))
        },
        Answer(|_, reply| assert_eq!(reply.reply.calls.len(), 1)),
    ),
    fault(
        "a server that does not stream",
        &[],
        |w| {
            let document = match w {
                Wire::Anthropic => {
                    json!({"type": "message", "model": "m", "stop_reason": "tool_use", "usage": {"input_tokens": 3, "output_tokens": 4},
                "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {"service": "shop"}}]})
                }
                Wire::OpenAi => {
                    json!({"model": "m", "usage": {"prompt_tokens": 3, "completion_tokens": 4}, "choices": [{"index": 0, "finish_reason": "tool_calls",
                "message": {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"service\": \"shop\"}"}}]}}]})
                }
            };
            Script::of(answer("200 OK", "Content-Type: application/json\r\n", &document.to_string()))
        },
        Answer(|_, reply| {
            assert_eq!(args_of(reply), [json!({"service": "shop"})]);
            assert_eq!((reply.usage.input_tokens, reply.usage.output_tokens), (3, 4));
        }),
    ),
];

/// Cases that are played at a time.
const SIDE_BY_SIDE: usize = 8;

async fn check(faults: &'static [Fault]) {
    let cases = faults.iter().flat_map(|fault| BOTH.map(|wire| (fault, wire)));
    stream::iter(cases).for_each_concurrent(SIDE_BY_SIDE, |(fault, wire)| play(fault, wire)).await;
}

async fn play(fault: &Fault, wire: Wire) {
    let served = serve(vec![(fault.server)(wire)]);
    let request = if fault.rows == [48] { super::requests::after_a_call("earlier") } else { question() };
    let waits = matches!(fault.outcome, Busy(None));
    let model = wire.model_with(&served.url, |settings| {
        if waits {
            impatient(settings)
        }
    });
    let began = Instant::now();
    let (answered, _) = asked(&*model, &request).await;
    let name = format!("{} ({wire:?})", fault.name);
    match (&fault.outcome, answered) {
        (Busy(wait), Err(error)) => {
            assert_eq!(error.kind, ModelTrouble::Busy { after_millis: *wait }, "{name}: {error}");
            assert!(began.elapsed() < Duration::from_secs(8), "{name}: {:?}", began.elapsed());
        }
        (Trouble(kind), Err(error)) => assert_eq!(error.kind, *kind, "{name}: {error}"),
        (Answer(looks_right), Ok(completion)) => {
            eprintln!("{name}");
            looks_right(wire, &completion);
        }
        (_, other) => panic!("{name}: {other:?}"),
    }
}

#[tokio::test]
async fn a_refusal_is_told_apart_by_who_must_act() {
    check(REFUSALS).await;
}

#[tokio::test]
async fn a_stream_ends_in_time_whatever_happens_to_it() {
    check(STREAMS).await;
}

#[tokio::test]
async fn an_odd_reply_is_passed_on_in_order() {
    check(REPLIES).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_away() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let plain =
        serve(vec![Script { listens: false, steps: vec![Step::Send(answer("400 Bad", "", "no TLS here").into())] }]);
    let addresses =
        [format!("http://{free}"), "http://nobody.invalid".to_owned(), plain.url.replace("http://", "https://")];
    for address in &addresses {
        for wire in BOTH {
            let (answered, _) = asked(&*wire.model_with(address, impatient), &question()).await;
            let error = answered.unwrap_err();
            assert_eq!(error.kind, ModelTrouble::Busy { after_millis: None }, "{address}: {error}");
        }
    }
}

#[tokio::test]
async fn the_key_does_not_follow_a_redirect() {
    for wire in BOTH {
        let elsewhere = serve(vec![Script::of(streaming(&wire.reply()))]);
        let location = format!("Location: {}/v1/messages\r\n", elsewhere.url);
        let served = serve(vec![Script::of(answer("307 Elsewhere", &location, ""))]);
        let (answered, _) = asked(&*wire.model(&served.url), &question()).await;
        let error = answered.unwrap_err();
        assert!(error.kind == Unusable && error.why.contains("redirect"), "{error}");
        assert!(elsewhere.seen().is_empty() && served.seen().len() == 1);
    }
}

#[tokio::test]
async fn nothing_is_retried_and_a_later_request_may_succeed() {
    for wire in BOTH {
        let overloaded = refused(wire, "529 Overloaded", "", "overloaded_error", "Overloaded");
        let served = serve(vec![overloaded.clone(), overloaded, streamed(&wire.reply())]);
        let model = wire.model(&served.url);
        for turn in 1..=3 {
            let (answered, _) = asked(&*model, &question()).await;
            assert_eq!((answered.is_ok(), served.seen().len()), (turn == 3, turn), "{wire:?}");
        }
    }
}

#[tokio::test]
async fn what_was_streamed_before_a_failure_is_heard_and_counted() {
    for wire in BOTH {
        let late = wire.reason(Why::Done).replace("\"finish_reason\":\"stop\"", "\"finish_reason\":null");
        let late = late.replace("end_turn", "").replace("\"stop_reason\":\"\"", "\"stop_reason\":null");
        let events = format!(
            "{}{}{late}data: {}\n\n",
            wire.opening(),
            wire.text(&["The ", "disk"]),
            wire.error("api_error", "x")
        );
        let served = serve(vec![streamed(&events)]);
        let (answered, heard) = asked(&*wire.model(&served.url), &question()).await;
        assert_eq!(heard, ["The ", "disk"]);
        let usage = answered.unwrap_err().usage;
        assert_eq!((usage.input_tokens, usage.output_tokens, usage.micro_usd), (50, 25, 575), "{wire:?}");
    }
}

#[tokio::test]
async fn a_dropped_question_hangs_up() {
    for wire in BOTH {
        let served = serve(vec![streamed(&(wire.opening() + &wire.text(&["a"]))).then(Step::Wait(10_000))]);
        let model = wire.model(&served.url);
        let asking = tokio::time::timeout(Duration::from_millis(700), asked(&*model, &question())).await;
        assert!(asking.is_err(), "{wire:?} answered");
        assert!(served.wait_for_hang_up().await, "{wire:?} held the line");
    }
}
