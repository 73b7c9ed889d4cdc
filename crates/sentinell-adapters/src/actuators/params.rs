//! Typed parameters of what the operator declares, and the templates that they are put into.

use crate::text::one_line;
use std::collections::BTreeMap;

/// What a parameter may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParamKind {
    /// A whole number.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// One of these words.
    OneOf(Vec<String>),
    /// Letters, digits, `.`, `_` and `-`, beginning with a letter or digit, at most this many bytes.
    Identifier {
        /// Bytes at most.
        max: usize,
    },
}

impl ParamKind {
    /// Whether a value is one.
    pub(super) fn fits(&self, value: &str) -> bool {
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match self {
            // Written back, it must be the same: no signs, blanks or leading zeros that a program might read otherwise.
            Self::Integer { min, max } => {
                value.parse::<i64>().is_ok_and(|n| n >= *min && n <= *max && n.to_string() == value)
            }
            Self::OneOf(words) => words.iter().any(|word| word == value),
            Self::Identifier { max } => {
                value.len() <= *max
                    && value.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && value.chars().all(inner)
            }
        }
    }
}

impl std::fmt::Display for ParamKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer { min, max } => write!(f, "a number from {min} to {max}"),
            Self::OneOf(words) => write!(f, "one of {}", words.join(", ")),
            Self::Identifier { max } => {
                write!(f, "a name of at most {max} letters, digits, dots, dashes or underscores")
            }
        }
    }
}

/// Refuses unknown, missing and odd values; `kind` is whose parameters they are.
pub(super) fn check(
    kind: &str,
    declared: &BTreeMap<String, ParamKind>,
    given: &BTreeMap<String, String>,
) -> Result<(), String> {
    if let Some(name) = given.keys().find(|name| !declared.contains_key(*name)) {
        return Err(format!("{kind} has no parameter `{}`", one_line(name, 60)));
    }
    for (name, kind) in declared {
        let value = given.get(name).ok_or_else(|| format!("parameter `{name}` is missing; it is {kind}"))?;
        if !kind.fits(value) {
            return Err(format!("{name}=`{}` is not {kind}", one_line(value, 60)));
        }
    }
    Ok(())
}

/// The declared parameters as a line of help ends.
pub(super) fn help(declared: &BTreeMap<String, ParamKind>) -> String {
    let params: Vec<String> = declared.iter().map(|(name, kind)| format!("{name}={kind}")).collect();
    if params.is_empty() { String::new() } else { format!("; {}", params.join(", ")) }
}

/// What is wrong with placeholders of a declaration, called `what`: those that name no parameter, and parameters without a use.
pub(super) fn misused<'t>(
    what: &str,
    declared: &BTreeMap<String, ParamKind>,
    texts: impl Iterator<Item = &'t String>,
) -> Vec<String> {
    let used: Vec<&str> = texts.flat_map(|text| placeholders(text)).collect();
    let unknown = used.iter().filter(|name| !declared.contains_key(**name));
    let mut problems: Vec<String> =
        unknown.map(|name| format!("{what} uses `{{{name}}}`, which is no parameter")).collect();
    let idle = declared.keys().filter(|name| !used.contains(&name.as_str()));
    problems.extend(idle.map(|name| format!("{what} does not use its parameter `{name}`")));
    problems
}

/// The names between braces: `{replicas}`. Braces around anything else, as in JSON, are text.
fn placeholders(text: &str) -> Vec<&str> {
    let named = |part: &str| part.split_once('}').map(|(name, _)| name).filter(|name| is_name(name)).is_some();
    let parts = text.split('{').skip(1).filter(|part| named(part));
    parts.filter_map(|part| part.split_once('}').map(|(name, _)| name)).collect()
}

fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(inner)
}

/// Puts parameters into a text; a value is never looked into again.
pub(super) fn fill(text: &str, params: &BTreeMap<String, String>) -> String {
    let mut parts = text.split('{');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('}').and_then(|(name, rest)| Some((params.get(name)?, rest))) {
            Some((value, rest)) => {
                out.push_str(value);
                out.push_str(rest);
            }
            None => {
                out.push('{');
                out.push_str(part);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_of_json_are_text_and_names_between_braces_are_places() {
        let body = r#"{"flag": {"on": {state}, "by": "{who}"}, "empty": {}}"#;
        assert_eq!(placeholders(body), ["state", "who"]);
        let params = BTreeMap::from([("state".into(), "true".into()), ("who".into(), "{state}".into())]);
        assert_eq!(fill(body, &params), r#"{"flag": {"on": true, "by": "{state}"}, "empty": {}}"#);
    }
}
