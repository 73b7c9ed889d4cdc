//! The stream over real sockets: resumed without gap or duplicate, in both forms.

use crate::api::{House, OPERATOR};
use futures::{SinkExt, StreamExt};
use sentinell_core::approval::Role;
use sentinell_core::ids::IncidentId;
use sentinell_core::investigation::Event;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn serve(house: &House) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = house.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

async fn connect(address: SocketAddr, query: &str) -> Socket {
    connect_async(format!("ws://{address}/stream?{query}")).await.unwrap().0
}

/// The next frame; none when the server closed.
async fn frame(socket: &mut Socket) -> Option<Value> {
    loop {
        match timeout(Duration::from_secs(10), socket.next()).await.expect("a frame within 10 s") {
            Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(close))) => {
                return Some(json!({ "closed": u16::from(close.unwrap().code) }));
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

async fn note(house: &House, id: &str, text: &str) {
    let body = json!({ "text": text });
    house.post_as(OPERATOR, &format!("/api/incidents/{id}/notes"), &body).await.ok(200);
}

#[tokio::test]
async fn a_stream_cut_a_hundred_times_has_no_gap_and_no_duplicate() {
    let house = House::open().await;
    let address = serve(&house).await;
    let (id, _) = house.waiting().await;
    let (mut seen, mut after) = (vec![], 0);
    for cut in 0..100 {
        let mut socket = connect(address, &format!("after={after}")).await;
        note(&house, &id, &format!("note {cut}")).await;
        if cut % 3 == 0 {
            note(&house, &id, "and another").await;
        }
        for _ in 0..if cut % 3 == 0 { 2 } else { 1 } {
            let next = frame(&mut socket).await.unwrap();
            after = next["position"].as_u64().unwrap();
            seen.push(after);
        }
        drop(socket);
    }
    let last = house.state.store.last_position().await.unwrap();
    let mut socket = connect(address, &format!("after={after}")).await;
    while after < last {
        after = frame(&mut socket).await.unwrap()["position"].as_u64().unwrap();
        seen.push(after);
    }
    assert_eq!(seen, (1..=last).collect::<Vec<_>>());
    assert!(last > 130);
}

#[tokio::test]
async fn a_frame_has_what_the_contract_says() {
    let house = House::open().await;
    let address = serve(&house).await;
    let (id, _) = house.waiting().await;
    let (other, _) = house.waiting().await;
    let mut socket = connect(address, &format!("incident={id}")).await;
    let opened = frame(&mut socket).await.unwrap();
    assert_eq!((&opened["type"], &opened["node"], &opened["seq"]), (&json!("opened"), &json!("observe"), &json!(1)));
    assert_eq!(opened["data"]["signal"]["title"], "cart is down");
    note(&house, &other, "elsewhere").await;
    note(&house, &id, "here").await;
    let types =
        [frame(&mut socket).await, frame(&mut socket).await, frame(&mut socket).await, frame(&mut socket).await];
    let types: Vec<String> = types.map(|frame| frame.unwrap()["type"].as_str().unwrap().to_owned()).into();
    assert_eq!(types, ["action_proposed", "action_ruled", "approval_requested", "note_added"]);
    let mut live = connect(address, "").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    note(&house, &id, "now").await;
    assert_eq!(frame(&mut live).await.unwrap()["data"]["text"], "now", "without a position it begins now");
    house.stop.send(true).unwrap();
    assert_eq!(frame(&mut live).await.unwrap()["closed"], 1001);
}

#[tokio::test]
async fn the_first_versions_frames_end_with_the_investigation() {
    let house = House::open().await;
    let address = serve(&house).await;
    let mut socket = connect(address, "format=nodes").await;
    socket.send(Message::text(json!({"logs": "ERROR cart is down"}).to_string())).await.unwrap();
    let id = loop {
        let listed = house.get("/api/incidents").await;
        if let Some(id) = listed.ok(200)["incidents"][0]["id"].as_str() {
            break id.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    house.post_as(OPERATOR, &format!("/api/incidents/{id}/resolve"), &json!({})).await.ok(200);
    assert_eq!(frame(&mut socket).await.unwrap()["observe"]["logs"], "ERROR cart is down");
    assert_eq!(frame(&mut socket).await.unwrap()["evaluate"]["status"], "resolved");
    assert_eq!(frame(&mut socket).await.unwrap()["closed"], 1000);
}

#[tokio::test]
async fn steps_of_one_investigation_are_told_one_by_one() {
    let house = House::open().await;
    let address = serve(&house).await;
    let (id, _) = house.waiting().await;
    let mut socket = connect(address, &format!("format=nodes&incident={id}")).await;
    let node = |frame: &Value| frame.as_object().unwrap().keys().next().unwrap().clone();
    let mut nodes = vec![];
    for _ in 0..3 {
        nodes.push(node(&frame(&mut socket).await.unwrap()));
    }
    assert_eq!(nodes, ["observe", "reason", "act"]);
    house.post_as(OPERATOR, &format!("/api/incidents/{id}/resolve"), &json!({})).await.ok(200);
    let last = frame(&mut socket).await.unwrap();
    assert_eq!((node(&last).as_str(), &last["evaluate"]["status"]), ("evaluate", &json!("resolved")));
    assert_eq!(frame(&mut socket).await.unwrap()["closed"], 1000);
}

#[tokio::test]
async fn a_reader_that_stops_reading_is_told_where_to_resume() {
    let house = House::with(|config| config.stream_patience = Duration::from_millis(50)).await;
    let address = serve(&house).await;
    let (id, _) = house.waiting().await;
    let case = house.state.store.load(&IncidentId(id.clone())).await.unwrap().unwrap();
    let large = |n: usize| Event::NoteAdded { by: "ann".into(), text: format!("{n} {}", "x".repeat(200_000)) };
    let mut socket = connect(address, "after=0").await;
    let now = sentinell_core::ports::Clock::now(&*house.clock);
    house.state.store.append(&case, (0..120).map(large).collect(), now, None).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let (mut seen, mut resume) = (0, None);
    while let Some(next) = frame(&mut socket).await {
        if next["type"] == "lagged" {
            resume = next["resume_after"].as_u64();
        } else if next["closed"].is_null() {
            seen = next["position"].as_u64().unwrap();
        } else {
            break;
        }
    }
    assert_eq!(resume, Some(seen), "it is told the last position that it got");
    let mut socket = connect(address, &format!("after={seen}")).await;
    assert_eq!(frame(&mut socket).await.unwrap()["position"], seen + 1);
}

#[tokio::test]
async fn nobody_listens_without_the_right() {
    let house = House::with(|config| config.open_reading_on_loopback = false).await;
    let address = serve(&house).await;
    let refused = |result: Result<_, Error>| match result {
        Err(Error::Http(answer)) => answer.status().as_u16(),
        Err(other) => panic!("{other}"),
        Ok(_) => 101,
    };
    let url = format!("ws://{address}/stream");
    assert_eq!(refused(connect_async(&url).await), 401);
    assert_eq!(refused(connect_async(format!("{url}?token={OPERATOR}")).await), 401, "no token in the URL");
    let with = |name: &'static str, value: String| {
        let mut request = url.clone().into_client_request().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    assert_eq!(refused(connect_async(with("authorization", format!("Bearer {OPERATOR}"))).await), 101);
    let mut foreign = with("authorization", format!("Bearer {OPERATOR}"));
    foreign.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(refused(connect_async(foreign).await), 403);
    let viewer = house.token("vera", Role::Viewer).await;
    let ticket = house.post_as(&viewer, "/api/stream-ticket", &json!({})).await;
    let once = format!("{url}?ticket={}", ticket.ok(201)["ticket"].as_str().unwrap());
    let mut socket = connect_async(&once).await.unwrap().0;
    assert_eq!(refused(connect_async(&once).await), 401, "a ticket works once");
    socket.send(Message::text(r#"{"logs": "boom"}"#)).await.unwrap();
    assert_eq!(frame(&mut socket).await.unwrap()["type"], "error");
    assert_eq!(frame(&mut socket).await.unwrap()["closed"], 1008, "a viewer starts nothing");
}

#[tokio::test]
async fn server_sent_events_resume_by_the_last_id() {
    let house = House::open().await;
    let address = serve(&house).await;
    let (id, _) = house.waiting().await;
    let url = format!("http://{address}/api/stream?incident={id}");
    let mut answer = reqwest::Client::new().get(url).header("last-event-id", "3").send().await.unwrap();
    let mut text = String::new();
    while !text.contains("\n\n") {
        let chunk = timeout(Duration::from_secs(10), answer.chunk()).await.unwrap().unwrap().unwrap();
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert!(text.contains("id: 4") && text.contains("approval_requested"), "{text}");
}

/// The code that the server closes a socket with.
async fn closed(mut socket: Socket) -> Value {
    frame(&mut socket).await.unwrap()["closed"].clone()
}

#[tokio::test]
async fn an_open_stream_ends_with_the_token_or_session_that_opened_it() {
    let house = House::with(|config| config.judged_again = Duration::from_millis(50)).await;
    let address = serve(&house).await;
    let (url, http) = (format!("ws://{address}/stream"), reqwest::Client::new());
    let open = |name: &'static str, value: String| {
        let mut request = url.clone().into_client_request().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        request.headers_mut().insert("origin", format!("http://{address}").parse().unwrap());
        async { connect_async(request).await.unwrap().0 }
    };
    let made = house.post_as(OPERATOR, "/api/tokens", &json!({"name": "vera", "role": "viewer"})).await;
    let (id, token) = (made.ok(201)["id"].as_str().unwrap(), made.ok(201)["token"].as_str().unwrap());
    let bearer = format!("Bearer {token}");
    let signed_in = || async {
        let answer = http.post(format!("http://{address}/api/session")).header("authorization", &bearer);
        let answer = answer.send().await.unwrap();
        answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
    };
    let (first, second) = (signed_in().await, signed_in().await);
    let ticket = house.post_as(token, "/api/stream-ticket", &json!({})).await;
    let ticket = connect_async(format!("{url}?ticket={}", ticket.ok(201)["ticket"].as_str().unwrap())).await.unwrap().0;
    let (by_token, by_first, by_second, by_operator) = (
        open("authorization", bearer.clone()).await,
        open("cookie", first.clone()).await,
        open("cookie", second).await,
        open("authorization", format!("Bearer {OPERATOR}")).await,
    );
    let mut events =
        http.get(format!("http://{address}/api/stream")).header("authorization", &bearer).send().await.unwrap();

    house
        .state
        .store
        .end_session(
            &sentinell::auth::secret::hash(first.split_once('=').unwrap().1),
            sentinell_core::ports::Clock::now(&*house.clock),
        )
        .await
        .unwrap();
    assert_eq!(closed(by_first).await, 1008, "another process signed it out");
    house.call("DELETE", &format!("/api/tokens/{id}"), Some(OPERATOR), &json!({})).await;
    for socket in [by_token, by_second, ticket] {
        assert_eq!(closed(socket).await, 1008);
    }
    let ended = async { while events.chunk().await.unwrap().is_some() {} };
    timeout(Duration::from_secs(10), ended).await.expect("server-sent events end, too");

    let (incident, _) = house.waiting().await;
    note(&house, &incident, "still here").await;
    let mut operator = by_operator;
    assert_eq!(frame(&mut operator).await.unwrap()["type"], "opened", "others are not turned away");
}
