//! The house rules: `autonomy` and `[policy]`.

use sentinell_core::policy::cedar::LONGEST;
use sentinell_core::policy::freeze::Freeze;
use sentinell_core::policy::{Autonomy, Budget, Level, Limits, Policy, Rule};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// `[policy]` as it was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawPolicy {
    pub approval_seconds: Option<u32>,
    pub deed_seconds: Option<u32>,
    pub file: Option<PathBuf>,
    pub rules: Vec<Rule>,
    pub levels: Vec<Level>,
    pub limits: Limits,
    pub freezes: Vec<Freeze>,
}

pub(super) fn check(
    raw: &RawPolicy,
    autonomy: Autonomy,
    budget: Budget,
    base: &Path,
    problems: &mut Vec<String>,
) -> Policy {
    let defaults = Policy::default();
    let mut between = |name: &str, value: u32, low: u32, high: u32| {
        if !(low..=high).contains(&value) {
            problems.push(format!("policy.{name}: {value} is out of range; {low} to {high}"));
        }
        value
    };
    let approval = raw.approval_seconds.unwrap_or(defaults.approval_seconds);
    let deed = raw.deed_seconds.unwrap_or(defaults.deed_seconds);
    let (approval_seconds, deed_seconds) =
        (between("approval_seconds", approval, 10, 604_800), between("deed_seconds", deed, 5, 3600));
    if budget.turns < 2 {
        problems.push("budget.turns: at least 2; the last turn is spent on a conclusion".into());
    }
    let file = raw.file.as_ref().map(|file| base.join(file));
    let cedar = file.as_deref().map(read).unwrap_or(Ok(String::new())).unwrap_or_else(|why| {
        problems.push(format!("policy.file: {why}"));
        String::new()
    });
    let policy = Policy {
        autonomy,
        levels: raw.levels.clone(),
        kill_switch: None,
        rules: raw.rules.clone(),
        cedar,
        limits: raw.limits,
        freezes: raw.freezes.clone(),
        approval_seconds,
        deed_seconds,
        budget,
    };
    for problem in policy.problems() {
        problems.push(match (problem.pointer.as_str(), &file) {
            ("/cedar", Some(file)) => format!("{}: {}", file.display(), problem.why),
            ("/autonomy", _) => problem.to_string(),
            _ => format!("policy.{problem}"),
        });
    }
    policy
}

/// A file of rules in Cedar.
///
/// # Errors
/// Why it cannot be read.
pub fn read(file: &Path) -> Result<String, String> {
    let length = std::fs::metadata(file).map_err(|error| format!("{}: {error}", file.display()))?.len();
    if length > LONGEST as u64 {
        return Err(format!("{}: more than {LONGEST} bytes", file.display()));
    }
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}
