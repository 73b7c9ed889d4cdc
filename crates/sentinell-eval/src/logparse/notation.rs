//! The engine's typed templates in the labels' notation: every variable `<*>`, and the published rules about what
//! counts as one (Khan et al., ICSE 2022, table 3: double spaces, booleans, user strings, digits, paths, words
//! joined with variables, consecutive and dotted variables).

/// A typed template as the labels would write it.
pub(super) fn template(typed: &str) -> String {
    let plain = untyped(typed);
    let spaced = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let pathless = by_token(&spaced, is_delimiter_of_paths, |token| if is_path(token) { VARIABLE } else { token });
    let worded = by_token(&pathless, |c| is_delimiter_of_paths(c) || ".-+@#$%&".contains(c), variable);
    until_stable(worded, &[("<*>.<*>", VARIABLE), ("<*><*>", VARIABLE), ("<*>:<*>", VARIABLE), (" #<*>#<*> ", " <*> ")])
}

const VARIABLE: &str = "<*>";

/// `<num>`, `<path>` and the like as `<*>`.
fn untyped(typed: &str) -> String {
    let mut out = String::new();
    let mut rest = typed;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let name = rest[1..].split('>').next().unwrap_or_default();
        if !name.is_empty() && name.len() < rest.len() - 1 && name.bytes().all(|b| b.is_ascii_lowercase()) {
            out.push_str(VARIABLE);
            rest = &rest[name.len() + 2..];
        } else {
            out.push('<');
            rest = &rest[1..];
        }
    }
    out + rest
}

fn is_delimiter_of_paths(c: char) -> bool {
    c.is_whitespace() || ",!;:=|\"'[](){}".contains(c)
}

/// `/a/b`: slashes with something after each.
fn is_path(token: &str) -> bool {
    token.strip_prefix('/').is_some_and(|rest| rest.split('/').all(|part| !part.is_empty()))
}

fn variable(token: &str) -> &str {
    let known = ["true", "false", "null", "root", "admin"].iter().any(|word| token.eq_ignore_ascii_case(word));
    let number = !token.is_empty() && token.bytes().all(|b| b.is_ascii_digit());
    let joined = token.contains(VARIABLE) && !token.contains('/');
    if known || number || joined { VARIABLE } else { token }
}

/// Applies a rule to the stretches between delimiters, which stay.
fn by_token(text: &str, delimiter: impl Fn(char) -> bool, rule: impl Fn(&str) -> &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (at, c) in text.char_indices().filter(|(_, c)| delimiter(*c)) {
        out.push_str(rule(&text[from..at]));
        out.push(c);
        from = at + c.len_utf8();
    }
    out.push_str(rule(&text[from..]));
    out
}

fn until_stable(mut text: String, rules: &[(&str, &str)]) -> String {
    for (from, to) in rules {
        while text.contains(from) {
            text = text.replace(from, to);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_variables_are_written_as_the_labels_write_them() {
        for (typed, expected) in [
            ("till <num>  of kiosk_<num> opened", "till <*> of <*> opened"),
            ("read /var/kiosk/<num>.db as admin: True", "read <*> as <*>: <*>"),
            ("from <ip>:<num> in <duration>", "from <*> in <*>"),
            ("a <- b <Mill> <", "a <- b <Mill> <"),
        ] {
            assert_eq!(template(typed), expected, "{typed}");
        }
    }
}
