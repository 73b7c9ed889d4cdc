//! Strange HTTP and WebSockets, byte by byte, to a real server process: it answers or hangs up, others are served, and its
//! memory stays where it is.

use super::{member, rows};
use crate::operations::serve::{Serve, Wishes};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// The most memory that the process ever had, KiB.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(4))).unwrap();
    stream
}

/// Sends what it may of these pieces, and reads the beginning of what comes back.
fn said(address: &str, shape: &str, pieces: impl IntoIterator<Item = Vec<u8>>) -> String {
    let mut stream = connect(address);
    for piece in pieces {
        if stream.write_all(&piece).is_err() {
            break;
        }
    }
    // Whoever has said everything and hangs up is not always answered.
    if shape.starts_with("half-closed") {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let patience = if shape.starts_with("gzip") { 4000 } else { 500 };
    stream.set_read_timeout(Some(Duration::from_millis(patience))).unwrap();
    let mut answer = vec![];
    let _ = stream.take(1 << 16).read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request to `/api/issues` with these header lines and this body.
fn post(headers: &str, body: &str) -> Vec<u8> {
    format!("POST /api/issues HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n{headers}\r\n{body}")
        .into_bytes()
}

fn get(headers: &str) -> Vec<u8> {
    format!("GET /api/incidents HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n{headers}\r\n").into_bytes()
}

fn socket(frames: &[u8]) -> Vec<u8> {
    let mut bytes = b"GET /stream HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-extensions: permessage-deflate\r\n\r\n".to_vec();
    bytes.extend_from_slice(frames);
    bytes
}

/// A masked frame with this first byte and payload.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

fn repeated(piece: Vec<u8>, times: usize) -> impl Iterator<Item = Vec<u8>> {
    std::iter::repeat_n(piece, times)
}

/// HTTP/2 without being asked for it, with these bytes after its greeting.
fn http2(bytes: &[u8]) -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &[0, 0, 0, 4, 0, 0, 0, 0, 0], bytes].concat()
}

/// What a row of the list says, as pieces of bytes; none for what is not about bytes.
#[expect(clippy::too_many_lines, reason = "one line for each shape")]
fn pieces(shape: &str) -> Option<Vec<Vec<u8>>> {
    let issue = r#"{"title":"a","description":"b"}"#;
    let length = format!("content-length: {}\r\n", issue.len());
    let mega = "x".repeat(1 << 20);
    let one = |bytes: Vec<u8>| Some(vec![bytes]);
    let line = |line: &str| one(format!("{line}\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n").into_bytes());
    match shape {
        "body of 1 GiB with Content-Length" => {
            Some(std::iter::once(post("content-length: 1073741824\r\n", "")).chain(repeated(vec![b'x'; 1 << 20], 64)).collect())
        }
        "body of 1 GiB chunked" => {
            let chunk = [b"100000\r\n".as_slice(), &vec![b'x'; 1 << 20], b"\r\n"].concat();
            Some(std::iter::once(post("transfer-encoding: chunked\r\n", "")).chain(repeated(chunk, 64)).collect())
        }
        "Content-Length: -1" => one(post("content-length: -1\r\n", issue)),
        "Content-Length: 18446744073709551616" => one(post("content-length: 18446744073709551616\r\n", issue)),
        "two Content-Length headers" => one(post("content-length: 3\r\ncontent-length: 31\r\n", issue)),
        "Content-Length and Transfer-Encoding" => one(post("content-length: 3\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n")),
        "Transfer-Encoding: chunked, identity" => one(post("transfer-encoding: chunked, identity\r\n", "0\r\n\r\n")),
        "Transfer-Encoding : chunked" => one(post("transfer-encoding : chunked\r\n", "0\r\n\r\n")),
        "chunk size ffffffffffffffff" => one(post("transfer-encoding: chunked\r\n", "ffffffffffffffff\r\nx\r\n0\r\n\r\n")),
        "chunk extension of 1 MiB" => one(post("transfer-encoding: chunked\r\n", &format!("1;{mega}\r\nx\r\n0\r\n\r\n"))),
        "trailer headers of 1 MiB" => one(post("transfer-encoding: chunked\r\n", &format!("0\r\nx: {mega}\r\n\r\n"))),
        "header of 1 MiB" => one(get(&format!("x: {mega}\r\n"))),
        "10 000 headers" => one(get(&"x: y\r\n".repeat(10_000))),
        "header name with space" => one(get("x y: z\r\n")),
        "header value with NUL" => one(get("x: \0\r\n")),
        "obs-fold header" => one(get("x: y\r\n z\r\n")),
        "request line of 1 MiB" => line(&format!("GET /{mega} HTTP/1.1")),
        "no Host" => one(b"GET /api/incidents HTTP/1.1\r\nconnection: close\r\n\r\n".to_vec()),
        "two Hosts" => one(get("host: evil.example\r\n")),
        "Host: evil.example" => one(b"GET /api/incidents HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n".to_vec()),
        "absolute-form target to another host" => line("GET http://evil.example/api/incidents HTTP/1.1"),
        "method FOO" => line("FOO /api/incidents HTTP/1.1"),
        "method of 10 000 letters" => line(&format!("{} / HTTP/1.1", "A".repeat(10_000))),
        "TRACE" => line("TRACE /api/incidents HTTP/1.1"),
        "CONNECT" => line("CONNECT evil.example:443 HTTP/1.1"),
        "HTTP/1.0 keep-alive" => one(b"GET /api/health HTTP/1.0\r\nhost: 127.0.0.1\r\nconnection: keep-alive\r\n\r\n".to_vec()),
        "HTTP/9.9" => line("GET / HTTP/9.9"),
        "lone LF line ends" => one(b"GET /api/health HTTP/1.1\nhost: 127.0.0.1\nconnection: close\n\n".to_vec()),
        "pipelined 10 000 requests" => one("GET /api/health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".repeat(10_000).into_bytes()),
        "half-closed after the request" => one(get("")),
        "TLS garbage on the plain port" => one([&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 500]].concat()),
        "HTTP/2 rapid reset 10 000 streams" => one(http2(&[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8].repeat(10_000))),
        "HTTP/2 CONTINUATION flood" => one(http2(&[0, 0, 0, 9, 0, 0, 0, 0, 1].repeat(10_000))),
        "HTTP/2 SETTINGS flood" => one(http2(&[0, 0, 0, 4, 0, 0, 0, 0, 0].repeat(10_000))),
        "HPACK bomb" => one(http2(&[[0, 0x40, 0, 1, 4, 0, 0, 0, 1].as_slice(), &[0xbe; 0x4000]].concat().repeat(10))),
        "gzip request body 1:1000" => {
            let bomb = member("archives/gzip_bomb_100MiB.gz")?;
            let head = format!("POST /v1/logs HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len());
            one([head.as_bytes(), &bomb].concat())
        }
        "br request body 1:1000" => one(post(&format!("content-encoding: br\r\n{length}"), issue)),
        "Content-Encoding: gzip, gzip, gzip" => one(post(&format!("content-encoding: gzip, gzip, gzip\r\n{length}"), issue)),
        "Content-Type missing" => one(format!("POST /api/issues HTTP/1.1\r\nhost: 127.0.0.1\r\n{length}\r\n{issue}").into_bytes()),
        "Content-Type text/plain with JSON body (CSRF simple request)" => {
            one(format!("POST /api/issues HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: text/plain\r\n{length}\r\n{issue}").into_bytes())
        }
        "Content-Type multipart with JSON part" => one(format!("POST /api/issues HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: multipart/form-data; boundary=b\r\n{length}\r\n{issue}").into_bytes()),
        "charset=utf-7" => one(b"POST /api/issues HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json; charset=utf-7\r\ncontent-length: 9\r\n\r\n+AHsAfQ-".to_vec()),
        "charset=utf-16 body" => {
            let body: Vec<u8> = issue.encode_utf16().flat_map(u16::to_le_bytes).collect();
            one([post(&format!("content-length: {}\r\n", body.len()), "").as_slice(), &body].concat())
        }
        "Accept of 64 KiB" => one(get(&format!("accept: {}\r\n", "x".repeat(64 << 10)))),
        "Range: bytes=0-0,1-1,... 10 000 ranges" => one(get(&format!("range: bytes={}\r\n", "0-0,".repeat(10_000)))),
        "Cookie of 64 KiB" => one(get(&format!("cookie: {}\r\n", "a=b; ".repeat(13_000)))),
        "X-Forwarded-For: 127.0.0.1" => one(get("x-forwarded-for: 127.0.0.1\r\n")),
        "X-Forwarded-For of 10 000 hops" => one(get(&format!("x-forwarded-for: {}\r\n", "127.0.0.1, ".repeat(10_000)))),
        "Forwarded: for=127.0.0.1" => one(get("forwarded: for=127.0.0.1\r\n")),
        "X-HTTP-Method-Override: DELETE" => one(get("x-http-method-override: DELETE\r\n")),
        "X-Original-URL: /admin" => one(get("x-original-url: /api/tokens\r\n")),
        "X-Rewrite-URL: /admin" => one(get("x-rewrite-url: /api/tokens\r\n")),
        "Expect: 100-continue and no body" => one(post(&format!("expect: 100-continue\r\n{length}"), "")),
        "Upgrade: h2c" => one(get("upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n")),
        "Upgrade: websocket to a REST path" => one(get("upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n")),
        "reset in the middle of the body" => one(post("content-length: 1000\r\n", issue)),
        "WebSocket frame of 2^63 bytes" => one(socket(&[0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, b'x'])),
        "WebSocket unmasked client frame" => one(socket(&[0x81, 2, b'{', b'}'])),
        "WebSocket text with invalid UTF-8" => one(socket(&frame(0x81, &[0xff, 0xfe]))),
        "WebSocket 1 000 000 empty fragments" => {
            let empty = frame(0x00, b"").repeat(10_000);
            Some(std::iter::once(socket(&frame(0x01, b""))).chain(repeated(empty, 100)).collect())
        }
        "WebSocket ping flood" => {
            let pings = frame(0x89, &[b'x'; 100]).repeat(1_000);
            Some(std::iter::once(socket(b"")).chain(repeated(pings, 100)).collect())
        }
        "WebSocket permessage-deflate bomb" => one(socket(&frame(0xc1, &[0xaa; 100]))),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_shape_of_http_is_feared() {
    let Some(rows) = rows("http_shapes.jsonl") else { return };
    assert_eq!(rows.len(), 68);
    let folder = tempfile::tempdir().unwrap();
    let mut serve = Serve::start(folder.path(), &Wishes::default()).await;
    assert!(serve.answers("/api/incidents").await);
    let (address, pid) = (serve.address.clone(), serve.pid());
    let (mut met, mut left, mut silent) = (0, vec![], vec![]);
    for row in &rows {
        let shape = row["shape"].as_str().unwrap().to_owned();
        let Some(pieces) = pieces(&shape) else {
            left.push(shape);
            continue;
        };
        met += 1;
        let (before, place, named) = (peak(pid), address.clone(), shape.clone());
        let answer = tokio::task::spawn_blocking(move || said(&place, &named, pieces)).await.unwrap();
        let grown = peak(pid).saturating_sub(before);
        if grown > 2 << 10 {
            eprintln!("{shape}: {grown} KiB more");
        }
        assert!(grown < 64 << 10, "{shape}: {grown} KiB more");
        let statuses = answer.match_indices("HTTP/1.").filter_map(|(at, _)| answer.get(at + 9..at + 12));
        let bad: Vec<&str> = statuses.filter(|status| status.starts_with('5')).collect();
        assert!(bad.is_empty(), "{shape}: {bad:?} {answer:.300}");
        if answer.is_empty() {
            silent.push(shape.clone());
        }
        let must_not =
            ["Host: evil.example", "two Hosts", "Content-Type text/plain with JSON body (CSRF simple request)"];
        assert!(!must_not.contains(&&*shape) || !answer.starts_with("HTTP/1.1 20"), "{shape}: {answer:.300}");
        assert!(serve.answers("/api/health").await, "{shape}: others are served");
    }
    eprintln!(
        "http shapes: {met} of 68 met, hung up on without a word {silent:?}, elsewhere {left:?}; {} KiB at most",
        peak(pid)
    );
    assert!(met >= 58, "{met}: {left:?}");
    serve.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_speaks_slowly_is_let_go_and_keeps_nobody_else_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let mut serve = Serve::start(folder.path(), &Wishes::default()).await;
    let (address, pid) = (serve.address.clone(), serve.pid());
    let before = peak(pid);
    let began = Instant::now();
    let mut headers: Vec<TcpStream> = (0..400).map(|_| connect(&address)).collect();
    headers.iter_mut().for_each(|stream| stream.write_all(b"GET /api/health HTTP/1.1\r\nho").unwrap());
    let mut bodies: Vec<TcpStream> = (0..400).map(|_| connect(&address)).collect();
    bodies.iter_mut().for_each(|stream| stream.write_all(&post("content-length: 1000\r\n", "{")).unwrap());
    assert!(serve.answers("/api/incidents").await, "others are served");
    let ends = tokio::task::spawn_blocking(move || {
        let last = |stream: &mut TcpStream| {
            stream
                .set_read_timeout(Some(
                    Duration::from_secs(26).saturating_sub(began.elapsed()).max(Duration::from_millis(1)),
                ))
                .unwrap();
            let mut answer = vec![];
            stream.read_to_end(&mut answer).ok()?;
            Some(String::from_utf8_lossy(&answer).into_owned())
        };
        (
            headers.iter_mut().map(last).collect::<Vec<_>>(),
            bodies
                .iter_mut()
                .map(|stream| {
                    let mut answer = [0; 12];
                    stream
                        .set_read_timeout(Some(
                            Duration::from_secs(26).saturating_sub(began.elapsed()).max(Duration::from_millis(1)),
                        ))
                        .unwrap();
                    stream.read_exact(&mut answer).ok().map(|()| String::from_utf8_lossy(&answer).into_owned())
                })
                .collect::<Vec<_>>(),
        )
    });
    let (headers, bodies) = ends.await.unwrap();
    let hung_up = headers.iter().flatten().filter(|answer| !answer.contains(" 5")).count();
    let told = bodies.iter().flatten().filter(|answer| answer.ends_with("408")).count();
    let grown = peak(pid).saturating_sub(before);
    eprintln!("slow: {hung_up} of 400 without headers let go, {told} of 400 without a body told, {grown} KiB more");
    assert_eq!((hung_up, told), (400, 400));
    assert!(grown < 64 << 10, "{grown} KiB");
    serve.stop().await;
}

/// How many sockets a process holds open.
fn sockets(pid: u32) -> usize {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().filter_map(Result::ok);
    open.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_and_does_not_read_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let mut serve = Serve::start(folder.path(), &Wishes::default()).await;
    let (address, pid) = (serve.address.clone(), serve.pid());
    let (before, memory) = (sockets(pid), peak(pid));
    // More answers than the buffers of both sides hold.
    let questions = b"GET /api/openapi.json HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".repeat(400);
    let asking: Vec<TcpStream> = (0..100).map(|_| connect(&address)).collect();
    asking.iter().for_each(|mut stream| stream.write_all(&questions).unwrap());
    assert!(serve.answers("/api/incidents").await, "others are served");
    let began = Instant::now();
    let mut held = 0;
    while held < 100 && began.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        held = held.max(sockets(pid).saturating_sub(before));
    }
    while sockets(pid) > before + 5 && began.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let (left, grown) = (sockets(pid).saturating_sub(before), peak(pid).saturating_sub(memory));
    eprintln!("unread: {held} held, {left} left after {:.0?}, {grown} KiB more", began.elapsed());
    assert!(held >= 100 && left <= 5, "{held} {left}");
    assert!(grown < 128 << 10, "{grown} KiB");
    drop(asking);
    serve.stop().await;
}
