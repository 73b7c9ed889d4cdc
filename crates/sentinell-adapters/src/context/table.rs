//! The embedding that ships inside the binary: one short vector a word, read in place from read-only data, so that
//! nothing is loaded at the start and nothing is copied. `scripts/meaning/distil.py` made it out of MiniLM.

use sentinell_core::ports::{BoxFuture, Meaning};

/// See the script for the layout.
static TABLE: &[u8] = include_bytes!("../../data/meaning.bin");
/// Characters of a text that are looked at.
const CHARS: usize = 4_000;
/// Words of it.
const WORDS: usize = 400;
/// Letters of a word; a longer one is no word.
const LETTERS: usize = 40;
/// Steps from the beginning of the file to the first scale.
const HEAD: usize = 16;

/// The table, as a [`Meaning`].
#[derive(Debug, Clone, Copy)]
pub struct StaticMeaning {
    words: usize,
    dimension: usize,
}

impl Default for StaticMeaning {
    fn default() -> Self {
        Self::new()
    }
}

impl StaticMeaning {
    /// The table that is part of this program.
    pub fn new() -> Self {
        let table = Self { words: number(8) as usize, dimension: number(12) as usize };
        // A table that does not fit its own head knows no word.
        let starts = HEAD + table.words * (4 + table.dimension);
        if TABLE.starts_with(b"SNTM") && TABLE.len() > starts + 4 * table.words {
            table
        } else {
            Self { words: 0, dimension: 0 }
        }
    }

    /// The vector of a text, of length one; empty if no word of it is known.
    pub fn vector(&self, text: &str) -> Vec<f32> {
        let mut sum = vec![0.0_f32; self.dimension];
        let mut known = false;
        for run in runs(text).take(WORDS) {
            known |= self.add_run(run, &mut sum);
        }
        let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
        if !known || length <= f32::EPSILON {
            return vec![];
        }
        sum.iter().map(|x| x / length).collect()
    }

    /// Adds a run of letters and digits: as the word that it is, or else by its parts.
    fn add_run(&self, run: &str, sum: &mut [f32]) -> bool {
        let whole = run.to_ascii_lowercase();
        if self.row(&whole).is_some() {
            return self.add(&whole, sum);
        }
        parts(run).into_iter().fold(false, |known, part| self.add(&part.to_ascii_lowercase(), sum) | known)
    }

    /// Adds the row of a word, or those of its longest known pieces; whether there were any. What looks like an id (digits
    /// among letters, long numbers) means nothing by its pieces.
    fn add(&self, word: &str, sum: &mut [f32]) -> bool {
        if let Some(row) = self.row(word) {
            self.add_row(row, sum);
            return true;
        }
        if word.len() > LETTERS || word.bytes().any(|letter| letter.is_ascii_digit()) {
            return false;
        }
        let (mut start, mut known, mut piece) = (0, false, String::with_capacity(LETTERS + 2));
        'pieces: while start < word.len() {
            for end in (start + 1..=word.len()).rev() {
                piece.clear();
                piece.push_str(if start > 0 { "##" } else { "" });
                piece.push_str(&word[start..end]);
                if let Some(row) = self.row(&piece) {
                    self.add_row(row, sum);
                    (known, start) = (true, end);
                    continue 'pieces;
                }
            }
            return known;
        }
        known
    }

    fn add_row(&self, row: usize, sum: &mut [f32]) {
        let scale = f32::from_bits(number(HEAD + 4 * row));
        let from = HEAD + 4 * self.words + row * self.dimension;
        for (sum, step) in sum.iter_mut().zip(&TABLE[from..from + self.dimension]) {
            *sum += f32::from(step.cast_signed()) * scale;
        }
    }

    /// Where a word is, by halves.
    fn row(&self, word: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.words);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.word(middle).cmp(word.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(middle),
            }
        }
        None
    }

    fn word(&self, row: usize) -> &'static [u8] {
        let offsets = HEAD + self.words * (4 + self.dimension);
        let letters = offsets + 4 * (self.words + 1);
        let (from, to) = (number(offsets + 4 * row) as usize, number(offsets + 4 * row + 4) as usize);
        TABLE.get(letters + from..letters + to).unwrap_or_default()
    }
}

/// A number of the file; 0 behind its end.
fn number(at: usize) -> u32 {
    let bytes = TABLE.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u32::from_le_bytes)
}

/// The words of a text: runs of ASCII letters and digits.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let end = text.char_indices().nth(CHARS).map_or(text.len(), |(at, _)| at);
    text[..end].split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|run| !run.is_empty())
}

/// `CrashLoopBackOff` is four words, `HTTPServer` two, `x509` one.
fn parts(run: &str) -> Vec<&str> {
    let (bytes, mut parts, mut start) = (run.as_bytes(), vec![], 0);
    for at in 1..bytes.len() {
        let rises = bytes[at - 1].is_ascii_lowercase() && bytes[at].is_ascii_uppercase();
        let ends = bytes[at - 1].is_ascii_uppercase()
            && bytes[at].is_ascii_uppercase()
            && bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
        if rises || ends {
            parts.push(&run[start..at]);
            start = at;
        }
    }
    parts.push(&run[start..]);
    parts
}

impl Meaning for StaticMeaning {
    fn model(&self) -> &str {
        "minilm-words-1:128"
    }

    fn embed<'a>(&'a self, texts: &'a [String]) -> BoxFuture<'a, Result<Vec<Vec<f32>>, String>> {
        Box::pin(async move { Ok(texts.iter().map(|text| self.vector(text)).collect()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearness(one: &str, other: &str) -> f32 {
        let table = StaticMeaning::new();
        table.vector(one).iter().zip(table.vector(other)).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn the_same_trouble_in_other_words_is_nearer_than_other_trouble() {
        for (one, same, other) in [
            ("OOMKilled", "the container ran out of memory", "certificate has expired"),
            ("disk pressure on the node", "no space left on device", "login was refused"),
            ("upstream timed out", "slow response from the backend", "wrong image tag"),
        ] {
            let (near, far) = (nearness(one, same), nearness(one, other));
            assert!(near > far + 0.1, "{one}: {same} {near:.2}, {other} {far:.2}");
        }
    }

    #[test]
    fn vectors_have_length_one_and_what_is_no_word_has_none() {
        let table = StaticMeaning::new();
        let length: f32 = table.vector("disk pressure").iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-4, "{length}");
        assert_eq!(table.model(), format!("minilm-words-1:{}", table.dimension));
        for nothing in ["", "   ", "🦀 \0 ---", "7f3a9c1e-0b5d-4c52", "1234567890", &"x".repeat(100)] {
            assert!(table.vector(nothing).is_empty(), "{nothing:?}");
        }
        assert!(!table.vector(&format!("{} disk", "é\u{0}\"'*(".repeat(50))).is_empty());
        assert_eq!(parts("CrashLoopBackOff"), ["Crash", "Loop", "Back", "Off"]);
        assert_eq!([parts("HTTPServer"), parts("x509")].concat(), ["HTTP", "Server", "x509"]);
    }

    #[test]
    fn crash_loops_and_their_kind_are_found_as_one_word_or_as_four() {
        assert!(nearness("CrashLoopBackOff", "crashloopbackoff") > 0.3);
        assert!(nearness("crashloopbackoff", "the container restarts again and again") > 0.5);
    }
}
