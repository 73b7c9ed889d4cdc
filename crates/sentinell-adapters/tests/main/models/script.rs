//! A server that does exactly what a script says, byte by byte, and remembers what it was sent.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What one connection does after the request has been read.
#[derive(Debug, Clone)]
pub enum Step {
    /// Writes these bytes as one segment.
    Send(Vec<u8>),
    /// Does nothing for so many milliseconds.
    Wait(u64),
}

/// What one connection does.
#[derive(Debug, Clone)]
pub struct Script {
    /// Whether the request is read before anything else.
    pub listens: bool,
    /// Then.
    pub steps: Vec<Step>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Request line and headers, lower case.
    pub head: String,
    /// The document.
    pub body: Value,
}

/// A running server.
pub struct Served {
    /// Its address.
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    hung_up: Arc<Mutex<Option<Instant>>>,
}

impl Script {
    /// This answer and nothing more.
    pub fn of(answer: impl Into<Vec<u8>>) -> Self {
        Self { listens: true, steps: vec![Step::Send(answer.into())] }
    }

    /// More of it.
    pub fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

/// An answer with a length.
pub fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// An answer that streams until the connection is closed.
pub fn stream(events: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n{events}")
}

/// The same, in one chunk of a chunked answer that is not ended.
pub fn chunked(events: &str) -> String {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    format!("{head}{:x}\r\n{events}\r\n", events.len())
}

/// Serves one script per connection; the last one again and again.
pub fn serve(scripts: Vec<Script>) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (seen, hung_up) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(None)));
    let served = Served { url, seen: seen.clone(), hung_up: hung_up.clone() };
    std::thread::spawn(move || {
        for (count, stream) in listener.incoming().enumerate() {
            let script = scripts[count.min(scripts.len() - 1)].clone();
            let (seen, hung_up) = (seen.clone(), hung_up.clone());
            std::thread::spawn(move || play(stream.unwrap(), script, &seen, &hung_up));
        }
    });
    served
}

impl Served {
    /// What it was sent.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until the other side has closed a connection before the script ended.
    pub async fn wait_for_hang_up(&self) -> bool {
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until {
            if self.hung_up.lock().unwrap().is_some() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }
}

fn play(mut stream: TcpStream, script: Script, seen: &Mutex<Vec<Seen>>, hung_up: &Mutex<Option<Instant>>) {
    if script.listens {
        let Some(request) = request(&mut stream) else { return };
        seen.lock().unwrap().push(request);
    }
    stream.set_nodelay(true).unwrap();
    for step in script.steps {
        match step {
            Step::Send(bytes) => {
                if stream.write_all(&bytes).is_err() {
                    return;
                }
            }
            Step::Wait(millis) => {
                let until = Instant::now() + Duration::from_millis(millis);
                stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
                while Instant::now() < until {
                    match stream.read(&mut [0; 64]) {
                        Ok(0) => {
                            *hung_up.lock().unwrap() = Some(Instant::now());
                            return;
                        }
                        _ => continue,
                    }
                }
            }
        }
    }
}

fn request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let mut piece = [0; 65536];
    loop {
        let read = stream.read(&mut piece).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&piece[..read]);
        let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..at]).to_lowercase();
        let length = head.split("content-length: ").nth(1)?.split("\r\n").next()?.parse::<usize>().ok()?;
        if bytes.len() >= at + 4 + length {
            let body = serde_json::from_slice(&bytes[at + 4..at + 4 + length]).unwrap();
            return Some(Seen { head, body });
        }
    }
}
