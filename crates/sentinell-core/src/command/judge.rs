//! From an argument vector to a verdict: only what a form of the program's rules spells out, exactly as its own parser would
//! take it, is a read.

use super::Command;
use super::catalogue;
use super::rules::{Flag, Form, Operand, Rules};
use super::values;

/// Whether an argument vector only reads.
///
/// # Errors
/// A sentence for whoever wrote it: what is refused, and why.
pub fn judge(argv: Vec<String>) -> Result<Command, String> {
    let Some((program, args)) = argv.split_first() else { return Err("the line is empty".to_owned()) };
    let Some(text) = catalogue::rules_of(program) else {
        return Err(format!(
            "`{}` is not a program that can be used here; there are {}",
            shown(program),
            catalogue::names()
        ));
    };
    if let Some(odd) = args.iter().flat_map(|arg| arg.chars()).find(|c| c.is_control()) {
        return Err(format!("an argument holds U+{:04X}", u32::from(odd)));
    }
    let rules = Rules::of(text);
    let mut taken = Taken::default();
    let (forms, rest) = find(&rules, program, args, &mut taken)?;
    let mut why = String::new();
    for form in forms {
        let mut taken = taken.clone();
        match fits(form, program, rest, &mut taken) {
            Ok(()) => {
                let Taken { files, names, .. } = taken;
                return Ok(Command { argv, files, names });
            }
            // The first form is the usual one: what it says is told.
            Err(error) if why.is_empty() => why = error,
            Err(_) => {}
        }
    }
    Err(why)
}

/// What was gathered on the way.
#[derive(Clone, Default)]
struct Taken {
    files: Vec<String>,
    names: Vec<String>,
}

/// The forms whose words are those of the call, and what comes after them.
fn find<'r, 't, 'a>(
    rules: &'r Rules<'t>,
    program: &str,
    args: &'a [String],
    taken: &mut Taken,
) -> Result<(Vec<&'r Form<'t>>, &'a [String]), String> {
    let (mut path, mut at): (Vec<&str>, usize) = (vec![], 0);
    let begins = |path: &[&str]| rules.forms.iter().any(|form| form.begins_with(path));
    loop {
        let exact: Vec<&Form<'_>> =
            rules.forms.iter().filter(|form| form.words.len() == path.len() && form.begins_with(&path)).collect();
        let next = args.get(at).map(String::as_str);
        let longer: Vec<&str> = path.iter().copied().chain(next).collect();
        let goes_on = next.is_some_and(|next| !next.starts_with('-') && begins(&longer));
        if goes_on {
            path = longer;
            at += 1;
            continue;
        }
        if !exact.is_empty() && (!path.is_empty() || !waits(rules, args, at)) {
            return Ok((exact, args.get(at..).unwrap_or_default()));
        }
        match next.filter(|next| next.starts_with('-') && !rules.before.is_empty()) {
            Some(_) => at = option(&rules.before, program, args, at, taken)?.0,
            None => return Err(no_form(rules, program, &path, next)),
        }
    }
}

/// Whether a word that begins a form is still to come, after options that may stand before it.
fn waits(rules: &Rules<'_>, args: &[String], at: usize) -> bool {
    let starts = |arg: &String| rules.forms.iter().any(|form| !form.words.is_empty() && form.begins_with(&[arg]));
    !rules.before.is_empty() && args.iter().skip(at).any(starts)
}

fn no_form(rules: &Rules<'_>, program: &str, path: &[&str], next: Option<&str>) -> String {
    let known: std::collections::BTreeSet<&str> = rules
        .forms
        .iter()
        .filter(|form| form.begins_with(path))
        .filter_map(|form| form.words.get(path.len()))
        .flat_map(|word| word.split('/'))
        .collect();
    let known: Vec<&str> = known.into_iter().take(30).collect();
    let called = [&[program], path].concat().join(" ");
    let next = next.map_or_else(|| "nothing more".to_owned(), |next| format!("`{}`", shown(next)));
    format!("`{called}`: {next} is not among what only reads; there is: {}", known.join(", "))
}

/// Whether the rest of a call is this form's.
fn fits(form: &Form<'_>, program: &str, args: &[String], taken: &mut Taken) -> Result<(), String> {
    let (mut operands, mut given, mut at, mut ended) = (vec![], vec![], 0, false);
    while let Some(arg) = args.get(at) {
        if !ended && arg == "--" {
            ended = true;
            at += 1;
        } else if arg.starts_with('-') && ended {
            return Err(format!("`{}`: an operand that begins with a dash is refused", shown(arg)));
        } else if arg.starts_with('-') && arg != "-" {
            let (next, names) = option(&form.flags, program, args, at, taken)?;
            given.extend(names);
            at = next;
        } else {
            operands.push(arg.as_str());
            at += 1;
        }
    }
    if let Some(flag) =
        form.flags.iter().find(|flag| flag.needed && !flag.names.iter().any(|name| given.contains(name)))
    {
        return Err(format!("{program}: {} is needed here", flag.names.join(" or ")));
    }
    place(&form.operands, program, &operands, taken)
}

/// Reads the option at `at`; answers with where the next argument is, and the names of what was given.
fn option<'f>(
    flags: &'f [Flag<'_>],
    program: &str,
    args: &[String],
    at: usize,
    taken: &mut Taken,
) -> Result<(usize, Vec<&'f str>), String> {
    let arg = args.get(at).map(String::as_str).unwrap_or_default();
    let next = args.get(at + 1).map(String::as_str);
    let (name, attached) = match arg.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (arg, None),
    };
    if let Some((flag, name)) = named(flags, name) {
        let used = value_of(flag, program, name, attached, next, taken)?;
        return Ok((at + 1 + usize::from(used), vec![name]));
    }
    let unknown = || Err(format!("{program}: the option `{}` is not among those that only read", shown(arg)));
    if arg.starts_with("--") {
        return unknown();
    }
    let number = (2..=8).contains(&arg.len()) && arg.bytes().skip(1).all(|byte| byte.is_ascii_digit());
    if let Some((_, name)) = named(flags, "-#").filter(|_| number) {
        return Ok((at + 1, vec![name]));
    }
    // Letters together, the last of which may take the rest: -tlnp, -n20.
    let mut given = vec![];
    let letters: Vec<(usize, char)> = arg.char_indices().skip(1).collect();
    for (offset, letter) in letters {
        let Some((flag, name)) = named(flags, &format!("-{letter}")) else { return unknown() };
        given.push(name);
        let rest = arg.get(offset + letter.len_utf8()..).filter(|rest| !rest.is_empty());
        if flag.takes.is_some() {
            let used = value_of(flag, program, name, rest, next, taken)?;
            return Ok((at + 1 + usize::from(used), given));
        }
    }
    Ok((at + 1, given))
}

fn named<'f>(flags: &'f [Flag<'_>], wanted: &str) -> Option<(&'f Flag<'f>, &'f str)> {
    flags.iter().find_map(|flag| Some((flag, *flag.names.iter().find(|name| **name == wanted)?)))
}

/// Judges what an option takes; whether that is the next argument.
fn value_of(
    flag: &Flag<'_>,
    program: &str,
    name: &str,
    attached: Option<&str>,
    next: Option<&str>,
    taken: &mut Taken,
) -> Result<bool, String> {
    let Some((kind, only_attached)) = flag.takes else {
        return match attached {
            None | Some("true" | "false") => Ok(false),
            Some(value) => Err(format!("{program}: {name} takes no value, and is given `{}`", shown(value))),
        };
    };
    let value = match attached {
        Some(value) => value,
        None if only_attached => return Ok(false),
        None => next.ok_or_else(|| format!("{program}: {name} needs a value"))?,
    };
    check(kind, value, taken).map_err(|why| format!("{program}: {name}: {why}"))?;
    Ok(attached.is_none())
}

fn check(kind: &str, value: &str, taken: &mut Taken) -> Result<(), String> {
    let what = values::check(kind, value)?;
    match what {
        values::What::Value => {}
        values::What::File => taken.files.push(value.to_owned()),
        values::What::Name => taken.names.push(value.to_owned()),
    }
    Ok(())
}

/// Puts operands into their places: each kind takes as many as it must, the first that may take more takes the rest.
fn place(wanted: &[Operand<'_>], program: &str, operands: &[&str], taken: &mut Taken) -> Result<(), String> {
    let least: usize = wanted.iter().map(|one| one.least).sum();
    let Some(mut spare) = operands.len().checked_sub(least) else {
        let kinds: Vec<&str> = wanted.iter().map(|one| one.kind).collect();
        return Err(format!("{program}: something is missing after the options: {}", kinds.join(" ").to_lowercase()));
    };
    let mut rest = operands.iter();
    for one in wanted {
        let more = spare.min(one.most - one.least);
        spare -= more;
        for operand in rest.by_ref().take(one.least + more) {
            check(one.kind, operand, taken).map_err(|why| format!("{program}: {why}"))?;
        }
    }
    match rest.next() {
        Some(odd) => Err(format!("{program}: `{}` is one word too many for a read", shown(odd))),
        None => Ok(()),
    }
}

/// A word in a sentence.
fn shown(word: &str) -> String {
    word.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
