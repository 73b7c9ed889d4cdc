//! The gate: whether a proposed action may be done. Pure data, judged by a pure function, outside any model.

use crate::action::Action;
use crate::time::Timestamp;
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

/// One rule. Empty lists match everything; patterns may end in `*`.
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
    /// How much the agent may do by itself.
    pub autonomy: Autonomy,
    /// Set: nothing is done, whatever was approved.
    pub kill_switch: Option<KillSwitch>,
    /// Rules; deny beats ask beats allow.
    pub rules: Vec<Rule>,
    /// How long an approval may be given, seconds.
    pub approval_seconds: u32,
    /// How long a deed may take from its intent to its end, seconds.
    pub deed_seconds: u32,
    /// What one incident may cost.
    pub budget: Budget,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            autonomy: Autonomy::Observe,
            kill_switch: None,
            rules: vec![],
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
    /// A person must approve exactly this.
    Ask {
        /// By which rule.
        why: String,
    },
    /// May not be done.
    Deny {
        /// By which rule.
        why: String,
    },
}

impl Policy {
    /// Judges one action. `trusted` says whether some of its evidence comes from a source that an outsider cannot write.
    pub fn rule(&self, action: &Action, trusted: bool) -> Ruling {
        if let Some(switch) = &self.kill_switch {
            let why = format!("the kill switch is on, pressed by {} at {}: {}", switch.by, switch.at, switch.why);
            return Ruling::Deny { why };
        }
        if let Some(rule) = self.first(RuleEffect::Deny, action) {
            return Ruling::Deny { why: format!("rule `{}` forbids it", rule.name) };
        }
        match self.autonomy {
            Autonomy::Observe => Ruling::Deny { why: "autonomy is `observe`: look, never touch".into() },
            Autonomy::Suggest => Ruling::Deny { why: "autonomy is `suggest`: a person does it".into() },
            Autonomy::Approve => Ruling::Ask { why: "autonomy is `approve`: a person decides".into() },
            Autonomy::Automatic => self.automatic(action, trusted),
        }
    }

    fn automatic(&self, action: &Action, trusted: bool) -> Ruling {
        if let Some(rule) = self.first(RuleEffect::Ask, action) {
            return Ruling::Ask { why: format!("rule `{}` asks for a person", rule.name) };
        }
        match self.first(RuleEffect::Allow, action) {
            Some(_) if !trusted => {
                Ruling::Ask { why: "all of its evidence could have been written by an outsider".into() }
            }
            Some(rule) => Ruling::Allow { why: format!("rule `{}` allows it", rule.name) },
            None => Ruling::Ask { why: "no rule allows it without asking".into() },
        }
    }

    fn first(&self, effect: RuleEffect, action: &Action) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.effect == effect && rule.matches(action))
    }
}

impl Rule {
    fn matches(&self, action: &Action) -> bool {
        let fits =
            |patterns: &[String], text: &str| patterns.is_empty() || patterns.iter().any(|pattern| glob(pattern, text));
        fits(&self.kinds, &action.kind)
            && fits(&self.targets, &action.target)
            && fits(&self.environments, &action.plan.environment)
    }
}

/// `*` at the end matches any rest; everything else is literal.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => text.starts_with(prefix),
        None => pattern == text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::tests::rollback;

    fn verdict(policy: &Policy, trusted: bool) -> &'static str {
        match policy.rule(&rollback("i1"), trusted) {
            Ruling::Allow { .. } => "allow",
            Ruling::Ask { .. } => "ask",
            Ruling::Deny { .. } => "deny",
        }
    }

    fn rule(effect: RuleEffect, kind: &str) -> Rule {
        Rule { name: "r".into(), effect, kinds: vec![kind.into()], targets: vec![], environments: vec![] }
    }

    #[test]
    fn autonomy_is_earned_in_steps_and_deny_beats_ask_beats_allow() {
        let with = |autonomy, rules: &[Rule]| Policy { autonomy, rules: rules.to_vec(), ..Policy::default() };
        let allow = rule(RuleEffect::Allow, "kubernetes.*");
        assert_eq!(verdict(&Policy::default(), true), "deny");
        assert_eq!(verdict(&with(Autonomy::Suggest, std::slice::from_ref(&allow)), true), "deny");
        assert_eq!(verdict(&with(Autonomy::Approve, std::slice::from_ref(&allow)), true), "ask");
        assert_eq!(verdict(&with(Autonomy::Automatic, &[]), true), "ask");
        assert_eq!(verdict(&with(Autonomy::Automatic, std::slice::from_ref(&allow)), true), "allow");
        assert_eq!(verdict(&with(Autonomy::Automatic, std::slice::from_ref(&allow)), false), "ask");
        let ask = rule(RuleEffect::Ask, "kubernetes.rollout_undo");
        assert_eq!(verdict(&with(Autonomy::Automatic, &[allow.clone(), ask.clone()]), true), "ask");
        let deny = rule(RuleEffect::Deny, "*");
        assert_eq!(verdict(&with(Autonomy::Automatic, &[allow, ask, deny]), true), "deny");
    }

    #[test]
    fn the_kill_switch_beats_everything() {
        let switch = KillSwitch { by: "ann".into(), why: "freeze".into(), at: Timestamp(0) };
        let rules = vec![rule(RuleEffect::Allow, "*")];
        let policy = Policy { autonomy: Autonomy::Automatic, rules, kill_switch: Some(switch), ..Policy::default() };
        assert_eq!(verdict(&policy, true), "deny");
    }
}
