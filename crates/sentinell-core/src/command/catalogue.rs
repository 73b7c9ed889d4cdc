//! The programs that can be used, and which of their calls only read: from their own manuals, in the language of
//! [`super::rules`]. What is not written here is refused, a new option of a new version included.

mod cloud;
mod containers;
mod files;
mod machine;
mod network;

use super::rules::program;

/// The texts, a program each.
fn all() -> impl Iterator<Item = &'static str> {
    [machine::RULES, files::RULES, network::RULES, containers::RULES, cloud::RULES].into_iter().flatten().copied()
}

/// The rules of a program.
pub(super) fn rules_of(name: &str) -> Option<&'static str> {
    all().find(|text| program(text) == name)
}

/// Whether there are rules for a program.
pub fn is_known(name: &str) -> bool {
    rules_of(name).is_some()
}

/// The names of all of them, for people.
pub fn names() -> String {
    let mut names: Vec<&str> = all().map(program).collect();
    names.sort_unstable();
    names.join(", ")
}

#[cfg(test)]
mod tests;
