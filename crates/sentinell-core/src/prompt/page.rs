//! A page of bounded length, section by section. What does not fit is counted, not hidden.

/// Longest quotation of outside text, characters.
pub(super) const QUOTE: usize = 300;

/// Text that never grows beyond its limit.
pub(super) struct Page {
    out: String,
    limit: usize,
}

impl Page {
    /// An empty page of at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { out: String::new(), limit }
    }

    /// Bytes that are still free.
    pub(super) fn left(&self) -> usize {
        self.limit.saturating_sub(self.out.len())
    }

    /// One line, if it fits.
    pub(super) fn line(&mut self, text: &str) -> bool {
        let fits = text.len() < self.left();
        if fits {
            self.out.push_str(text);
            self.out.push('\n');
        }
        fits
    }

    /// A titled list within `share` bytes; answers how many lines were left out.
    pub(super) fn section(&mut self, title: &str, lines: impl IntoIterator<Item = String>, share: usize) -> usize {
        let mut lines = lines.into_iter().peekable();
        if lines.peek().is_none() {
            return 0;
        }
        let mut part = Self::new(share.min(self.left()));
        // Room for the word on what was left out.
        let note = 48;
        let mut left_out = if part.line(&format!("\n# {title}")) { 0 } else { 1 };
        for line in lines {
            let fits = left_out == 0 && line.len() + 3 + note < part.left();
            if !(fits && part.line(&format!("- {line}"))) {
                left_out += 1;
            }
        }
        if left_out > 0 && !part.out.is_empty() {
            part.line(&format!("- ({left_out} more, left out for want of room)"));
        }
        self.out.push_str(&part.out);
        left_out
    }

    /// What was written.
    pub(super) fn finish(self) -> String {
        self.out
    }
}

/// Outside text as one bounded line between marks that it cannot contain.
pub(super) fn quote(text: &str, longest: usize) -> String {
    let clean = |c: char| match c {
        '«' => '‹',
        '»' => '›',
        c if c.is_control() => ' ',
        // Invisible and direction-changing characters hide text from the people who read along.
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => ' ',
        '\u{2028}' | '\u{2029}' | '\u{e0000}'..='\u{e007f}' => ' ',
        c => c,
    };
    let mut quoted: String = text.chars().take(longest).map(clean).collect();
    if text.chars().nth(longest).is_some() {
        quoted.push('…');
    }
    format!("«{quoted}»")
}
