//! Whether a policy can be put into force: everything that is wrong with it at once, each with its place.

use super::cedar::{CedarRules, MOST_APPROVALS};
use super::{Autonomy, Policy, Rule, RuleEffect};
use crate::approval::Role;
use std::collections::BTreeSet;
use std::fmt;

/// Something that keeps a policy from being put into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// JSON pointer into the policy.
    pub pointer: String,
    /// What is wrong, and what was expected.
    pub why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer.trim_start_matches('/').replace('/', "."), self.why)
    }
}

/// Plain rules, levels and freezes of one policy, at most each.
const MOST: usize = 1000;

impl Policy {
    /// Everything that is wrong with it.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = vec![];
        let mut wrong = |pointer: &str, why: String| problems.push(Problem { pointer: pointer.into(), why });
        for (name, count) in
            [("rules", self.rules.len()), ("levels", self.levels.len()), ("freezes", self.freezes.len())]
        {
            if count > MOST {
                wrong(&format!("/{name}"), format!("at most {MOST}"));
            }
        }
        let mut names = BTreeSet::new();
        for (index, rule) in self.rules.iter().enumerate() {
            if let Err(why) = rule.check() {
                wrong(&format!("/rules/{index}"), why);
            }
            if rule.name.trim().is_empty() || rule.name.len() > 200 || !names.insert(rule.name.as_str()) {
                let why = format!("`{}` is empty, too long or used twice; rulings name their rule", rule.name);
                wrong(&format!("/rules/{index}/name"), why);
            }
        }
        for (index, freeze) in self.freezes.iter().enumerate() {
            if freeze.name.trim().is_empty() || freeze.name.len() > 200 {
                wrong(&format!("/freezes/{index}/name"), "missing; rulings name their freeze".into());
            }
            if let Err(why) = freeze.check() {
                wrong(&format!("/freezes/{index}"), why);
            }
        }
        if self.limits.confidence_percent.is_some_and(|percent| percent > 100) {
            wrong("/limits/confidence_percent", "0 to 100".into());
        }
        match CedarRules::read(&self.cedar) {
            Ok(cedar) => {
                for rule in cedar.rules().iter().filter(|rule| names.contains(rule.name.as_str())) {
                    wrong("/cedar", format!("a plain rule has the id `{}` too; rulings name their rule", rule.name));
                }
                let allows = self.rules.iter().any(|rule| rule.effect == RuleEffect::Allow)
                    || cedar.rules().iter().any(|rule| rule.effect == RuleEffect::Allow);
                if self.is_automatic_somewhere() && !allows {
                    let why = "`automatic` needs rules that say what may be done without asking; add some that allow, \
                               or use `approve`";
                    wrong("/autonomy", why.into());
                }
            }
            Err(wrongs) => problems.extend(wrongs),
        }
        problems
    }

    fn is_automatic_somewhere(&self) -> bool {
        self.autonomy == Autonomy::Automatic || self.levels.iter().any(|level| level.autonomy == Autonomy::Automatic)
    }
}

impl Rule {
    fn check(&self) -> Result<(), String> {
        let asks = self.approvals != 1 || self.role != Role::Operator;
        if asks && self.effect != RuleEffect::Ask {
            return Err("approvals and role belong to a rule whose effect is ask".into());
        }
        if !(1..=MOST_APPROVALS).contains(&self.approvals) {
            return Err(format!("approvals: 1 to {MOST_APPROVALS}"));
        }
        if !matches!(self.role, Role::Operator | Role::Admin) {
            return Err("role: operator or admin".into());
        }
        if !self.irreversible.is_empty() && self.effect != RuleEffect::Allow {
            return Err("irreversible belongs to a rule that allows".into());
        }
        match self.irreversible.iter().find(|kind| kind.contains('*')) {
            Some(kind) => Err(format!("irreversible: `{kind}` is a pattern; name each kind in full")),
            None => Ok(()),
        }
    }
}
