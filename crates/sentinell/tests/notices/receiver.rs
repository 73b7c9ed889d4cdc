//! A receiver on loopback that writes down what it gets and answers as it is told, well or badly.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What it does with the next message, after it has read it.
#[derive(Debug, Clone, Copy)]
pub enum Behaviour {
    /// Answers with this status.
    Status(u16),
    /// 429, and a pause of so many seconds.
    RetryAfter(u32),
    /// Answers nothing and keeps the connection.
    Hang,
    /// Ends the connection without an answer.
    HangUp,
    /// Answers with something that is not HTTP.
    Garbage,
    /// 200, and then bytes without end.
    Flood,
}

/// One message as it arrived.
#[derive(Debug, Clone)]
pub struct Message {
    headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Message {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

struct Inside {
    next: VecDeque<Behaviour>,
    otherwise: Behaviour,
    seen: Vec<Message>,
}

#[derive(Clone)]
pub struct Receiver {
    address: std::net::SocketAddr,
    inside: Arc<Mutex<Inside>>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inside = Inside { next: VecDeque::new(), otherwise: Behaviour::Status(204), seen: vec![] };
        let receiver = Self { address, inside: Arc::new(Mutex::new(inside)) };
        let serving = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        receiver
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// How to treat the next message.
    pub fn then(&self, behaviour: Behaviour) {
        self.inside.lock().unwrap().next.push_back(behaviour);
    }

    /// How to treat every message from now on.
    pub fn always(&self, behaviour: Behaviour) {
        self.inside.lock().unwrap().otherwise = behaviour;
    }

    pub fn seen(&self) -> Vec<Message> {
        self.inside.lock().unwrap().seen.clone()
    }

    async fn serve(self, mut stream: TcpStream) {
        while let Some(message) = read(&mut stream).await {
            let behaviour = {
                let mut inside = self.inside.lock().unwrap();
                inside.seen.push(message);
                inside.next.pop_front().unwrap_or(inside.otherwise)
            };
            let answer = match behaviour {
                Behaviour::Status(status) => {
                    format!("HTTP/1.1 {status} X\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", self.url())
                }
                Behaviour::RetryAfter(seconds) => {
                    format!("HTTP/1.1 429 X\r\nretry-after: {seconds}\r\ncontent-length: 0\r\n\r\n")
                }
                Behaviour::Hang => return std::future::pending().await,
                Behaviour::HangUp => return,
                Behaviour::Garbage => "Gopher says no\r\n".to_owned(),
                Behaviour::Flood => "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_owned(),
            };
            if stream.write_all(answer.as_bytes()).await.is_err() || matches!(behaviour, Behaviour::Garbage) {
                return;
            }
            if matches!(behaviour, Behaviour::Flood) {
                while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
                return;
            }
        }
    }
}

/// One request; none when the connection ends.
async fn read(stream: &mut TcpStream) -> Option<Message> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    assert!(text.starts_with("POST /hook HTTP/1.1"), "{text}");
    let header = |line: &str| Some((line.split_once(':')?.0.to_lowercase(), line.split_once(':')?.1.trim().to_owned()));
    let headers: BTreeMap<String, String> = text.lines().skip(1).filter_map(header).collect();
    let length: usize = headers["content-length"].parse().unwrap();
    let mut body = bytes.split_off(head + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Message { headers, body })
}
