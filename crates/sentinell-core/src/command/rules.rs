//! The language that the catalogue is written in. A program's text names it, then its forms, one a line (a line that begins
//! with four blanks goes on with the one before):
//!
//! ```text
//! kubectl
//!   @all = -n --namespace NAME, --request-timeout NUM
//!   before: @all
//!   get: @all, -A --all-namespaces, -o --output OUT | KIND KINDREF*
//! ```
//!
//! A form is its words (`.` for none, `show/list` for either), its options and, after a bar, its operands. An option is its names and perhaps what it
//! takes: `NUM` after a blank or attached, `?NUM` attached only or not at all; `!` before it: the form needs one of these names; `-#` is
//! any number after a dash. Capitals name a
//! kind ([`super::values`]), small letters are the values themselves (`json/yaml`). `?`, `*`, `+` count operands. Options of
//! `before` may stand before the words.

/// A program's rules, taken apart.
pub(super) struct Rules<'t> {
    /// What may stand before the words.
    pub before: Vec<Flag<'t>>,
    pub forms: Vec<Form<'t>>,
}

/// One way to call it.
pub(super) struct Form<'t> {
    pub words: Vec<&'t str>,
    pub flags: Vec<Flag<'t>>,
    pub operands: Vec<Operand<'t>>,
}

impl Form<'_> {
    /// Whether its first words are these.
    pub fn begins_with(&self, path: &[&str]) -> bool {
        path.len() <= self.words.len()
            && path.iter().zip(&self.words).all(|(one, word)| word.split('/').any(|word| word == *one))
    }
}

/// An option.
#[derive(Clone)]
pub(super) struct Flag<'t> {
    pub names: Vec<&'t str>,
    /// What it takes, and whether only attached or not at all.
    pub takes: Option<(&'t str, bool)>,
    pub needed: bool,
}

/// Operands of one kind.
pub(super) struct Operand<'t> {
    pub kind: &'t str,
    pub least: usize,
    pub most: usize,
}

impl<'t> Rules<'t> {
    /// Reads a program's text.
    pub fn of(text: &'t str) -> Self {
        let mut sets: Vec<(&str, Vec<Flag<'t>>)> = vec![];
        let mut rules = Self { before: vec![], forms: vec![] };
        for line in forms(text) {
            if let Some((name, flags)) = line.trim().strip_prefix('@').and_then(|line| line.split_once(" = ")) {
                sets.push((name, options(flags, &sets)));
                continue;
            }
            let Some((words, rest)) = line.split_once(':') else { continue };
            let (flags, operands) = rest.split_once('|').unwrap_or((rest, ""));
            match words.trim() {
                "before" => rules.before = options(flags, &sets),
                words => rules.forms.push(Form {
                    words: words.split_whitespace().filter(|word| *word != ".").collect(),
                    flags: options(flags, &sets),
                    operands: operands.split_whitespace().map(operand).collect(),
                }),
            }
        }
        rules
    }
}

/// The program that a text is about.
pub(super) fn program(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

/// The lines of a text after its first, each with those that go on with it.
fn forms(text: &str) -> Vec<&str> {
    let mut starts: Vec<usize> = vec![];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with("  ") && !line.starts_with("    ") {
            starts.push(at);
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).filter_map(|(from, to)| text.get(*from..to)).collect()
}

fn options<'t>(text: &'t str, sets: &[(&str, Vec<Flag<'t>>)]) -> Vec<Flag<'t>> {
    let mut flags = vec![];
    for one in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        if let Some(name) = one.strip_prefix('@') {
            flags.extend(sets.iter().filter(|(set, _)| *set == name).flat_map(|(_, flags)| flags.iter().cloned()));
            continue;
        }
        let (needed, one) = one.strip_prefix('!').map_or((false, one), |one| (true, one));
        let (names, takes): (Vec<&str>, Vec<&str>) = one.split_whitespace().partition(|word| word.starts_with('-'));
        let takes = takes.first().map(|kind| kind.strip_prefix('?').map_or((*kind, false), |kind| (kind, true)));
        flags.push(Flag { names, takes, needed });
    }
    flags
}

fn operand(text: &str) -> Operand<'_> {
    let (least, most) = match text.as_bytes().last() {
        Some(b'?') => (0, 1),
        Some(b'*') => (0, usize::MAX),
        Some(b'+') => (1, usize::MAX),
        _ => (1, 1),
    };
    Operand { kind: text.trim_end_matches(['?', '*', '+']), least, most }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_as_its_forms() {
        let text = "\nmill\n  @all = -n --name NAME, -v\n  before: @all\n  turn fast: @all,\n    !--by NUM, --colour ?TEXT | slow/fast FILE*\n  .: -v\n";
        let rules = Rules::of(text);
        assert_eq!((program(text), rules.before.len(), rules.forms.len()), ("mill", 2, 2));
        let form = &rules.forms[0];
        let names: Vec<_> = form.flags.iter().map(|flag| (flag.names.join(" "), flag.takes, flag.needed)).collect();
        assert_eq!(
            names,
            [
                ("-n --name".to_owned(), Some(("NAME", false)), false),
                ("-v".to_owned(), None, false),
                ("--by".to_owned(), Some(("NUM", false)), true),
                ("--colour".to_owned(), Some(("TEXT", true)), false)
            ]
        );
        let operands: Vec<_> = form.operands.iter().map(|one| (one.kind, one.least, one.most)).collect();
        assert_eq!(
            (form.words.as_slice(), operands.as_slice()),
            (["turn", "fast"].as_slice(), [("slow/fast", 1, 1), ("FILE", 0, usize::MAX)].as_slice())
        );
        assert!(rules.forms[1].words.is_empty());
    }
}
