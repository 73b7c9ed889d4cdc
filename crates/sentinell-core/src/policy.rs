//! The gate: whether a proposed action may be done. Pure data, judged by a pure function, outside any model.
//!
//! Kill switch, autonomy, freezes, limits and the trust of evidence are ours and stand in [`gate`]; rules are plain ones
//! ([`Rule`]) or written in Cedar ([`cedar`]). Deny beats ask beats allow, and whatever cannot be judged is denied.

pub mod cedar;
mod check;
pub mod freeze;
pub mod gate;
pub mod question;
#[cfg(test)]
mod tests;

pub use check::Problem;
pub use gate::{Explained, Gate, Hit, PastDeed};
pub use question::{Question, Tally};

use crate::approval::Role;
use crate::time::Timestamp;
use freeze::Freeze;
use serde::{Deserialize, Serialize};

/// How much the agent may do by itself. Read-only is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Autonomy {
    /// Look, never touch.
    #[default]
    Observe,
    /// Say what one would do.
    Suggest,
    /// Do it when a person has approved exactly that.
    Approve,
    /// Do what an allow rule names without asking; ask for the rest.
    Automatic,
}

/// What a rule says about the actions it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleEffect {
    /// May be done without asking (only under [`Autonomy::Automatic`]).
    Allow,
    /// Needs a person.
    Ask,
    /// Never.
    Deny,
}

/// One plain rule. Empty lists match everything; patterns may end in `*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Named in the ruling.
    pub name: String,
    /// What it says.
    pub effect: RuleEffect,
    /// Action kinds (`kubernetes.*`).
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Targets (`deployment/shop/*`).
    #[serde(default)]
    pub targets: Vec<String>,
    /// Environments.
    #[serde(default)]
    pub environments: Vec<String>,
    /// Of a rule that asks: how many different people have to approve.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub approvals: u32,
    /// Of a rule that asks: the role that each of them needs at least.
    #[serde(default = "operator", skip_serializing_if = "is_operator")]
    pub role: Role,
    /// Of a rule that allows: kinds that it means although nothing takes them back, by their full names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub irreversible: Vec<String>,
}

fn is_one(count: &u32) -> bool {
    *count == 1
}

fn one() -> u32 {
    1
}

/// The role that approves where nothing else is said.
pub(crate) fn operator() -> Role {
    Role::Operator
}

pub(crate) fn is_operator(role: &Role) -> bool {
    *role == Role::Operator
}

/// How far a part of the house has come: observe, suggest, approve, automatic. Empty lists match everything; patterns may
/// end in `*`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// How much may be done by itself there.
    pub autonomy: Autonomy,
    /// Services, as targets name them (`shop/cart`; `worker-1` for `node/worker-1`).
    #[serde(default)]
    pub services: Vec<String>,
    /// Environments.
    #[serde(default)]
    pub environments: Vec<String>,
    /// Action kinds.
    #[serde(default)]
    pub kinds: Vec<String>,
}

/// How much at once. What is over a limit is denied; none: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Deeds within an hour, in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deeds_per_hour: Option<u32>,
    /// Deeds within an hour on one service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deeds_per_hour_per_service: Option<u32>,
    /// Deeds within an hour of one kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deeds_per_hour_per_kind: Option<u32>,
    /// Objects that one deed may change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<u32>,
    /// Objects that all deeds under way at one moment may change, together with the one that is judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects_under_way: Option<u32>,
    /// Below this confidence in the cause, in percent, a person is asked even where a rule allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence_percent: Option<u8>,
}

/// Somebody stopped everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillSwitch {
    /// Who pressed it.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// What one incident may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// Turns of the reasoner; the last one is spent on a conclusion.
    pub turns: u32,
    /// Model tokens, in and out.
    pub tokens: u64,
    /// Money, millionths of a US dollar.
    pub micro_usd: u64,
    /// Minutes from opening (or the last retry) until no new turn begins.
    pub minutes: u32,
    /// Deeds, undos included.
    pub deeds: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { turns: 12, tokens: 400_000, micro_usd: 2_000_000, minutes: 120, deeds: 4 }
    }
}

/// The house rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// How much the agent may do by itself where no level says otherwise.
    pub autonomy: Autonomy,
    /// How far parts of the house have come; the first that fits counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<Level>,
    /// Set: nothing is done, whatever was approved.
    pub kill_switch: Option<KillSwitch>,
    /// Plain rules; deny beats ask beats allow.
    pub rules: Vec<Rule>,
    /// Rules in Cedar, beside the plain ones.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cedar: String,
    /// How much at once.
    #[serde(skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// When nothing is done, or nothing without a person.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<Freeze>,
    /// How long an approval may be given, seconds.
    pub approval_seconds: u32,
    /// How long a deed may take from its intent to its end, seconds.
    pub deed_seconds: u32,
    /// What one incident may cost.
    pub budget: Budget,
}

fn is_default(limits: &Limits) -> bool {
    *limits == Limits::default()
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            autonomy: Autonomy::Observe,
            levels: vec![],
            kill_switch: None,
            rules: vec![],
            cedar: String::new(),
            limits: Limits::default(),
            freezes: vec![],
            approval_seconds: 1800,
            deed_seconds: 60,
            budget: Budget::default(),
        }
    }
}

/// What the policy says about one action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Ruling {
    /// May be done.
    Allow {
        /// By which rule.
        why: String,
    },
    /// People must approve exactly this.
    Ask {
        /// By which rule.
        why: String,
        /// How many different people.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        approvals: u32,
        /// The role that each of them needs at least.
        #[serde(default = "operator", skip_serializing_if = "is_operator")]
        role: Role,
    },
    /// May not be done.
    Deny {
        /// By which rule.
        why: String,
    },
}

impl Ruling {
    /// One person with the role operator is asked.
    pub fn ask(why: impl Into<String>) -> Self {
        Self::Ask { why: why.into(), approvals: 1, role: Role::Operator }
    }

    /// Never.
    pub fn deny(why: impl Into<String>) -> Self {
        Self::Deny { why: why.into() }
    }
}

impl Rule {
    /// A rule about everything.
    pub fn new(name: &str, effect: RuleEffect) -> Self {
        let (kinds, targets, environments, irreversible) = (vec![], vec![], vec![], vec![]);
        Self { name: name.into(), effect, kinds, targets, environments, approvals: 1, role: operator(), irreversible }
    }

    fn matches(&self, question: &Question) -> bool {
        fits(&self.kinds, &question.kind)
            && fits(&self.targets, &question.target)
            && fits(&self.environments, &question.environment)
    }
}

impl Level {
    fn matches(&self, question: &Question) -> bool {
        fits(&self.services, &question.service)
            && fits(&self.environments, &question.environment)
            && fits(&self.kinds, &question.kind)
    }
}

/// Whether one of the patterns matches; no patterns match everything.
fn fits(patterns: &[String], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| glob(pattern, text))
}

/// `*` at the end matches any rest; everything else is literal.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => text.starts_with(prefix),
        None => pattern == text,
    }
}
