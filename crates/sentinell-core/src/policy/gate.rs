//! The ruling: what the house rules make of one question.

use super::cedar::CedarRules;
use super::{Autonomy, Policy, Question, RuleEffect, Ruling};
use crate::approval::Role;
use crate::time::Timestamp;

/// A deed that was begun lately, as it was written down with its intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastDeed {
    /// When.
    pub at: Timestamp,
    /// Until when it may still be under way.
    pub until: Timestamp,
    /// Its action's kind.
    pub kind: String,
    /// The service it was done to.
    pub service: String,
    /// How many objects it changed.
    pub objects: u32,
}

/// The house rules and what they count, at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Gate<'a> {
    /// The rules.
    pub policy: &'a Policy,
    /// The deeds of at least the last hour, and those under way.
    pub deeds: &'a [PastDeed],
}

impl<'a> From<&'a Policy> for Gate<'a> {
    /// A house in which nothing was done lately.
    fn from(policy: &'a Policy) -> Self {
        Self { policy, deeds: &[] }
    }
}

/// A rule that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Its name.
    pub rule: String,
    /// What it says.
    pub effect: RuleEffect,
    approvals: u32,
    role: Role,
    irreversible: bool,
}

/// A ruling and what led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// What is said.
    pub ruling: Ruling,
    /// How far that part of the house has come.
    pub autonomy: Autonomy,
    /// The freeze that holds, if one does.
    pub freeze: Option<String>,
    /// Every rule that matches, whether it decided or not.
    pub hits: Vec<Hit>,
}

impl Policy {
    /// Judges one question.
    pub fn rule(&self, question: &Question) -> Ruling {
        self.explain(question).ruling
    }

    /// Judges one question and says what led to it.
    pub fn explain(&self, question: &Question) -> Explained {
        let autonomy = self.autonomy_for(question);
        let freeze = self.freezes.iter().find(|freeze| freeze.holds(question) && freeze.effect == RuleEffect::Deny);
        let freeze = freeze.or_else(|| self.freezes.iter().find(|freeze| freeze.holds(question)));
        let question = Question { frozen: question.frozen || freeze.is_some(), ..question.clone() };
        let (hits, error) = match self.hits(&question) {
            Ok(hits) => (hits, None),
            Err(why) => (vec![], Some(why)),
        };
        let ruling = if let Some(switch) = &self.kill_switch {
            Ruling::deny(format!("the kill switch is on, pressed by {} at {}: {}", switch.by, switch.at, switch.why))
        } else if let Some(why) = error {
            Ruling::deny(format!("the rules cannot be judged, and so nothing is done: {why}"))
        } else if let Some(hit) = first(&hits, RuleEffect::Deny) {
            Ruling::deny(format!("rule `{}` forbids it", hit.rule))
        } else if let Some(why) = self.over(&question) {
            Ruling::deny(why)
        } else {
            let freeze = freeze.filter(|_| !question.is_undo);
            match freeze {
                Some(freeze) if freeze.effect == RuleEffect::Deny => {
                    Ruling::deny(format!("the freeze `{}` holds", freeze.name))
                }
                _ => self.stepped(autonomy, freeze.map(|freeze| freeze.name.as_str()), &question, &hits),
            }
        };
        Explained { ruling, autonomy, freeze: freeze.map(|freeze| freeze.name.clone()), hits }
    }

    /// How far the part of the house has come that a question is about.
    pub fn autonomy_for(&self, question: &Question) -> Autonomy {
        self.levels.iter().find(|level| level.matches(question)).map_or(self.autonomy, |level| level.autonomy)
    }

    /// Every rule that matches.
    fn hits(&self, question: &Question) -> Result<Vec<Hit>, String> {
        let plain = self.rules.iter().filter(|rule| rule.matches(question)).map(|rule| Hit {
            rule: rule.name.clone(),
            effect: rule.effect,
            approvals: rule.approvals,
            role: rule.role,
            irreversible: rule.irreversible.contains(&question.kind),
        });
        let mut hits: Vec<Hit> = plain.collect();
        let cedar = CedarRules::read(&self.cedar).map_err(|problems| {
            problems.first().map_or_else(|| "a defect".to_owned(), |problem| problem.why.clone())
        })?;
        for rule in cedar.rules() {
            if rule.matches(question).map_err(|why| format!("rule `{}`: {why}", rule.name))? {
                hits.push(Hit {
                    rule: rule.name.clone(),
                    effect: rule.effect,
                    approvals: rule.approvals,
                    role: rule.role,
                    irreversible: rule.irreversible.contains(&question.kind),
                });
            }
        }
        Ok(hits)
    }

    /// Which limit it would go over. An undo is counted, but never kept back by a rate: a half-changed world is worse.
    fn over(&self, question: &Question) -> Option<String> {
        let (limits, tally) = (&self.limits, &question.tally);
        let rates = [
            (limits.deeds_per_hour, tally.all, "in all".to_owned()),
            (limits.deeds_per_hour_per_service, tally.service, format!("on {}", question.service)),
            (limits.deeds_per_hour_per_kind, tally.kind, format!("of kind {}", question.kind)),
        ];
        let rate = rates.into_iter().find_map(|(limit, done, of)| {
            let limit = limit.filter(|limit| done >= *limit && !question.is_undo)?;
            Some(format!("{done} deeds {of} within the last hour; the limit is {limit}"))
        });
        let objects = question.objects;
        let reach = |limit: Option<u32>, count: u32, of: &str| {
            let limit = limit.filter(|limit| count > *limit)?;
            Some(format!("{count} objects {of}; the limit is {limit}"))
        };
        rate.or_else(|| reach(limits.objects, objects, "would change"))
            .or_else(|| reach(limits.objects_under_way, objects.saturating_add(tally.objects_under_way), "at once"))
    }

    /// What is said by somebody who has come so far, with nothing against it.
    fn stepped(&self, autonomy: Autonomy, freeze: Option<&str>, question: &Question, hits: &[Hit]) -> Ruling {
        let why = match autonomy {
            Autonomy::Observe => return Ruling::deny("autonomy is `observe`: look, never touch"),
            Autonomy::Suggest => return Ruling::deny("autonomy is `suggest`: a person does it"),
            Autonomy::Approve => Some("autonomy is `approve`: a person decides".to_owned()),
            Autonomy::Automatic => None,
        };
        let asked = first(hits, RuleEffect::Ask).map(|hit| format!("rule `{}` asks for a person", hit.rule));
        let frozen = freeze.map(|name| format!("the freeze `{name}` asks for a person"));
        let why = asked.or(frozen).or(why).or_else(|| self.unsure(question, hits));
        match (why, first(hits, RuleEffect::Allow)) {
            (None, Some(hit)) => Ruling::Allow { why: format!("rule `{}` allows it", hit.rule) },
            (why, _) => {
                let asks = || hits.iter().filter(|hit| hit.effect == RuleEffect::Ask);
                Ruling::Ask {
                    why: why.unwrap_or_else(|| "no rule allows it without asking".into()),
                    approvals: asks().map(|hit| hit.approvals).max().unwrap_or(1),
                    role: asks().map(|hit| hit.role).max().unwrap_or(Role::Operator),
                }
            }
        }
    }

    /// Why a person is asked although a rule allows it.
    fn unsure(&self, question: &Question, hits: &[Hit]) -> Option<String> {
        first(hits, RuleEffect::Allow)?;
        if !question.evidence_trusted {
            return Some("all of its evidence could have been written by an outsider".into());
        }
        if let Some(floor) = self.limits.confidence_percent.filter(|floor| question.confidence < *floor) {
            return Some(format!("confidence is {} %, below {floor} %", question.confidence));
        }
        let named = hits.iter().any(|hit| hit.effect == RuleEffect::Allow && hit.irreversible);
        (!question.reversible && !named)
            .then(|| format!("nothing would take `{}` back, and no rule allows that by name", question.kind))
    }
}

fn first(hits: &[Hit], effect: RuleEffect) -> Option<&Hit> {
    hits.iter().find(|hit| hit.effect == effect)
}
