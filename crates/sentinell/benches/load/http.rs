//! Just enough HTTP/1.1 for a load generator: one request at a time on a kept connection.

use super::Outcome;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One kept connection.
pub struct Connection {
    address: String,
    stream: Option<TcpStream>,
    read: Vec<u8>,
}

/// What is of interest in an answer.
pub struct Answer {
    pub status: u16,
    pub retry_after: bool,
    pub bytes: usize,
}

impl Connection {
    pub fn to(address: &str) -> Self {
        Self { address: address.to_owned(), stream: None, read: Vec::with_capacity(16 * 1024) }
    }

    /// Sends a request and reads the whole answer; a connection that broke is opened anew by the next call.
    pub async fn send(&mut self, request: &[u8]) -> Outcome<Answer> {
        let done = self.exchange(request).await;
        if done.is_err() {
            self.stream = None;
        }
        done
    }

    async fn exchange(&mut self, request: &[u8]) -> Outcome<Answer> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(&self.address).await?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
        }
        let Some(stream) = self.stream.as_mut() else { return Err("no connection".into()) };
        stream.write_all(request).await?;
        self.read.clear();
        let end = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut self.read).await? == 0 {
                return Err("the connection was closed".into());
            }
        };
        let head = std::str::from_utf8(&self.read[..end])?.to_ascii_lowercase();
        let status = head.get(9..12).and_then(|code| code.parse().ok()).ok_or("no status line")?;
        let length: usize = head
            .split("\r\n")
            .find_map(|line| line.strip_prefix("content-length:"))
            .and_then(|length| length.trim().parse().ok())
            .unwrap_or_default();
        let retry_after = head.contains("\r\nretry-after:");
        while self.read.len() < end + length {
            if stream.read_buf(&mut self.read).await? == 0 {
                return Err("the answer was cut".into());
            }
        }
        if head.contains("\r\nconnection: close") {
            self.stream = None;
        }
        Ok(Answer { status, retry_after, bytes: length })
    }
}

fn find(text: &[u8], words: &[u8]) -> Option<usize> {
    text.windows(words.len()).position(|window| window == words)
}

/// A log signal; `open` gives every one a service of its own, so that it opens an incident of its own.
pub fn log_signal(host: &str, n: usize, open: bool) -> Vec<u8> {
    let service = if open { format!("checkout-{}", letters(n)) } else { "checkout".to_owned() };
    let body = format!(
        r#"{{"message":"payment {n} of customer {} timed out after {} ms at 10.1.{}.{}:5432","level":"error","metadata":{{"service":"{service}","namespace":"shop"}}}}"#,
        n % 4096,
        30 + n % 900,
        n % 250,
        n % 199,
    );
    format!(
        "POST /api/signals/logs HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn letters(mut n: usize) -> String {
    let mut text = String::new();
    loop {
        text.push(char::from(b'a' + (n % 26) as u8));
        n /= 26;
        if n == 0 {
            return text;
        }
    }
}
