//! Silences: what is known to be out of order, or is being worked on, opens no incident for a while.

use crate::signal::{Signal, SignalType};
use crate::time::Timestamp;
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Matchers of one silence, at most.
pub const MATCHERS: usize = 20;
/// The longest name or value of a matcher, bytes.
pub const LONGEST: usize = 500;
/// What a compiled pattern may take, bytes.
const PATTERN: usize = 256 << 10;

/// How a label is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// The same text.
    #[default]
    #[serde(rename = "=")]
    Equal,
    /// Another text, or no such label.
    #[serde(rename = "!=")]
    NotEqual,
    /// The whole value matches the pattern.
    #[serde(rename = "=~")]
    Matches,
    /// It does not.
    #[serde(rename = "!~")]
    MatchesNot,
}

/// What one label has to be. A label that is not there is an empty text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matcher {
    /// The label; `source`, `severity` and `title` are the signal's own where it has no such label.
    pub name: String,
    /// How it is compared.
    #[serde(default)]
    pub op: Op,
    /// With what.
    pub value: String,
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = match self.op {
            Op::Equal => "=",
            Op::NotEqual => "!=",
            Op::Matches => "=~",
            Op::MatchesNot => "!~",
        };
        write!(f, "{}{op}{:?}", self.name, self.value)
    }
}

/// A silence, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Its id.
    pub id: String,
    /// All of them have to hold.
    pub matchers: Vec<Matcher>,
    /// From when on.
    pub starts_at: Timestamp,
    /// Until when; what still fires afterwards opens an incident when its sender tells again.
    pub ends_at: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Silence {
    /// Whether it holds at this moment.
    pub fn holds_at(&self, at: Timestamp) -> bool {
        self.starts_at <= at && at < self.ends_at
    }
}

/// Matchers that are ready to be compared with.
#[derive(Debug, Clone)]
pub struct Matchers(Vec<(String, Test)>);

#[derive(Debug, Clone)]
enum Test {
    Equal(String, bool),
    Matches(Box<Regex>, bool),
}

impl Test {
    fn holds(&self, value: &str) -> bool {
        match self {
            Self::Equal(wanted, same) => (value == wanted) == *same,
            Self::Matches(pattern, same) => pattern.is_match(value) == *same,
        }
    }
}

impl Matchers {
    /// Prepares them.
    ///
    /// # Errors
    /// The place of the one that is wrong, and why: nothing to match, too many, too long, no pattern, or a set that every
    /// signal matches.
    pub fn new(matchers: &[Matcher]) -> Result<Self, (usize, String)> {
        if matchers.is_empty() || matchers.len() > MATCHERS {
            return Err((0, format!("1 to {MATCHERS} matchers")));
        }
        let mut ready = vec![];
        for (place, matcher) in matchers.iter().enumerate() {
            let wrong = |why: String| (place, why);
            if matcher.name.is_empty() || matcher.name.len() > LONGEST || matcher.value.len() > LONGEST {
                return Err(wrong(format!("a name of 1 to {LONGEST} bytes, and a value of at most as many")));
            }
            let test = match matcher.op {
                Op::Equal | Op::NotEqual => Test::Equal(matcher.value.clone(), matcher.op == Op::Equal),
                Op::Matches | Op::MatchesNot => {
                    let pattern = RegexBuilder::new(&format!("^(?:{})$", matcher.value)).size_limit(PATTERN).build();
                    let pattern =
                        pattern.map_err(|error| wrong(format!("the value is no pattern that can be used: {error}")))?;
                    Test::Matches(Box::new(pattern), matcher.op == Op::Matches)
                }
            };
            ready.push((matcher.name.clone(), test));
        }
        if ready.iter().all(|(_, test)| test.holds("")) {
            return Err((
                0,
                "at least one matcher must need a label to be there, or everything would be silenced".into(),
            ));
        }
        Ok(Self(ready))
    }

    /// Whether a signal is meant.
    pub fn meet(&self, signal: &Signal) -> bool {
        self.0.iter().all(|(name, test)| test.holds(&value(signal, name)))
    }
}

fn value<'a>(signal: &'a Signal, name: &str) -> std::borrow::Cow<'a, str> {
    if let Some(value) = signal.labels.get(name) {
        return value.as_str().into();
    }
    match name {
        "source" => signal.source.as_str().into(),
        "title" => signal.title.as_str().into(),
        "severity" => {
            let word = serde_json::to_value(signal.severity).ok();
            word.and_then(|word| Some(word.as_str()?.to_owned())).unwrap_or_default().into()
        }
        _ => "".into(),
    }
}

/// Whether a signal may be silenced at all: alerts, checks and collected lines. What a person says, or chose to send, is heard.
pub fn may_be_silenced(signal: &Signal) -> bool {
    match signal.signal_type {
        SignalType::Alert | SignalType::Github => true,
        SignalType::Log => !matches!(signal.source.as_str(), "logs" | "stream"),
        SignalType::Manual | SignalType::Slack => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{Severity, SignalState};
    use crate::triage::tests::signal;

    fn matcher(text: &str) -> Matcher {
        let at = text.find(['=', '!']).unwrap();
        let (name, rest) = text.split_at(at);
        let (op, value) = [("=~", Op::Matches), ("!~", Op::MatchesNot), ("!=", Op::NotEqual), ("=", Op::Equal)]
            .into_iter()
            .find_map(|(word, op)| Some((op, rest.strip_prefix(word)?)))
            .unwrap();
        Matcher { name: name.into(), op, value: value.into() }
    }

    fn meets(matchers: &[&str]) -> bool {
        let matchers: Vec<Matcher> = matchers.iter().map(|text| matcher(text)).collect();
        // Of service cart, medium, from alertmanager.
        Matchers::new(&matchers).unwrap().meet(&signal(SignalState::Firing, Severity::Medium, 0))
    }

    #[test]
    fn matchers_mean_what_alertmanagers_do() {
        assert!(meets(&["service=cart"]) && meets(&["service=~ca.*|x"]) && meets(&["service=cart", "pod!=p1"]));
        assert!(meets(&["service=cart", "pod!~p.+"]) && meets(&["severity=medium"]) && meets(&["source=alertmanager"]));
        assert!(!meets(&["service=car"]) && !meets(&["service=~car"]) && !meets(&["service=cart", "pod=p1"]));
        assert!(!meets(&["service=cart", "service!=cart"]) && !meets(&["service!~c.+", "title=~.+"]));
    }

    #[test]
    fn what_would_silence_everything_or_never_end_is_refused() {
        let new = |matchers: &[&str]| {
            Matchers::new(&matchers.iter().map(|text| matcher(text)).collect::<Vec<_>>()).map(|_| ())
        };
        assert_eq!(new(&["service=cart", "pod=~("]).unwrap_err().0, 1);
        for all in [&[][..], &["service=~.*"], &["service!=cart"], &["a=", "b!~x"], &["a=~(a{1000}){1000}"], &["=x"]] {
            assert!(new(all).is_err(), "{all:?}");
        }
    }
}
