//! A model's words on their way to the stream while they are written: redacted, bounded, and held back far enough that a
//! secret which arrives in two pieces does not leak.

use crate::store::{Partial, Store};
use sentinell_core::ids::IncidentId;
use sentinell_core::ports::Clock;
use sentinell_core::redact::redact;
use std::sync::{Mutex, PoisonError};

/// Longest text of one reply that is streamed, bytes.
const LONGEST: usize = 64 * 1024;
/// A piece is worth a frame from this length on, bytes.
const PIECE: usize = 80;

/// The voice of one call.
pub(super) struct Voice<'a> {
    store: &'a Store,
    clock: &'a dyn Clock,
    incident: &'a IncidentId,
    by: &'a str,
    spoken: Mutex<Spoken>,
}

#[derive(Default)]
struct Spoken {
    /// Everything heard.
    heard: String,
    /// Everything told, redacted.
    told: String,
}

impl Spoken {
    /// What may be told now: everything up to the last blank, redacted as a whole. A word that has no end yet could be
    /// the first half of a secret. None if redaction would reach back into what was told already.
    fn next(&mut self, piece: &str, over: bool) -> Option<String> {
        if self.heard.len() + piece.len() <= LONGEST {
            self.heard.push_str(piece);
        }
        let end = if over { self.heard.len() } else { self.heard.rfind(char::is_whitespace).map_or(0, |at| at + 1) };
        // A blank of several bytes may end later; then one waits for the next.
        let clean = redact(self.heard.get(..end)?);
        let fresh = clean.strip_prefix(self.told.as_str())?.to_owned();
        if fresh.is_empty() || (fresh.len() < PIECE && !over && !fresh.contains('\n')) {
            return None;
        }
        self.told.push_str(&fresh);
        Some(fresh)
    }
}

impl<'a> Voice<'a> {
    pub(super) fn new(store: &'a Store, clock: &'a dyn Clock, incident: &'a IncidentId, by: &'a str) -> Self {
        Self { store, clock, incident, by, spoken: Mutex::default() }
    }

    /// Takes a piece as the provider sent it; `over`: it was the last one.
    pub(super) fn hear(&self, piece: &str, over: bool) {
        // Both texts only ever grow by whole pieces, so a panic elsewhere cannot have left them half done.
        let text = self.spoken.lock().unwrap_or_else(PoisonError::into_inner).next(piece, over);
        let Some(text) = text else { return };
        let (incident, by) = (self.incident.clone(), self.by.to_owned());
        self.store.tell(Partial { incident, at: self.clock.now(), by, text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pieces: &[&str]) -> String {
        let mut spoken = Spoken::default();
        let mut told: String = pieces.iter().filter_map(|piece| spoken.next(piece, false)).collect();
        told.extend(spoken.next("", true));
        told
    }

    #[test]
    fn a_secret_cut_anywhere_never_reaches_the_stream() {
        let secrets = [
            "the log says Authorization: Bearer abcdef0123456789 and goes on for a while so that there is something to say",
            "see postgres://app:s3cr3t-W0rd@db:5432/shop for yourself, and then look at the deployment of the cart again",
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEabcdef\nQWERTY99\n-----END RSA PRIVATE KEY-----\nthat was the key\n",
        ];
        for secret in secrets {
            let whole = redact(secret);
            for cut in (0..=secret.len()).filter(|at| secret.is_char_boundary(*at)) {
                assert_eq!(told(&[&secret[..cut], &secret[cut..]]), whole, "cut at {cut}");
            }
            let letters: Vec<String> = secret.chars().map(String::from).collect();
            let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
            assert_eq!(told(&letters), whole);
        }
        let long = "word ".repeat(LONGEST);
        assert!(
            told(&long.as_bytes().chunks(999).map(|c| std::str::from_utf8(c).unwrap()).collect::<Vec<_>>()).len()
                <= LONGEST
        );
    }
}
