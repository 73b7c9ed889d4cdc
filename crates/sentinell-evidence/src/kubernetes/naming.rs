//! What names say: the words by which one service of a namespace is told from its neighbours.

use super::snapshot::Snapshot;
use std::collections::{BTreeMap, BTreeSet};

/// Words of names that say what something is, not which: of variables, of releases, of protocols.
const SAYS_NOTHING: [&str; 24] = [
    "host", "hostname", "addr", "address", "url", "uri", "port", "endpoint", "service", "svc", "server", "api", "app",
    "http", "https", "grpc", "route", "backend", "canary", "stable", "blue", "green", "primary", "default",
];

/// The services of one namespace and the words that tell them apart.
pub struct Names<'a> {
    names: Vec<&'a str>,
    /// Words of at least three and more than a quarter of the names.
    common: BTreeSet<String>,
}

impl<'a> Names<'a> {
    /// The live services of a namespace.
    pub fn of(snapshot: &'a Snapshot, namespace: &str) -> Self {
        let here = snapshot.services.iter().filter(|s| s.meta.namespace == namespace && s.meta.live);
        let names: Vec<&str> = here.map(|service| service.meta.name.as_str()).collect();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for name in &names {
            let own: BTreeSet<String> = words(name).into_iter().collect();
            own.into_iter().for_each(|word| *counts.entry(word).or_default() += 1);
        }
        // Two of a kind are told apart by what they share as well: `till` and `till-old`.
        let many = |count: usize| count >= 3 && count * 4 > names.len();
        let common = counts.into_iter().filter(|(_, count)| many(*count)).map(|(word, _)| word).collect();
        Self { names, common }
    }

    /// All names.
    pub fn all(&self) -> impl Iterator<Item = &'a str> {
        self.names.iter().copied()
    }

    /// The words of a text that tell which service is meant.
    pub fn telling(&self, text: &str) -> Vec<String> {
        let says = |word: &String| {
            let version = word.strip_prefix('v').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
            !version && word.len() >= 2 && !self.common.contains(word) && !SAYS_NOTHING.contains(&word.as_str())
        };
        words(text).into_iter().filter(says).collect()
    }

    /// The one service that a label (a route's id, a variable's name) names, word for word.
    pub fn meant_by(&self, label: &str) -> Option<&'a str> {
        let squeezed = self.telling(label).concat();
        if squeezed.len() < 3 {
            return None;
        }
        let whole = words(label).into_iter().filter(|word| !matches!(word.as_str(), "host" | "addr" | "url" | "uri"));
        let whole = whole.collect::<String>();
        let says = |name: &&str| self.telling(name).concat() == squeezed || words(name).concat() == whole;
        let mut named = self.all().filter(says);
        let first = named.next()?;
        named.next().is_none().then_some(first)
    }

    /// The service that a segment of a path names, written together or apart: `/api/orders`, `/api/orderservice`.
    pub fn meant_by_path(&self, path: &str) -> Option<&'a str> {
        let segments = path.split('/').filter(|part| part.len() >= 3).take(8);
        segments.filter(|part| part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))).find_map(
            |part| {
                let part = part.to_ascii_lowercase();
                let part = part.trim_end_matches("service").trim_end_matches("svc").trim_end_matches(['-', '_']);
                self.meant_by(part)
            },
        )
    }

    /// Whether two labels tell of the same service.
    pub fn same(&self, one: &str, other: &str) -> bool {
        self.telling(one).concat() == self.telling(other).concat()
    }

    /// Whether all that tells a service from others stands in a text, written together or apart.
    pub fn is_told_in(&self, name: &str, text: &str) -> bool {
        let squeezed = words(text).concat();
        let own = self.telling(name);
        !own.is_empty() && own.iter().all(|word| squeezed.contains(word.as_str()))
    }
}

/// Runs of letters and digits, in lower case.
pub fn words(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    parts.map(str::to_ascii_lowercase).collect()
}
