//! Text for people at GitHub. What comes from outside stands in fenced blocks, each line behind a bar, and is made quiet: it calls
//! nobody, links nothing, closes nothing and commands no robot, there or wherever GitHub copies it to (a squashed commit's message).

use crate::text::clip;
use sentinell_core::redact::redact;

/// Stands within whatever GitHub would act on. It shows nothing.
const APART: char = '\u{200b}';
/// Characters of a cause or an evidence line.
const LINE: usize = 400;
/// Lines of a block.
const LINES: usize = 60;
/// How a block begins and ends.
const FENCE: (&str, &str) = ("```text\n", "```\n");
/// How every line of a block begins: robots that read commands look for them at the beginning of a line.
const BAR: &str = "| ";

/// What an incident brings to a proposal, as the reasoner's turn has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told<'t> {
    /// The incident's id.
    pub incident: &'t str,
    /// What is believed to be wrong.
    pub cause: &'t str,
    /// One piece of evidence a line, its id first.
    pub evidence: &'t str,
}

impl Told<'_> {
    /// The sections that both a pull request and an issue have.
    pub fn sections(&self) -> String {
        format!("## Cause\n\n{}\n## Evidence\n\n{}\n", block(self.cause), block(self.evidence))
    }
}

/// Text with everything visible: control characters, and those that turn or hide what stands beside them, are spelled out.
pub(super) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if c.is_control() || hides(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Characters without a shape of their own: zero-width ones, those that change the direction, tags, variation selectors.
pub(super) fn hides(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Text that GitHub does nothing about: no mention, no reference, no link, no fence.
pub(super) fn quiet(text: &str) -> String {
    let text = visible(&redact(text)).replace('`', "'").replace("://", &format!(":{APART}//"));
    let mut out = String::with_capacity(text.len());
    let mut before = [' '; 2];
    for c in text.chars() {
        // `GH-12` is a reference as `#12` is.
        if c == '-' && before.map(|c| c.to_ascii_lowercase()) == ['g', 'h'] {
            out.push(APART);
        }
        out.push(c);
        if matches!(c, '@' | '#' | '<' | '!' | '[') {
            out.push(APART);
        }
        before = [before[1], c];
    }
    out
}

/// Whether a text is as [`quiet`] would leave it.
fn is_quiet(text: &str) -> bool {
    quiet(&text.replace(APART, "")) == text
}

/// One quiet line.
pub(super) fn line(text: &str, max: usize) -> String {
    let flat: Vec<&str> = text.split_whitespace().collect();
    quiet(&clip(&flat.join(" "), max))
}

/// Foreign lines, fenced.
pub(super) fn block(text: &str) -> String {
    let lines = text.lines().take(LINES).map(|line| format!("{BAR}{}\n", quiet(&clip(line.trim_end(), LINE))));
    format!("{}{}{}", FENCE.0, lines.collect::<String>(), FENCE.1)
}

/// Whether a text is one block of ours and nothing else.
pub(super) fn is_block(text: &str) -> bool {
    let inner = text.strip_prefix(FENCE.0).and_then(|rest| rest.strip_suffix(FENCE.1));
    let fine =
        |line: &str| line.strip_prefix(BAR).is_some_and(|line| is_quiet(line) && line.chars().count() <= 4 * LINE);
    inner.is_some_and(|inner| inner.lines().count() <= LINES && inner.lines().all(fine))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_calls_nobody_and_closes_nothing() {
        let evil = "e1 Fixes #12, closes GH-7 and https://github.com/acme/till/issues/3 cc @acme/everyone\n```\n/approve\n<img src=x>\n![x](y) \u{202e}";
        let shown = block(evil);
        assert!(is_block(&shown), "{shown}");
        for active in ["#12", "GH-7", "://", "@acme", "\n/approve", "<img", "![", "\u{202e}"] {
            assert!(!shown.contains(active), "{active} in {shown}");
        }
        assert_eq!(shown.matches("```").count(), 2, "{shown}");
        assert!(shown.lines().skip(1).filter(|line| !line.starts_with("```")).all(|line| line.starts_with("| ")));
        for broken in [
            shown.replace("| /approve", "/approve"),
            shown.replace(&format!("#{APART}12"), "#12"),
            format!("{shown}\nFixes #1"),
            format!("{}```\n@acme\n```text\n{}", FENCE.0, FENCE.1),
        ] {
            assert!(!is_block(&broken), "{broken}");
        }
        assert_eq!(line("  raise\n the @limit\t#1 ", 80), format!("raise the @{APART}limit #{APART}1"));
    }

    #[test]
    fn a_secret_of_a_known_shape_is_taken_out_and_everything_is_bounded() {
        let secret = format!("ghp_{}", "a1B2".repeat(9));
        assert!(!block(&format!("token {secret}")).contains(&secret));
        assert!(block(&"x\n".repeat(10_000)).len() < 1000 && block(&"x".repeat(100_000)).len() < 1000);
    }
}
