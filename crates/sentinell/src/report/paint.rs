//! Colour, width, and text that cannot steer a terminal.

use crate::config::Surroundings;
use std::io::IsTerminal;

/// How to write for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    colour: bool,
    /// Columns.
    pub width: usize,
}

impl Paint {
    /// For standard output as it is: colour on a terminal unless `NO_COLOR` is set.
    pub fn for_stdout(around: &Surroundings) -> Self {
        let colour = std::io::stdout().is_terminal() && !around.no_colour();
        Self { colour, width: around.columns().unwrap_or_else(terminal_columns).clamp(60, 140) }
    }

    /// Without colour, `width` columns.
    pub fn plain(width: usize) -> Self {
        Self { colour: false, width }
    }

    /// With colour, `width` columns.
    pub fn coloured(width: usize) -> Self {
        Self { colour: true, width }
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Headings.
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// Asides.
    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    /// Broken.
    pub fn red(self, text: &str) -> String {
        self.with("1;31", text)
    }

    /// Well.
    pub fn green(self, text: &str) -> String {
        self.with("1;32", text)
    }

    /// Needs a person.
    pub fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    /// Ids and charts.
    pub fn cyan(self, text: &str) -> String {
        self.with("36", text)
    }

    /// The mind at work.
    pub fn magenta(self, text: &str) -> String {
        self.with("35", text)
    }
}

/// Width of the terminal behind standard output; 100 where there is none.
fn terminal_columns() -> usize {
    rustix::termios::tcgetwinsize(std::io::stdout())
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|c| *c > 0)
        .unwrap_or(100)
}

/// One line of at most `limit` characters: control characters, escape sequences and writing-direction marks are gone, so
/// that text from outside cannot move the cursor, recolour the screen or pretend to be ours.
pub fn plain(text: &str, limit: usize) -> String {
    let invisible =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let mut line = String::new();
    let mut count = 0;
    for c in text.chars().filter(|c| !invisible(*c)) {
        let c = if c.is_control() { ' ' } else { c };
        if c == ' ' && line.ends_with(' ') {
            continue;
        }
        if count == limit {
            line.pop();
            line.push('…');
            break;
        }
        line.push(c);
        count += 1;
    }
    line.trim().to_owned()
}

/// Breaks text into lines of at most `width` columns at spaces; longer words stand alone.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let current = lines.last_mut().map(|line| (line.chars().count(), line));
        match current {
            Some((0, line)) => line.push_str(word),
            Some((used, line)) if used + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_cannot_steer_the_terminal() {
        assert_eq!(
            plain("ok\x1b[2J\x1b]0;pwned\x07 \u{202e}gnp.exe\r\nCAUSE fake", 80),
            "ok [2J ]0;pwned gnp.exe CAUSE fake"
        );
        assert_eq!(plain(&"x".repeat(50), 10), format!("{}…", "x".repeat(9)));
    }

    #[test]
    fn long_lines_break_at_spaces() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable", 4), ["unbreakable"]);
    }
}
