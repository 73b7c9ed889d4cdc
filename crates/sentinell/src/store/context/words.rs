//! Words as the index knows them: hashes of short stems, the same on both databases.

use std::collections::BTreeSet;

/// Characters of a text that are looked at.
const CHARS: usize = 8_000;
/// Different words of a record that are kept.
pub(super) const WORDS: usize = 160;
/// Letters of a word; the rest of a longer one is dropped.
const LETTERS: usize = 64;

/// Too common to say anything.
const STOP: [&str; 40] = [
    "a", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "did", "do", "does", "for", "from", "had",
    "has", "have", "how", "in", "is", "it", "its", "of", "on", "or", "that", "the", "their", "there", "this", "to",
    "was", "were", "what", "when", "which", "why", "with",
];

/// A word of a text and the hash that the index has of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) hash: u32,
}

/// The different words of a text, in the order they come, at most `most`.
pub(super) fn words(text: &str, most: usize) -> Vec<Word> {
    let end = text.char_indices().nth(CHARS).map_or(text.len(), |(at, _)| at);
    let (mut found, mut known) = (vec![], BTreeSet::new());
    for run in text[..end].split(|letter: char| !letter.is_alphanumeric()).filter(|run| !run.is_empty()) {
        let parts = parts(run);
        // `CrashLoopBackOff` is found as a whole and by its parts.
        let whole = (parts.len() > 1).then_some(run);
        for word in parts.into_iter().chain(whole) {
            if found.len() == most {
                return found;
            }
            let text: String = word.chars().take(LETTERS).flat_map(char::to_lowercase).collect();
            if STOP.contains(&text.as_str()) {
                continue;
            }
            let hash = hash(stem(&text));
            if known.insert(hash) {
                found.push(Word { text, hash });
            }
        }
    }
    found
}

fn parts(run: &str) -> Vec<&str> {
    let (mut parts, mut start, mut small) = (vec![], 0, false);
    for (at, letter) in run.char_indices() {
        if small && letter.is_uppercase() {
            parts.push(&run[start..at]);
            start = at;
        }
        small = letter.is_lowercase() || letter.is_numeric();
    }
    parts.push(&run[start..]);
    parts
}

/// Endings of grammar off a plain English word.
fn stem(word: &str) -> &str {
    if !word.bytes().all(|letter| letter.is_ascii_lowercase()) {
        return word;
    }
    let long = |stem: &str| stem.len() >= 3;
    if let Some(stem) = word.strip_suffix("ing").filter(|stem| stem.len() >= 4) {
        return stem;
    }
    if let Some(stem) = word.strip_suffix("ies").filter(|stem| long(stem)) {
        return stem;
    }
    for ending in ["ed", "es", "s", "e", "y"] {
        if ending == "s" && (word.ends_with("ss") || word.ends_with("us") || word.ends_with("is")) {
            continue;
        }
        if let Some(stem) = word.strip_suffix(ending).filter(|stem| long(stem)) {
            return stem;
        }
    }
    word
}

/// FNV-1a, folded.
pub(super) fn hash(text: &str) -> u32 {
    let hash = fnv(text.bytes());
    (hash ^ (hash >> 32)) as u32
}

fn fnv(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The name of a word in the index.
pub(super) fn token(hash: u32) -> String {
    format!("w{hash:08x}")
}

/// The name of something that a search can be narrowed by: `s` for services, `r` for repositories, `k` for kinds.
pub(super) fn tag(letter: char, text: &str) -> String {
    format!("{letter}{:08x}", hash(text))
}

/// The name of a word within what has a tag: one look-up then brings the records that have both, whatever else there is of
/// each. Sixty-four bits, since there are many of these and a collision would reach into another service.
pub(super) fn within(tag: &str, word: u32) -> String {
    format!("{:016x}", fnv(tag.bytes().chain([0]).chain(word.to_le_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        words(text, 100).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_are_found_whatever_stands_around_them() {
        assert_eq!(
            texts("The CrashLoopBackOff of \"till\"* (NEAR) AND till;--"),
            ["crash", "loop", "back", "off", "crashloopbackoff", "till", "near"]
        );
        assert_eq!(texts("Отказ диска: Ärger\0ja"), ["отказ", "диска", "ärger", "ja"]);
        assert_eq!(words(&"x ".repeat(100_000), 5).len(), 1);
        assert_eq!(words(&(0..1000).map(|n| format!("n{n} ")).collect::<String>(), 50).len(), 50);
    }

    #[test]
    fn forms_of_one_word_are_one_word() {
        let same = |one: &str, other: &str| assert_eq!(words(one, 1)[0].hash, words(other, 1)[0].hash, "{one} {other}");
        same("timeouts", "timeout");
        same("Connections", "connection");
        same("failing", "failed");
        same("retries", "retry");
        same("refused", "refuse");
        assert_ne!(words("pass", 1)[0].hash, words("pas", 1)[0].hash);
    }
}
