//! Redis's protocol, version 2: one command at a time, answers bounded in size and depth.
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>

use crate::http::Url;
use crate::text::one_line;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(4);
/// Bytes of one answer.
const MAX_BYTES: usize = 4 << 20;
/// Lists within lists.
const MAX_DEPTH: usize = 6;

/// Why there is no answer.
pub(super) enum Trouble {
    /// Nobody answers, or to nobody.
    Away(String),
    /// We may not.
    Denied(String),
    /// It is no Redis.
    Nonsense(String),
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Nothing,
    Number(i64),
    Text(String),
    Error(String),
    List(Vec<Self>),
}

impl Value {
    /// Its elements; none of anything else.
    pub(super) fn list(&self) -> &[Self] {
        if let Self::List(list) = self { list } else { &[] }
    }

    /// Its text; empty of anything else.
    pub(super) fn text(&self) -> &str {
        if let Self::Text(text) = self { text } else { "" }
    }
}

/// What bytes go over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection.
pub(super) struct Wire {
    stream: BufReader<Box<dyn Stream>>,
}

impl Wire {
    /// Connects, and says who we are if the URL does.
    pub(super) async fn open(url: &Url) -> Result<Self, Trouble> {
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let connected = timeout(CONNECT, TcpStream::connect((host.as_str(), url.port().unwrap_or(6379)))).await;
        let connected = connected.map_err(|_| Trouble::Away(format!("no answer within {} s", CONNECT.as_secs())))?;
        let stream = connected.map_err(away)?;
        let stream: Box<dyn Stream> = if url.scheme() == "rediss" {
            let wrong = |why: String| Trouble::Away(one_line(&why, 200));
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
            let config = config.map_err(|error| wrong(error.to_string()))?;
            let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(config.crypto_provider()));
            let verifier = verifier.map_err(|error| wrong(error.to_string()))?;
            let config = config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
            let name = ServerName::try_from(host).map_err(|error| wrong(error.to_string()))?;
            let shaken = timeout(CONNECT, TlsConnector::from(Arc::new(config)).connect(name, stream)).await;
            let shaken = shaken.map_err(|_| wrong("no TLS handshake in time".to_owned()))?;
            Box::new(shaken.map_err(|error| wrong(error.to_string()))?)
        } else {
            Box::new(stream)
        };
        let mut wire = Self { stream: BufReader::new(stream) };
        let decoded = |text: &str| percent_decoded(text);
        if let Some(password) = url.password() {
            let (user, password) = (decoded(url.username()), decoded(password));
            let command = if user.is_empty() { vec!["AUTH", &password] } else { vec!["AUTH", &user, &password] };
            if let Value::Error(error) = wire.ask(&command).await? {
                return Err(Trouble::Denied(one_line(&error, 300)));
            }
        }
        Ok(wire)
    }

    /// One command and its answer.
    pub(super) async fn ask(&mut self, words: &[&str]) -> Result<Value, Trouble> {
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.get_mut().write_all(command.as_bytes()).await.map_err(away)?;
        self.stream.get_mut().flush().await.map_err(away)?;
        answer(&mut self.stream).await
    }
}

fn away(error: std::io::Error) -> Trouble {
    Trouble::Away(one_line(&error.to_string(), 200))
}

/// Reads one answer with a list of what is still to be read instead of recursion: depth is data of the server.
async fn answer(stream: &mut (impl AsyncBufReadExt + Unpin)) -> Result<Value, Trouble> {
    let nonsense = |why: &str| Trouble::Nonsense(format!("the answer is none of Redis's: {why}"));
    let mut left = MAX_BYTES;
    // Lists that are not complete yet, each with how many elements it still wants.
    let mut open: Vec<(Vec<Value>, usize)> = vec![];
    loop {
        let line = line(stream, &mut left).await?;
        let (kind, rest) = (line.chars().next().unwrap_or(' '), line.get(1..).unwrap_or_default());
        let number = || rest.parse::<i64>().map_err(|_| nonsense("no number"));
        let mut value = match kind {
            '+' => Value::Text(rest.to_owned()),
            '-' => Value::Error(rest.to_owned()),
            ':' => Value::Number(number()?),
            '$' => match usize::try_from(number()?) {
                Ok(length) if length < left => Value::Text(bulk(stream, length, &mut left).await?),
                Ok(_) => return Err(nonsense("too long")),
                Err(_) => Value::Nothing,
            },
            '*' => match usize::try_from(number()?) {
                Ok(0) => Value::List(vec![]),
                Ok(_) if open.len() >= MAX_DEPTH => return Err(nonsense("too deep")),
                Ok(count) => {
                    open.push((vec![], count));
                    continue;
                }
                Err(_) => Value::Nothing,
            },
            _ => return Err(nonsense("an unknown kind")),
        };
        loop {
            let Some((mut list, wanted)) = open.pop() else { return Ok(value) };
            list.push(value);
            if list.len() < wanted {
                open.push((list, wanted));
                break;
            }
            value = Value::List(list);
        }
    }
}

async fn line(stream: &mut (impl AsyncBufReadExt + Unpin), left: &mut usize) -> Result<String, Trouble> {
    let mut bytes = vec![];
    let most = u64::try_from(*left).unwrap_or(u64::MAX);
    let count = (&mut *stream).take(most).read_until(b'\n', &mut bytes).await.map_err(away)?;
    *left = left.saturating_sub(count.max(1));
    match bytes.strip_suffix(b"\r\n") {
        Some(line) => Ok(String::from_utf8_lossy(line).into_owned()),
        None if *left == 0 => Err(Trouble::Nonsense("the answer is too long".to_owned())),
        None => Err(Trouble::Away("the connection broke off".to_owned())),
    }
}

async fn bulk(stream: &mut (impl AsyncReadExt + Unpin), length: usize, left: &mut usize) -> Result<String, Trouble> {
    let mut bytes = vec![0; length + 2];
    stream.read_exact(&mut bytes).await.map_err(away)?;
    *left = left.saturating_sub(length + 2);
    bytes.truncate(length);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn percent_decoded(text: &str) -> String {
    let mut out = vec![];
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        let (byte, taken) = match code {
            Some(code) if first == b'%' => (code, 3),
            _ => (first, 1),
        };
        out.push(byte);
        rest = &rest[taken..];
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Option<Value> {
        answer(&mut BufReader::new(bytes)).await.ok()
    }

    #[tokio::test]
    async fn answers_are_read_and_whatever_is_none_is_refused() {
        let nested = Value::List(vec![Value::Number(7), Value::List(vec![Value::Text("a".into()), Value::Nothing])]);
        assert_eq!(read(b"*2\r\n:7\r\n*2\r\n$1\r\na\r\n$-1\r\n").await, Some(nested));
        assert_eq!(read(b"-ERR no\r\n").await, Some(Value::Error("ERR no".into())));
        assert_eq!(read(b"*0\r\n").await, Some(Value::List(vec![])));
        let deep = b"*1\r\n".repeat(100_000);
        let long = [&b"+"[..], &vec![b'x'; MAX_BYTES + 10]].concat();
        let many = [&b"*999999999\r\n"[..], &b":1\r\n".repeat(2_000_000)].concat();
        for odd in [
            &b""[..],
            b"$999999999999\r\n",
            b"*2\r\n:1\r\n",
            b":x\r\n",
            b"$3\r\nab",
            b"HTTP/1.1 400\r\n",
            b"\xff\r\n",
            &deep,
            &long,
            &many,
        ] {
            assert_eq!(read(odd).await, None);
        }
    }
}
