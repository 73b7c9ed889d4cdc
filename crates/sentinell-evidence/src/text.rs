//! Text from outside, made fit to be shown: bounded, on one line, without characters that change how it looks.

use std::fmt::Write as _;

/// At most `most` characters of `text` on one line; control and formatting characters are written as escapes.
pub fn bounded(text: &str, most: usize) -> String {
    let mut out = String::with_capacity(text.len().min(most));
    for (n, c) in text.chars().enumerate() {
        if n >= most {
            out.push('…');
            break;
        }
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            c if c.is_control() || is_formatting(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// A literal quotation from a source, bounded like [`bounded`]; lines are kept apart by ` ⏎ `.
pub fn quoted(text: &str, most: usize) -> String {
    bounded(&text.trim_end().replace('\n', " ⏎ "), most)
}

/// Characters that change how the text around them is shown: bidirectional controls and zero-width marks.
pub fn is_formatting(c: char) -> bool {
    matches!(u32::from(c), 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x2069 | 0xfeff | 0xe0000..=0xe007f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_shown_on_one_bounded_line() {
        assert_eq!(bounded("a\u{1b}[31m\nb\u{202e}c", 100), "a\\u{1b}[31m b\\u{202e}c");
        assert_eq!(bounded("abcdef", 3), "abc…");
    }
}
