//! The audit: who did what, in chains that cannot be bent unseen.
//!
//! Three things hold it together. Every journal is a chain of hashes, and so is the system stream (sign-ins, tokens, policy,
//! registrations). A *head* covers everything since the head before it, in commit order, and is signed with a key that lies
//! outside the database. A copy of one head kept elsewhere, an *anchor*, shows whether the end was cut off later.
//!
//! An export is one [`Line`] after the other: what a head covers, system events first, then the head. [`Auditor`] reads it alone, without the
//! database that it came from.

use crate::action::hex;
use crate::canonical;
use crate::ids::{Actor, IncidentId};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What is hashed into every head before anything else.
const FORMAT: &str = "sentinell-audit-1";

/// One thing that somebody did to the system itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemEvent {
    /// From 1 without gaps.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// Who, as authentication found out.
    pub actor: Actor,
    /// What (`token_made`, `policy_set`).
    pub kind: String,
    /// To what, and why.
    pub body: Value,
    /// SHA-256 of the hash before it and the RFC 8785 form of `{seq, at, actor, kind, body}`, lower-case hex.
    pub hash: String,
}

/// An entry of an incident's journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalEntry {
    /// Over all journals, from 1 without gaps.
    pub position: u64,
    /// Whose journal.
    pub incident: IncidentId,
    /// From 1 without gaps within it.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub event: Value,
    /// SHA-256 of the journal's hash before it and the RFC 8785 form of `{incident, seq, at, event}`, lower-case hex.
    pub hash: String,
}

/// Vouches for everything up to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// From 1 without gaps.
    pub number: u64,
    /// When it was made.
    pub at: Timestamp,
    /// The last position that it covers.
    pub position: u64,
    /// The last system event that it covers.
    pub system_seq: u64,
    /// SHA-256 over the digest before it, its number, time, position and system event, and the hashes of all that came since.
    pub digest: String,
    /// The public key (Ed25519, RFC 8032), lower-case hex.
    pub key: String,
    /// The signature of the digest's 32 bytes, lower-case hex.
    pub signature: String,
}

/// One line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum Line {
    /// Of the system stream.
    System(SystemEvent),
    /// Of a journal.
    Entry(JournalEntry),
    /// What retention left of one.
    Dropped {
        /// Its position.
        position: u64,
        /// Its hash.
        hash: String,
    },
    /// Vouches for the lines before it.
    Head(Head),
}

impl SystemEvent {
    /// Its hash after `previous` (empty before the first).
    ///
    /// # Errors
    /// If its body has no canonical form.
    pub fn hash_after(&self, previous: &str) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Hashed<'a> {
            seq: u64,
            at: Timestamp,
            actor: &'a Actor,
            kind: &'a str,
            body: &'a Value,
        }
        let Self { seq, at, actor, kind, body, .. } = self;
        let canonical = canonical::to_vec(&Hashed { seq: *seq, at: *at, actor, kind, body })?;
        Ok(hex(&Sha256::new().chain_update(previous).chain_update(canonical).finalize()))
    }
}

impl JournalEntry {
    /// Its hash after `previous` (empty before the journal's first).
    ///
    /// # Errors
    /// If its event has no canonical form.
    pub fn hash_after(&self, previous: &str) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Hashed<'a> {
            incident: &'a IncidentId,
            seq: u64,
            at: Timestamp,
            event: &'a Value,
        }
        let Self { incident, seq, at, event, .. } = self;
        let canonical = canonical::to_vec(&Hashed { incident, seq: *seq, at: *at, event })?;
        Ok(hex(&Sha256::new().chain_update(previous).chain_update(canonical).finalize()))
    }
}

/// Gathers the hashes of what the next head will cover.
#[derive(Debug, Clone, Default)]
pub struct Window {
    entries: Sha256,
    system: Sha256,
}

impl Window {
    /// A journal's entry, in the order of positions.
    pub fn entry(&mut self, hash: &str) {
        self.entries.update(hash);
    }

    /// A system event, in order.
    pub fn system(&mut self, hash: &str) {
        self.system.update(hash);
    }

    /// The digest of a head that covers all of it, after a head with the digest `previous` (empty before the first).
    pub fn digest(self, previous: &str, number: u64, at: Timestamp, position: u64, system_seq: u64) -> [u8; 32] {
        let mut digest = Sha256::new().chain_update(FORMAT).chain_update(previous);
        for part in [number, at.0.unsigned_abs(), position, system_seq] {
            digest.update(part.to_be_bytes());
        }
        digest.chain_update(self.entries.finalize()).chain_update(self.system.finalize()).finalize().into()
    }
}

/// What an audit found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Journal entries that are as they were written.
    pub entries: u64,
    /// Of these, how many retention has left only the hash of.
    pub dropped: u64,
    /// System events that are as they were written.
    pub system_events: u64,
    /// Heads that hold.
    pub heads: u64,
    /// The last of them.
    pub last: Option<Head>,
    /// The keys that signed them, lower-case hex.
    pub keys: Vec<String>,
    /// What does not hold, the first first; empty: nothing was changed.
    pub broken: Vec<String>,
}

/// Most problems that are told; one is enough.
const MOST: usize = 20;

/// Whether `signature` is that of `digest` under the public `key`; both in lower-case hex.
pub type Signed<'a> = &'a dyn Fn(&str, &[u8], &str) -> bool;

/// Reads an export line by line and says what does not hold.
#[derive(Debug, Default)]
pub struct Auditor {
    found: Findings,
    window: Window,
    /// The last entry of each journal: how long it is, and its hash.
    journals: BTreeMap<IncidentId, (u64, String)>,
    position: u64,
    system: (u64, String),
    digest: String,
    anchors: Vec<Head>,
    /// Lines since the last head, and how many of them are of journals.
    open: u64,
    entered: u64,
}

impl Auditor {
    /// Knows these heads from elsewhere: each must be part of what is read.
    pub fn with_anchors(anchors: Vec<Head>) -> Self {
        Self { anchors, ..Self::default() }
    }

    /// Takes the next line.
    pub fn read(&mut self, line: &Line, signed: Signed<'_>) {
        match line {
            Line::System(event) => self.system(event),
            Line::Entry(entry) => self.entry(entry),
            Line::Dropped { position, hash } => {
                self.at(*position);
                self.window.entry(hash);
                self.found.entries += 1;
                self.found.dropped += 1;
            }
            Line::Head(head) => self.head(head, signed),
        }
    }

    /// Says that a line could not be read at all.
    pub fn unreadable(&mut self, number: u64, why: &str) {
        self.broken(format!("line {number} cannot be read: {why}"));
    }

    /// What was found, once everything has been read.
    pub fn finish(mut self) -> Findings {
        if self.open > 0 {
            self.broken(format!("the last {} lines are covered by no head: the end is missing", self.open));
        }
        let missing: Vec<u64> = self.anchors.iter().map(|anchor| anchor.number).collect();
        for number in missing {
            self.broken(format!("head {number}, which is kept elsewhere, is not part of it: the end was cut off"));
        }
        if self.found.heads == 0 {
            self.broken("there is no head: nothing vouches for any of it".into());
        }
        self.found
    }

    fn broken(&mut self, what: String) {
        if self.found.broken.len() < MOST {
            self.found.broken.push(what);
        }
    }

    /// The next position must be the next.
    fn at(&mut self, position: u64) {
        (self.open, self.entered) = (self.open + 1, self.entered + 1);
        if position != self.position + 1 {
            self.broken(format!("position {position} follows {}: lines are missing or out of place", self.position));
        }
        self.position = position;
    }

    fn entry(&mut self, entry: &JournalEntry) {
        self.at(entry.position);
        let (length, previous) = self.journals.remove(&entry.incident).unwrap_or_default();
        let expected = entry.hash_after(&previous).unwrap_or_default();
        if entry.seq == length + 1 && entry.hash == expected {
            self.found.entries += 1;
        } else {
            let (incident, seq) = (&entry.incident, entry.seq);
            self.broken(format!("entry {seq} of incident {incident} is not as it was written"));
        }
        self.window.entry(&entry.hash);
        self.journals.insert(entry.incident.clone(), (entry.seq, entry.hash.clone()));
    }

    fn system(&mut self, event: &SystemEvent) {
        self.open += 1;
        let expected = event.hash_after(&self.system.1).unwrap_or_default();
        // Before the journals' lines, so that there is one order only.
        if event.seq == self.system.0 + 1 && event.hash == expected && self.entered == 0 {
            self.found.system_events += 1;
        } else {
            self.broken(format!("system event {} is not as it was written", event.seq));
        }
        self.window.system(&event.hash);
        self.system = (event.seq, event.hash.clone());
    }

    fn head(&mut self, head: &Head, signed: Signed<'_>) {
        let window = std::mem::take(&mut self.window);
        let digest = window.digest(&self.digest, head.number, head.at, head.position, head.system_seq);
        let follows = self.found.last.as_ref().map_or(0, |last| last.number) + 1 == head.number;
        let covers = (head.position, head.system_seq) == (self.position, self.system.0);
        if !follows || !covers || hex(&digest) != head.digest {
            self.broken(format!("head {} does not cover the lines before it", head.number));
        } else if !signed(&head.key, &digest, &head.signature) {
            self.broken(format!("head {} is not signed by a key that is trusted", head.number));
        } else {
            self.found.heads += 1;
        }
        let known = self.anchors.iter().position(|anchor| anchor.number == head.number);
        if let Some(anchor) = known.map(|index| self.anchors.swap_remove(index))
            && anchor != *head
        {
            self.broken(format!("head {} is another than the one that is kept elsewhere", head.number));
        }
        if !self.found.keys.contains(&head.key) {
            self.found.keys.push(head.key.clone());
        }
        (self.open, self.entered, self.digest) = (0, 0, head.digest.clone());
        self.found.last = Some(head.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Stands for a signature: the key's name before the digest.
    fn sign(key: &str, digest: &[u8]) -> String {
        format!("{key}/{}", hex(digest))
    }

    fn ours(key: &str, digest: &[u8], signature: &str) -> bool {
        key == "ours" && signature == sign(key, digest)
    }

    /// Three heads over two journals and a few system events.
    fn export() -> Vec<Line> {
        let (mut lines, mut previous, mut position, mut system) = (vec![], String::new(), 0, (0, String::new()));
        let mut journals: BTreeMap<&str, (u64, String)> = BTreeMap::new();
        for number in 1..=3 {
            let mut window = Window::default();
            for n in 0..2 {
                let mut event = SystemEvent {
                    seq: system.0 + 1,
                    at: Timestamp(1000 * number as i64),
                    actor: "ann".into(),
                    kind: "token_made".into(),
                    body: json!({"token": format!("tok_{number}_{n}"), "role": "viewer"}),
                    hash: String::new(),
                };
                event.hash = event.hash_after(&system.1).unwrap();
                window.system(&event.hash);
                system = (event.seq, event.hash.clone());
                lines.push(Line::System(event));
            }
            for incident in ["i1", "i2", "i1", "i2"] {
                position += 1;
                let (length, before) = journals.remove(incident).unwrap_or_default();
                let mut entry = JournalEntry {
                    position,
                    incident: incident.into(),
                    seq: length + 1,
                    at: Timestamp(1000 * number as i64 + position as i64),
                    event: json!({"type": "note_added", "by": "ann", "text": format!("note {position}")}),
                    hash: String::new(),
                };
                entry.hash = entry.hash_after(&before).unwrap();
                window.entry(&entry.hash);
                journals.insert(incident, (entry.seq, entry.hash.clone()));
                lines.push(Line::Entry(entry));
            }
            let at = Timestamp(1000 * number as i64 + 500);
            let digest = window.digest(&previous, number, at, position, system.0);
            previous = hex(&digest);
            let (key, signature) = ("ours".to_owned(), sign("ours", &digest));
            let (digest, system_seq) = (previous.clone(), system.0);
            lines.push(Line::Head(Head { number, at, position, system_seq, digest, key, signature }));
        }
        lines
    }

    fn judged(lines: &[Line]) -> Findings {
        let Some(Line::Head(anchor)) = export().pop() else { unreachable!() };
        let mut auditor = Auditor::with_anchors(vec![anchor]);
        lines.iter().for_each(|line| auditor.read(line, &ours));
        auditor.finish()
    }

    #[test]
    fn what_nobody_touched_holds() {
        let found = judged(&export());
        assert_eq!((found.entries, found.system_events, found.heads), (12, 6, 3), "{:?}", found.broken);
        assert!(found.broken.is_empty(), "{:?}", found.broken);
    }

    #[test]
    fn what_retention_left_of_an_entry_still_fits() {
        let mut lines = export();
        for line in &mut lines {
            if let Line::Entry(JournalEntry { position, incident, hash, .. }) = line
                && incident.as_str() == "i1"
            {
                *line = Line::Dropped { position: *position, hash: hash.clone() };
            }
        }
        let found = judged(&lines);
        assert_eq!((found.entries, found.dropped, found.broken), (12, 6, vec![]));
    }

    #[test]
    fn a_thousand_changes_are_found() {
        let whole = export();
        let texts: Vec<String> = whole.iter().map(|line| serde_json::to_string(line).unwrap()).collect();
        let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
        let mut roll = |sides: usize| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            usize::try_from(dice % sides as u64).unwrap()
        };
        for change in 0..1000 {
            let mut texts = texts.clone();
            let at = roll(texts.len());
            match change % 5 {
                // One letter or digit becomes another.
                0 | 1 => {
                    let places: Vec<usize> =
                        texts[at].match_indices(|c: char| c.is_ascii_alphanumeric()).map(|m| m.0).collect();
                    let place = places[roll(places.len())];
                    let old = texts[at].as_bytes()[place];
                    let new = if old == b'7' { "8" } else { "7" };
                    texts[at].replace_range(place..=place, new);
                }
                2 => {
                    texts.remove(at);
                }
                3 => {
                    let other = (at + 1 + roll(texts.len() - 1)) % texts.len();
                    texts.swap(at, other);
                }
                _ => texts.truncate(at),
            }
            let Some(Line::Head(anchor)) = whole.last().cloned() else { unreachable!() };
            let mut auditor = Auditor::with_anchors(vec![anchor]);
            for (number, text) in (1..).zip(&texts) {
                match serde_json::from_str::<Line>(text) {
                    Ok(line) => auditor.read(&line, &ours),
                    Err(error) => auditor.unreadable(number, &error.to_string()),
                }
            }
            assert!(!auditor.finish().broken.is_empty(), "change {change} at line {at} was not found: {texts:#?}");
        }
    }

    #[test]
    fn whoever_writes_everything_anew_has_not_the_key() {
        let mut lines = export();
        for line in &mut lines {
            if let Line::Head(head) = line {
                let digest: Vec<u8> =
                    (0..32).map(|at| u8::from_str_radix(&head.digest[2 * at..2 * at + 2], 16).unwrap()).collect();
                (head.key, head.signature) = ("theirs".into(), sign("theirs", &digest));
            }
        }
        let found = judged(&lines);
        assert!(found.broken[0].contains("not signed by a key that is trusted"), "{:?}", found.broken);
    }
}
