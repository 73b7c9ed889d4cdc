//! From a line to words, as a POSIX shell would split it; whatever a shell would do besides that is refused.

/// The longest line, bytes.
const LONGEST: usize = 2000;
/// The most words.
const WORDS: usize = 64;

/// The words of one simple command.
///
/// # Errors
/// A sentence that names what is refused.
pub fn split(line: &str) -> Result<Vec<String>, String> {
    if line.len() > LONGEST {
        return Err(format!("the line is longer than {LONGEST} bytes"));
    }
    if let Some(odd) = line.chars().find(|c| !is_plain(*c)) {
        return Err(format!(
            "the line holds U+{:04X}; letters, digits and ASCII signs only, all on one line",
            u32::from(odd)
        ));
    }
    let (mut words, mut word) = (vec![], None::<String>);
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            ' ' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("a quote is not closed".to_owned()),
                    }
                }
            }
            '"' => double_quoted(&mut rest, word.get_or_insert_default())?,
            '~' | '#' if word.is_none() => return Err(refused(c)),
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '$' | '`' | '*' | '?' | '[' | ']' | '\\' => {
                return Err(refused(c));
            }
            '{' | '}' if expands(line) => return Err(refused(c)),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    match words.first() {
        None => Err("the line is empty".to_owned()),
        Some(first) if first.contains('=') => Err("assignments of environment variables are refused".to_owned()),
        _ if words.len() > WORDS => Err(format!("more than {WORDS} words")),
        _ => Ok(words),
    }
}

/// Within double quotes a shell still substitutes, and a backslash takes that from a few signs only.
fn double_quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, word: &mut String) -> Result<(), String> {
    loop {
        match rest.next() {
            Some('"') => return Ok(()),
            Some(c @ ('$' | '`' | '!')) => return Err(refused(c)),
            Some('\\') if rest.peek().is_some_and(|next| matches!(next, '$' | '`' | '"' | '\\')) => {
                return Err(refused('\\'));
            }
            Some(c) => word.push(c),
            None => return Err("a quote is not closed".to_owned()),
        }
    }
}

/// Printable ASCII, and letters of other scripts.
fn is_plain(c: char) -> bool {
    matches!(c, ' '..='~') || (!c.is_ascii() && c.is_alphanumeric())
}

/// Whether unquoted braces could be a list or a range to some shell. (Where they stand is not looked at: too much is
/// refused rather than too little.)
fn expands(line: &str) -> bool {
    line.contains(',') || line.contains("..")
}

fn refused(c: char) -> String {
    let what = match c {
        '|' => "pipes are",
        '<' | '>' => "redirections are",
        '$' | '`' => "substitutions are",
        '*' | '?' | '[' | ']' | '{' | '}' | '~' => "patterns that a shell would expand are",
        '&' | ';' | '(' | ')' => "more than one command is",
        '#' => "comments are",
        _ => "a backslash is",
    };
    format!("`{c}`: {what} refused; no shell runs here. What is meant literally belongs into single quotes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_and_quotes_keep_them_together() {
        let words = |line: &str| split(line).unwrap();
        assert_eq!(words("  df   -h "), ["df", "-h"]);
        assert_eq!(words("grep -n 'a  |b' \"c d\"e'f'"), ["grep", "-n", "a  |b", "c def"]);
        assert_eq!(
            words("docker ps --format 'table {{.Names}}\\t{{.Status}}'").last().unwrap(),
            "table {{.Names}}\\t{{.Status}}"
        );
        assert_eq!(words(r#"docker ps --format "a\tb""#).last().unwrap(), "a\\tb");
        assert_eq!(words("docker ps --format {{.Names}}").last().unwrap(), "{{.Names}}");
        assert_eq!(words("grep '' \"\"")[1..], ["", ""]);
        assert_eq!(words("git diff HEAD~1 a#b x!=y")[2..], ["HEAD~1", "a#b", "x!=y"]);
    }

    #[test]
    fn what_a_shell_would_do_is_refused() {
        for bad in [
            "",
            " ",
            "ps | sh",
            "ps; id",
            "ps && id",
            "ps & id",
            "(ps)",
            "ps > f",
            "ps < f",
            "ps 2>&1",
            "echo $HOME",
            "echo `id`",
            "echo $(id)",
            "ls *.log",
            "ls a?",
            "ls [ab]",
            "ls {a,b}",
            "ls {1..9}",
            "ls ~",
            "ls ~ann/x",
            "ps # x",
            "a\\ b",
            "A=1 ps",
            "LD_PRELOAD='x' ps",
            "'A=1' ps",
            "ps 'x",
            "ps \"x",
            "ps \"$x\"",
            "ps \"`id`\"",
            "ps \"\\$x\"",
            "ps\nid",
            "ps\tid",
            "ps\rid",
            "ps\0",
            "ps \u{202e}x",
            "ps\u{a0}x",
            "ps \u{200b}x",
            "\u{ff5c} x",
            "ps $'\\n'",
        ] {
            assert!(split(bad).is_err(), "{bad:?}: {:?}", split(bad));
        }
        assert!(split(&"a ".repeat(999)).is_err() && split(&"a".repeat(9999)).is_err());
    }
}
