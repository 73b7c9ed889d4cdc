//! Rules in Cedar: read, held to a schema and to their own examples, and asked one by one.
//!
//! Cedar skips a rule that errs, so that a broken `forbid` would fail open. Here each rule is asked by itself and any error
//! is told to the gate, which denies.

use super::question::Question;
use super::{Problem, RuleEffect};
use crate::approval::Role;
use cedar_policy::{
    Authorizer, Context, Effect, Entities, EntityId, EntityTypeName, EntityUid, Policy, PolicySet, Request, Schema,
    ValidationMode, Validator,
};
use miette::Diagnostic;
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::str::FromStr;

/// The longest text of rules, bytes.
pub const LONGEST: usize = 256 << 10;
/// Rules in one text, at most.
pub const MOST_RULES: usize = 1000;
/// People that one rule may ask for.
pub const MOST_APPROVALS: u32 = 5;
/// Annotations that mean something here; others are refused, so that a misspelt one is not a missing one.
const ANNOTATIONS: [&str; 8] = ["id", "effect", "match", "no_match", "approvals", "role", "irreversible", "why"];

/// Every kind that a rule or a question names becomes an action, in the group that its first word names.
const SCHEMA: &str = "\
entity Agent;
entity Target = { path: String, namespace: String, service: String, environment: String };
type Facts = {
    kind: String, reversible: Bool, is_undo: Bool, objects: Long, objects_under_way: Long, confidence: Long,
    evidence_trusted: Bool, hour: Long, weekday: String, frozen: Bool,
    deeds_last_hour: Long, deeds_last_hour_service: Long, deeds_last_hour_kind: Long
};
";

/// One rule, ready to be asked.
#[derive(Debug)]
pub struct CedarRule {
    /// Its `@id`.
    pub name: String,
    /// `permit` allows (or asks, with `@effect("ask")`), `forbid` denies.
    pub effect: RuleEffect,
    /// How many people have to approve, if it asks.
    pub approvals: u32,
    /// The role that they need, if it asks.
    pub role: Role,
    /// Kinds that it allows although nothing takes them back.
    pub irreversible: Vec<String>,
    /// Its own examples, read: those that it has to match, and those that it must not.
    pub examples: Vec<(bool, String, Question)>,
    alone: PolicySet,
}

/// The rules of one text, in its order.
#[derive(Debug, Default)]
pub struct CedarRules {
    rules: Vec<CedarRule>,
}

impl CedarRules {
    /// Reads rules and holds them to the schema and to their examples.
    ///
    /// # Errors
    /// Everything that is wrong with them, with line and column where it is known.
    pub fn read(text: &str) -> Result<Self, Vec<Problem>> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        if text.len() > LONGEST {
            return Err(vec![problem(format!("more than {LONGEST} bytes"))]);
        }
        let set = PolicySet::from_str(text)
            .map_err(|errors| errors.iter().map(|error| located(text, error)).collect::<Vec<_>>())?;
        if set.templates().next().is_some() {
            return Err(vec![problem("templates (`?principal`, `?resource`) are not used here".into())]);
        }
        let mut policies: Vec<&Policy> = set.policies().collect();
        // They are numbered in the order of the text.
        policies.sort_by_key(|policy| {
            let id: &str = policy.id().as_ref();
            id.trim_start_matches("policy").parse::<usize>().unwrap_or(usize::MAX)
        });
        if policies.len() > MOST_RULES {
            return Err(vec![problem(format!("more than {MOST_RULES} rules"))]);
        }
        validated(text, &set, &policies)?;
        let (mut rules, mut problems, mut names) = (vec![], vec![], BTreeSet::new());
        for (index, policy) in policies.into_iter().enumerate() {
            match CedarRule::read(policy) {
                Ok(rule) if !names.insert(rule.name.clone()) => {
                    problems.push(problem(format!("two rules have the id `{}`; rulings name their rule", rule.name)));
                }
                Ok(rule) => rules.push(rule),
                Err(why) => problems.push(about(text, policy, index, &why)),
            }
        }
        for rule in &rules {
            problems.extend(rule.fails().into_iter().map(|why| named(text, &rule.name, &why)));
        }
        if problems.is_empty() { Ok(Self { rules }) } else { Err(problems) }
    }

    /// The rules.
    pub fn rules(&self) -> &[CedarRule] {
        &self.rules
    }
}

impl CedarRule {
    fn read(policy: &Policy) -> Result<Self, String> {
        let said = |name: &str| policy.annotation(name).map(str::trim).filter(|text| !text.is_empty());
        if let Some((unknown, _)) = policy.annotations().find(|(name, _)| !ANNOTATIONS.contains(name)) {
            return Err(format!("there is no annotation @{unknown}; there are {}", ANNOTATIONS.join(", ")));
        }
        let name =
            said("id").filter(|name| name.len() <= 200).ok_or("it needs an @id(\"…\"): rulings name their rule")?;
        let effect = match (policy.effect(), said("effect")) {
            (Effect::Permit, None | Some("allow")) => RuleEffect::Allow,
            (Effect::Permit, Some("ask")) => RuleEffect::Ask,
            (Effect::Forbid, None | Some("deny")) => RuleEffect::Deny,
            _ => return Err("@effect is \"allow\" or \"ask\" on a permit, \"deny\" on a forbid".into()),
        };
        let approvals = match said("approvals") {
            None => 1,
            Some(text) => text
                .parse()
                .ok()
                .filter(|count| (1..=MOST_APPROVALS).contains(count))
                .ok_or_else(|| format!("@approvals is \"1\" to \"{MOST_APPROVALS}\""))?,
        };
        let role = match said("role") {
            None | Some("operator") => Role::Operator,
            Some("admin") => Role::Admin,
            Some(_) => return Err("@role is \"operator\" or \"admin\"".into()),
        };
        if effect != RuleEffect::Ask && (said("approvals").is_some() || said("role").is_some()) {
            return Err("@approvals and @role belong to a rule with @effect(\"ask\")".into());
        }
        let irreversible: Vec<String> =
            said("irreversible").into_iter().flat_map(str::split_whitespace).map(str::to_owned).collect();
        if !irreversible.is_empty() && effect != RuleEffect::Allow {
            return Err("@irreversible belongs to a rule that allows".into());
        }
        let examples = examples(said("match"), said("no_match"))?;
        let alone = PolicySet::from_policies([policy.clone()]).map_err(|error| error.to_string())?;
        Ok(Self { name: name.to_owned(), effect, approvals, role, irreversible, examples, alone })
    }

    /// Whether it matches.
    ///
    /// # Errors
    /// Why it could not be told.
    pub fn matches(&self, question: &Question) -> Result<bool, String> {
        let (request, entities) = asked(question)?;
        let response = Authorizer::new().is_authorized(&request, &self.alone, &entities);
        if let Some(error) = response.diagnostics().errors().next() {
            return Err(one_line(&error.to_string()));
        }
        Ok(response.diagnostics().reason().next().is_some())
    }

    /// The examples that it does not live up to.
    fn fails(&self) -> Vec<String> {
        let fail = |(wanted, text, question): &(bool, String, Question)| match self.matches(question) {
            Ok(matched) if matched == *wanted => None,
            Ok(true) => Some(format!("it matches its @no_match example `{text}`")),
            Ok(false) => Some(format!("it does not match its @match example `{text}`")),
            Err(why) => Some(format!("its example `{text}` cannot be judged: {why}")),
        };
        self.examples.iter().filter_map(fail).collect()
    }
}

/// Examples are parted by `;`. Those that must not match say what is different from the first one that must.
fn examples(matches: Option<&str>, others: Option<&str>) -> Result<Vec<(bool, String, Question)>, String> {
    let split = |text: Option<&str>| -> Vec<String> {
        let texts = text.unwrap_or_default().split(';').map(str::trim).filter(|text| !text.is_empty());
        texts.map(str::to_owned).collect()
    };
    let (matches, others) = (split(matches), split(others));
    if matches.is_empty() || others.is_empty() {
        return Err("it needs @match(\"…\") and @no_match(\"…\"): an example of each, such as \
                    \"kind=kubernetes.rollout_restart, environment=staging\""
            .into());
    }
    let mut read = vec![];
    for text in matches {
        let question = Question::read(&text, &Question::default()).map_err(|why| format!("@match: {why}"))?;
        read.push((true, text, question));
    }
    let base = read.first().map(|(_, _, question)| question.clone()).unwrap_or_default();
    for text in others {
        let question = Question::read(&text, &base).map_err(|why| format!("@no_match: {why}"))?;
        read.push((false, text, question));
    }
    Ok(read)
}

/// A question as Cedar takes it.
fn asked(question: &Question) -> Result<(Request, Entities), String> {
    let wrong = |what: &str, error: &dyn std::fmt::Display| format!("the {what}: {}", one_line(&error.to_string()));
    let (agent, action, target) =
        (uid("Agent", "sentinell")?, uid("Action", &question.kind)?, uid("Target", &question.target)?);
    let mut entities = vec![
        json!({"uid": {"type": "Agent", "id": "sentinell"}, "attrs": {}, "parents": []}),
        json!({"uid": {"type": "Target", "id": question.target}, "attrs": question.resource(), "parents": []}),
    ];
    let group = group(&question.kind);
    let parents = group.map(|group| json!({"type": "Action", "id": group}));
    let parents: Vec<_> = parents.into_iter().collect();
    entities.push(json!({"uid": {"type": "Action", "id": question.kind}, "attrs": {}, "parents": parents}));
    if let Some(group) = group {
        entities.push(json!({"uid": {"type": "Action", "id": group}, "attrs": {}, "parents": []}));
    }
    let entities = Entities::from_json_value(entities.into(), None).map_err(|error| wrong("action", &error))?;
    let context = Context::from_json_value(question.context(), None).map_err(|error| wrong("context", &error))?;
    let request = Request::new(agent, action, target, context, None).map_err(|error| wrong("question", &error))?;
    Ok((request, entities))
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, String> {
    let name = EntityTypeName::from_str(kind).map_err(|error| one_line(&error.to_string()))?;
    Ok(EntityUid::from_type_name_and_id(name, EntityId::new(id)))
}

/// `kubernetes` for `kubernetes.rollout_undo`.
fn group(kind: &str) -> Option<&str> {
    kind.split_once('.').map(|(group, _)| group)
}

/// Holds the rules to the schema, with every kind that they name as an action.
fn validated(text: &str, set: &PolicySet, policies: &[&Policy]) -> Result<(), Vec<Problem>> {
    let mut kinds = BTreeSet::from(["kubernetes.rollout_undo".to_owned()]);
    for uid in policies.iter().flat_map(|policy| policy.entity_literals()) {
        if uid.type_name().to_string() == "Action" {
            kinds.insert(uid.id().unescaped().to_owned());
        }
    }
    let odd = |kind: &&String| kind.is_empty() || !kind.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if let Some(odd) = kinds.iter().find(odd) {
        return Err(vec![problem(format!("no kind of action is called {odd:?}"))]);
    }
    let groups: BTreeSet<String> = kinds.iter().filter_map(|kind| group(kind)).map(str::to_owned).collect();
    let mut schema = SCHEMA.to_owned();
    for name in kinds.union(&groups) {
        // Writing to a text does not fail.
        let _ = match group(name) {
            Some(group) => write!(schema, "action \"{name}\" in [Action::\"{group}\"] "),
            None => write!(schema, "action \"{name}\" "),
        };
        schema.push_str("appliesTo { principal: Agent, resource: Target, context: Facts };\n");
    }
    let schema = match Schema::from_cedarschema_str(&schema) {
        Ok((schema, _)) => schema,
        Err(error) => return Err(vec![problem(format!("a defect, the schema: {}", one_line(&error.to_string())))]),
    };
    let result = Validator::new(schema).validate(set, ValidationMode::Strict);
    let problems: Vec<Problem> = result.validation_errors().map(|error| located(text, error)).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn problem(why: String) -> Problem {
    Problem { pointer: "/cedar".into(), why }
}

/// A complaint of Cedar's, at its place in the text.
fn located<E: Diagnostic>(text: &str, error: &E) -> Problem {
    let offset = error.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
    let said = one_line(&error.to_string());
    let help = error.help().map(|help| format!(" ({})", one_line(&help.to_string()))).unwrap_or_default();
    problem(match offset {
        Some(offset) => format!("{}: {said}{help}", place(text, offset)),
        None => format!("{said}{help}"),
    })
}

/// A complaint about one rule, by its id or its number.
fn about(text: &str, policy: &Policy, index: usize, why: &str) -> Problem {
    match policy.annotation("id") {
        Some(name) if !name.is_empty() => named(text, name, why),
        _ => problem(format!("rule number {}: {why}", index + 1)),
    }
}

/// A complaint about the rule with this id, at the line that names it.
fn named(text: &str, name: &str, why: &str) -> Problem {
    let at = text.find(&format!("@id(\"{name}\")")).map(|offset| format!("{}: ", place(text, offset)));
    problem(format!("{}rule `{name}`: {why}", at.unwrap_or_default()))
}

/// Line and column of a byte of the text, both from 1; columns are characters.
fn place(text: &str, offset: usize) -> String {
    let before = text.get(..offset.min(text.len())).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(400).collect()
}
