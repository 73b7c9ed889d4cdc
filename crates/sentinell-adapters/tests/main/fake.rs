//! A fake HTTP server: what it answers is a function of the request.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// GET, POST, …
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Decoded, in order.
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

impl Request {
    /// The first value of a parameter; empty without it.
    pub fn param(&self, name: &str) -> &str {
        self.query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// A header; empty without it.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// Status and body.
pub type Answer = (u16, String);
/// The same with headers. The status 0 hangs up instead of answering.
pub type Headed = (u16, Vec<(&'static str, String)>, String);

/// A running fake.
pub struct Fake {
    /// Its address.
    pub url: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    /// Answers every request with this.
    pub fn serve(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        Self::serve_headed(move |request| {
            let (status, body) = answer(request);
            (status, vec![], body)
        })
    }

    /// The same with headers.
    pub fn serve_headed(answer: impl Fn(&Request) -> Headed + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (seen, answer) = (Arc::new(Mutex::new(vec![])), Arc::new(answer));
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                std::thread::spawn(move || serve_one(stream, &*answer, &log));
            }
        });
        Self { url, seen }
    }

    /// What it was asked.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve_one(mut stream: TcpStream, answer: &dyn Fn(&Request) -> Headed, log: &Mutex<Vec<Request>>) {
    let Some(request) = read(&mut stream) else { return };
    let (status, headers, body) = answer(&request);
    log.lock().unwrap().push(request);
    if status == 0 {
        return;
    }
    let kind = if body.starts_with("data: ") { "text/event-stream" } else { "application/json" };
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "HTTP/1.1 {status} x\r\n{headers}Content-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

fn read(stream: &mut TcpStream) -> Option<Request> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 65536]);
    let (head, body) = loop {
        let count = stream.read(&mut piece).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&piece[..count]);
        let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if bytes.len() >= at + 4 + length.unwrap_or(0) {
            break (head, String::from_utf8_lossy(&bytes[at + 4..]).into_owned());
        }
    };
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    };
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Some(Request {
        method,
        path: path.to_owned(),
        query: query.split('&').filter(|text| !text.is_empty()).map(pair).collect(),
        headers: lines.filter_map(header).collect(),
        body,
    })
}

fn decoded(text: &str) -> String {
    let (mut out, mut bytes) = (vec![], text.bytes());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let code = [bytes.next().unwrap_or(b'0'), bytes.next().unwrap_or(b'0')];
                u8::from_str_radix(std::str::from_utf8(&code).unwrap_or("0"), 16).unwrap_or(b'?')
            }
            byte => byte,
        });
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Answers that no client expects, one after the other: of the wrong type, deep, broken, long.
pub fn hostile() -> Vec<Answer> {
    let wide = format!("{{\"data\":[{}1]}}", "1,".repeat(200_000));
    [
        "null",
        "7",
        "\"text\"",
        "[]",
        "{}",
        "{\"data\":7}",
        "{\"data\":{\"result\":{}}}",
        "{\"data\":{\"result\":[[],{},null]}}",
        "{\"hits\":{\"hits\":[{\"_source\":7},null]}}",
        "{\"hits\":[1]}",
        "{\"traces\":[null,{}]}",
        "{\"data\":[{\"spans\":[{}]}]}",
        "{\"batches\":[{\"scopeSpans\":[7]}]}",
        "<html>",
        "",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(["[".repeat(100_000), format!("{{\"data\":{}1{}}}", "[".repeat(5000), "]".repeat(5000)), wide])
    .map(|body| (200, body))
    .collect()
}
