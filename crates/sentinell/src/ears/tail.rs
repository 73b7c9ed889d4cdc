//! Follows log files: plain lines, JSON a line, or syslog. What is bad enough becomes signals, a kind at a time; where
//! reading goes on is kept in the database after they are stored, so that a restart neither loses nor repeats.

use super::Ear;
use super::file::{Follower, Mark, Piece};
use crate::config::{Tail, TailFormat};
use crate::intake::lines::{Line, Lines, Place, Structured, level_word, structured};
use crate::intake::{Incoming, Receipt};
use crate::store::StoreError;
use sentinell_evidence::case::Level;
use sentinell_evidence::logs::{is_continuation, parse_timestamp};
use sha2::{Digest, Sha256};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often a quiet file is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often the place is kept and the file claimed anew while nothing is told.
const KEEP_MILLIS: i64 = 5_000;
/// How long a claim holds: a second process with the same file takes over after it.
const CLAIM_MILLIS: i64 = 30_000;
/// After something went wrong.
const PATIENCE: Duration = Duration::from_secs(2);
/// Lines that may belong to the one before them, and their bytes.
const JOINED: (usize, usize) = (200, 32 << 10);

/// Follows one file.
pub struct Follow {
    ear: Ear,
    tail: Tail,
    threshold: Level,
    /// Who follows, unique for this start of this process.
    holder: String,
    /// The file's name in the database: machine and path.
    name: String,
}

/// Where in the file, and when that was last written down.
struct Kept {
    follower: Follower,
    at: i64,
    mark: Option<Mark>,
}

impl Follow {
    /// For one file of this machine.
    pub fn new(ear: Ear, tail: Tail, threshold: Level, holder: String, machine: &str) -> Self {
        let name = format!("{machine}:{}", tail.path.display());
        Self { ear, tail, threshold, holder, name }
    }

    /// Follows until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let (mut kept, mut told) = (None, String::new());
        while !stop.is_cancelled() {
            let pause = match self.step(kept.take()).await {
                Ok((next, busy)) => {
                    kept = next;
                    told.clear();
                    if busy { Duration::ZERO } else { LOOK }
                }
                Err(why) => {
                    if why != told {
                        tracing::warn!(file = %self.tail.path.display(), why, "a log file cannot be followed now");
                        told = why;
                    }
                    PATIENCE
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        if let Err(error) = self.ear.store.let_go_of_tail(&self.name, &self.holder).await {
            tracing::debug!(%error, "a file's claim runs out by itself");
        }
    }

    /// Claims the file, reads a piece, stores what it tells, and keeps the place. Whether there may be more at once.
    async fn step(&self, kept: Option<Kept>) -> Result<(Option<Kept>, bool), String> {
        let now = self.ear.clock.now();
        let Some(mut kept) = (match kept {
            Some(kept) => Some(kept),
            None => self.claim(now.0).await?,
        }) else {
            return Ok((None, false));
        };
        let (follower, read) = tokio::task::spawn_blocking(move || {
            let read = kept.follower.more();
            (Kept { ..kept }, read)
        })
        .await
        .map_err(|error| error.to_string())?;
        kept = follower;
        let piece = read.map_err(|error| error.to_string())?;
        let busy = piece.is_some();
        let mut told = false;
        if let Some(piece) = piece {
            let signals = self.signals(&piece).await.map_err(|error| error.to_string())?;
            told = !signals.is_empty();
            // Whoever tells this again after a crash has to begin where it begins, so that it counts once.
            if told && kept.mark.as_ref() != Some(&piece.begin) && !self.keep(Some(&piece.begin)).await? {
                return Ok((None, false));
            }
            self.tell(signals, &piece).await.map_err(|error| error.to_string())?;
            kept.follower.taken(&piece);
        }
        if told || now.0 - kept.at >= KEEP_MILLIS {
            let mark = kept.follower.mark().cloned();
            if !self.keep(mark.as_ref()).await? {
                return Ok((None, false));
            }
            (kept.at, kept.mark) = (now.0, mark);
        }
        Ok((Some(kept), busy))
    }

    /// Writes down where reading goes on, and claims the file anew; whether it is still ours.
    async fn keep(&self, mark: Option<&Mark>) -> Result<bool, String> {
        let place = serde_json::to_string(&mark).map_err(|error| error.to_string())?;
        let until = self.ear.clock.now().plus_millis(CLAIM_MILLIS);
        let kept = self.ear.store.keep_tail(&self.name, &self.holder, &place, until).await;
        kept.map_err(|error| error.to_string())
    }

    async fn claim(&self, now: i64) -> Result<Option<Kept>, String> {
        let at = sentinell_core::time::Timestamp(now);
        let claimed = self.ear.store.claim_tail(&self.name, &self.holder, at, at.plus_millis(CLAIM_MILLIS)).await;
        let Some(place) = claimed.map_err(|error| error.to_string())? else { return Ok(None) };
        let mark: Option<Mark> = serde_json::from_str(&place).unwrap_or_default();
        let follower = Follower::new(self.tail.path.clone(), mark.clone(), self.tail.whole);
        Ok(Some(Kept { follower, at: now, mark }))
    }

    /// What a piece tells. Told again, it has the same delivery ids.
    async fn signals(&self, piece: &Piece) -> Result<Vec<Incoming>, StoreError> {
        let repo = self.repo().await?;
        let mut lines = Lines::new(self.threshold);
        read(&self.tail, repo, &piece.lines, &mut lines);
        self.ear.metrics.lines("tail", lines.below, lines.told, lines.rejected);
        let (device, inode) = piece.begin.file;
        // A file that was truncated has the same identity; its first line is another.
        let first = piece.lines.first().map_or("", String::as_str);
        let place = format!("{}/{device:x}-{inode:x}/{}/{first}", self.name, piece.begin.offset);
        let delivery = Sha256::digest(place).iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>();
        let at = self.ear.clock.now();
        let signals = lines.into_signals("tail", |_| {
            Ok::<_, StoreError>(Receipt { id: self.ear.signal_id(at), at, delivery_id: None })
        })?;
        let named = signals.into_iter().map(|(mut incoming, _)| {
            incoming.signal.delivery_id = Some(format!("{delivery}/{}", incoming.fingerprint));
            incoming.signal.source_ref = Some(self.tail.path.display().to_string());
            incoming
        });
        Ok(named.collect())
    }

    async fn tell(&self, signals: Vec<Incoming>, piece: &Piece) -> Result<(), StoreError> {
        if signals.is_empty() {
            return Ok(());
        }
        let raw: [u8; 32] = Sha256::digest(piece.lines.join("\n")).into();
        self.ear.take_all(signals, raw).await.map(drop)
    }

    /// The id of the repository that the configuration names, once it is registered.
    async fn repo(&self) -> Result<Option<String>, StoreError> {
        let Some(name) = &self.tail.repo else { return Ok(None) };
        Ok(self.ear.store.repos().await?.into_iter().find(|repo| repo.name == *name).map(|repo| repo.id))
    }
}

/// Reads lines of a file; what goes on with the line before it (a stack trace) belongs to it.
fn read(tail: &Tail, repo: Option<String>, texts: &[String], lines: &mut Lines) {
    let labels = tail.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let service = tail.service.as_deref().map(|service| ("service", service));
    let place = lines.place(labels.chain(service), repo.clone());
    let mut texts = texts.iter().map(String::as_str).peekable();
    while let Some(text) = texts.next() {
        if text.trim().is_empty() {
            continue;
        }
        let (mut more, mut joined) = (String::new(), 0);
        while let Some(next) = texts.next_if(|next| is_continuation(next)) {
            joined += 1;
            if joined <= JOINED.0 && more.len() + next.len() < JOINED.1 {
                more += next;
                more.push('\n');
            }
        }
        line(tail, &place, repo.as_deref(), text, more.trim_end(), lines);
    }
}

fn line(tail: &Tail, place: &Place, repo: Option<&str>, text: &str, more: &str, lines: &mut Lines) {
    let json = matches!(tail.format, TailFormat::Auto | TailFormat::Json);
    if let Some(read) = json.then(|| structured(text)).flatten() {
        let Structured { message, level, at, more: stack, trace } = read;
        let message = message.as_deref().unwrap_or(text);
        let more = if stack.is_empty() { more } else { &stack };
        return lines.add(place, Line { text: message, level, at, trace: &trace, more });
    }
    let looks = matches!(tail.format, TailFormat::Syslog) || (tail.format == TailFormat::Auto && text.starts_with('<'));
    if let Some(read) = looks.then(|| syslog(text)).flatten() {
        let at = read.at.or_else(|| parse_timestamp(text));
        let line = Line { text: read.message, level: read.level, at, trace: "", more };
        if tail.service.is_some() || read.tag.is_empty() {
            return lines.add(place, line);
        }
        let labels = tail.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let own = [("service", read.tag), ("host", read.host)];
        let place = lines.place(labels.chain(own), repo.map(str::to_owned));
        return lines.add(&place, line);
    }
    lines.add(place, Line { text, level: None, at: parse_timestamp(text), trace: "", more });
}

/// What a line of syslog tells, RFC 5424 or RFC 3164, with or without its priority.
#[derive(Debug, Default, PartialEq, Eq)]
struct Syslog<'a> {
    level: Option<Level>,
    at: Option<i64>,
    host: &'a str,
    tag: &'a str,
    message: &'a str,
}

fn syslog(line: &str) -> Option<Syslog<'_>> {
    let (level, rest) = match line.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        Some((priority, rest)) => (Some(severity(priority.parse().ok()?)?), rest),
        None => (None, line),
    };
    if let Some(rest) = rest.strip_prefix("1 ").filter(|_| level.is_some()) {
        let mut fields = rest.splitn(6, ' ');
        let (time, host, tag) = (fields.next()?, fields.next()?, fields.next()?);
        let rest = fields.nth(2)?;
        let message = match rest.strip_prefix('-') {
            Some(message) => message,
            None => after_data(rest)?,
        };
        let message = message.trim_start().trim_start_matches('\u{feff}');
        let plain = |text: &'static str| move |field: &&str| *field != text;
        let (host, tag) = (Some(host).filter(plain("-")), Some(tag).filter(plain("-")));
        let (host, tag) = (host.unwrap_or_default(), tag.unwrap_or_default());
        return Some(Syslog { level, at: parse_timestamp(time), host, tag, message });
    }
    // `Nov 22 12:00:00 host tag[pid]: message`, or an ISO time in one word.
    let iso = rest.as_bytes().first().is_some_and(u8::is_ascii_digit);
    let mut words = rest.split_ascii_whitespace();
    let time = if iso { words.next()? } else { words.nth(2)? };
    let after = &rest[time.as_ptr() as usize - rest.as_ptr() as usize + time.len()..];
    let (host, after) = after.trim_start().split_once(' ')?;
    let (tag, message) = after.split_once(": ").filter(|(tag, _)| !tag.contains(' ')).unwrap_or(("", after));
    let tag = tag.split('[').next().unwrap_or_default();
    let told = message.split_once(':').and_then(|(word, _)| level_word(word));
    Some(Syslog { level: level.or(told), at: iso.then(|| parse_timestamp(time)).flatten(), host, tag, message })
}

fn severity(priority: u16) -> Option<Level> {
    Some(match priority {
        192.. => return None,
        priority => match priority & 7 {
            0..=2 => Level::Fatal,
            3 => Level::Error,
            4 => Level::Warn,
            5 | 6 => Level::Info,
            _ => Level::Debug,
        },
    })
}

/// What follows structured data.
fn after_data(text: &str) -> Option<&str> {
    let (mut escaped, mut quoted) = (false, false);
    let bytes = text.as_bytes();
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b']' if !quoted && bytes.get(at + 1) != Some(&b'[') => return text.get(at + 1..),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn told(format: TailFormat, service: Option<&str>, texts: &[&str]) -> Vec<(String, String, String)> {
        let service = service.map(str::to_owned);
        let tail = Tail { path: "x".into(), service, repo: None, labels: BTreeMap::new(), format, whole: true };
        let mut lines = Lines::new(Level::Error);
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        read(&tail, None, &texts, &mut lines);
        let receipt = || Receipt { id: "s".into(), at: sentinell_core::time::Timestamp(0), delivery_id: None };
        let signals = lines.into_signals("tail", |_| Ok::<_, ()>(receipt())).unwrap();
        let word = |signal: &sentinell_core::signal::Signal| signal.labels.get("service").cloned().unwrap_or_default();
        signals
            .into_iter()
            .map(|(seen, _)| (seen.signal.title.clone(), seen.signal.text.clone(), word(&seen.signal)))
            .collect()
    }

    #[test]
    fn each_form_of_a_line_is_understood() {
        for line in [
            "<27>1 2026-11-22T12:00:00Z mill-7 wheel 812 ID47 [a b=\"]\"] the wheel jams",
            "<27>Nov 22 12:00:00 mill-7 wheel[812]: the wheel jams",
        ] {
            assert_eq!(
                told(TailFormat::Auto, None, &[line]),
                [("the wheel jams".into(), "the wheel jams".into(), "wheel".into())]
            );
        }
        let classic =
            ["Nov 22 12:00:00 mill-7 sluice[9]: error: no water", "Nov 22 12:00:01 mill-7 sluice[9]: all is well"];
        assert_eq!(told(TailFormat::Syslog, None, &classic)[0].2, "sluice");
        assert_eq!(told(TailFormat::Syslog, None, &classic).len(), 1);
        let json =
            [r#"{"level":"error","msg":"no grain","stack":"at mill"}"#, r#"{"level":"info","msg":"error is a word"}"#];
        let [(title, text, service)] = told(TailFormat::Auto, Some("mill"), &json).try_into().unwrap();
        assert_eq!((title.as_str(), text.as_str(), service.as_str()), ("no grain", "no grain\nat mill", "mill"));
        let trace = [
            "2026-11-22 12:00:00 ERROR the weir broke",
            "  at weir.rs:7",
            "Caused by: rain",
            "2026-11-22 12:00:01 INFO calm",
        ];
        let [(_, text, _)] = told(TailFormat::Auto, Some("weir"), &trace).try_into().unwrap();
        assert!(text.ends_with("  at weir.rs:7\nCaused by: rain"), "{text}");
        for odd in ["<999>x", "<>", "<27>1 ", "<27>", "<27>1 a b c d e [", ""] {
            let _ = told(TailFormat::Syslog, None, &[odd]);
        }
    }
}
