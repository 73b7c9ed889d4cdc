//! The gate, as an operator would put it to the test.

use super::freeze::Freeze;
use super::*;
use crate::action::tests::rollback;
use crate::action::{Action, Deed};
use proptest::prelude::*;

fn reversible() -> Action {
    let mut action = rollback("i1");
    action.plan.undo = Some(Deed::Argv(vec!["kubectl".into(), "redo".into()]));
    action
}

fn about(action: &Action, deeds: &[PastDeed]) -> Question {
    Question::about(action, 0.9, true, deeds, Timestamp(1_767_787_200_000))
}

fn word(ruling: &Ruling) -> &'static str {
    match ruling {
        Ruling::Allow { .. } => "allow",
        Ruling::Ask { .. } => "ask",
        Ruling::Deny { .. } => "deny",
    }
}

fn verdict(policy: &Policy, trusted: bool) -> &'static str {
    word(&policy.rule(&Question { evidence_trusted: trusted, ..about(&reversible(), &[]) }))
}

fn rule(effect: RuleEffect, kind: &str) -> Rule {
    Rule { kinds: vec![kind.into()], ..Rule::new(&format!("{effect:?} {kind}"), effect) }
}

fn automatic(rules: &[Rule], cedar: &str) -> Policy {
    Policy { autonomy: Autonomy::Automatic, rules: rules.to_vec(), cedar: cedar.into(), ..Policy::default() }
}

fn why(ruling: &Ruling) -> &str {
    let (Ruling::Allow { why } | Ruling::Ask { why, .. } | Ruling::Deny { why }) = ruling;
    why
}

const RESTARTS: &str = r#"
@id("restarts in staging")
@match("kind=kubernetes.rollout_restart, environment=staging")
@no_match("environment=production; kind=kubernetes.scale")
permit (principal, action == Action::"kubernetes.rollout_restart", resource)
when { resource.environment == "staging" };

@id("two people for the database")
@effect("ask") @approvals("2") @role("admin")
@match("target=deployment/shop/database")
@no_match("target=deployment/shop/cart")
permit (principal, action in Action::"kubernetes", resource)
when { resource.service like "*/database" };

@id("nothing at night")
@match("hour=3")
@no_match("hour=12")
forbid (principal, action, resource)
when { context.hour < 6 };
"#;

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
    let policy = Policy { kill_switch: Some(switch), ..automatic(&[rule(RuleEffect::Allow, "*")], "") };
    assert_eq!(verdict(&policy, true), "deny");
}

#[test]
fn cedar_rules_allow_ask_and_forbid() {
    let policy = automatic(&[], RESTARTS);
    assert_eq!(policy.problems(), vec![]);
    let restart = |environment: &str| Question {
        kind: "kubernetes.rollout_restart".into(),
        environment: environment.into(),
        ..Question::default()
    };
    assert_eq!(why(&policy.rule(&restart("staging"))), "rule `restarts in staging` allows it");
    assert_eq!(word(&policy.rule(&restart("production"))), "ask");
    let night = Question { hour: 3, ..restart("staging") };
    assert_eq!(why(&policy.rule(&night)), "rule `nothing at night` forbids it");
    let database = restart("staging").on("deployment/shop/database");
    let asked = Ruling::Ask {
        why: "rule `two people for the database` asks for a person".into(),
        approvals: 2,
        role: Role::Admin,
    };
    assert_eq!(policy.rule(&database), asked);
    let careful = Policy { autonomy: Autonomy::Approve, ..policy };
    assert_eq!(careful.rule(&database), asked, "two people are asked where one would be asked anyway");
}

#[test]
fn a_rule_that_fails_its_own_examples_is_refused_with_its_place() {
    let broken = RESTARTS.replace("context.hour < 6", "context.hour > 6");
    let problems = automatic(&[], &broken).problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert_eq!(problems[0].pointer, "/cedar");
    let expected = "line 15, column 1: rule `nothing at night`: it does not match its @match example `hour=3`";
    assert_eq!(problems[0].why, expected);
    assert!(problems[1].why.contains("it matches its @no_match example `hour=12`"), "{problems:?}");
}

#[test]
fn what_cannot_be_understood_is_refused_with_line_and_column() {
    let refused = |cedar: &str| {
        let problems = automatic(&[], cedar).problems();
        assert!(!problems.is_empty(), "{cedar}");
        problems[0].why.clone()
    };
    let with = |from: &str, to: &str| refused(&RESTARTS.replace(from, to));
    assert!(with("resource.environment ==", "resource.enviroment ==").starts_with("line 6, column"));
    assert!(with("when { context.hour < 6 }", "when { context.hour < }").starts_with("line 19, column"));
    assert!(with("context.hour < 6", "context.hour == \"six\"").starts_with("line 19, column"));
    assert!(with("@id(\"nothing at night\")", "").contains("it needs an @id"));
    assert!(with("@match(\"hour=3\")", "").contains("it needs @match"));
    assert!(with("@no_match(\"hour=12\")", "").contains("it needs @match"));
    assert!(with("@match(\"hour=3\")", "@match(\"hour=25\")").contains("expected a whole number up to 23"));
    assert!(with("@match(\"hour=3\")", "@match(\"our=3\")").contains("there is no such fact"));
    assert!(with("@approvals(\"2\")", "@aprovals(\"2\")").contains("there is no annotation @aprovals"));
    assert!(with("@approvals(\"2\")", "@approvals(\"0\")").contains("@approvals is"));
    assert!(with("nothing at night", "restarts in staging").contains("two rules have the id"));
    assert!(
        with("resource)\nwhen { context.hour", "resource == ?resource)\nwhen { context.hour").contains("templates")
    );
    let huge = "// ".to_owned() + &"x".repeat(cedar::LONGEST);
    assert!(refused(&huge).contains("more than"));
}

#[test]
fn an_error_while_judging_is_a_denial_even_where_cedar_would_skip_the_rule() {
    // It overflows only for more than one object: its examples do not show it.
    let overflow = |head: &str| {
        format!(
            "{RESTARTS}\n@id(\"broken\") @match(\"objects=1, confidence=1\") @no_match(\"confidence=2\")\n\
             {head} (principal, action, resource) when {{ context.objects * 9223372036854775807 > 5 && context.confidence == 1 }};"
        )
    };
    let question = Question {
        kind: "kubernetes.rollout_restart".into(),
        environment: "staging".into(),
        objects: 2,
        ..Question::default()
    };
    for head in ["permit", "forbid"] {
        let policy = automatic(&[], &overflow(head));
        assert_eq!(policy.problems(), vec![], "{head}");
        let ruling = policy.rule(&question);
        assert_eq!(word(&ruling), "deny", "{head}");
        assert!(why(&ruling).contains("rule `broken`"), "{ruling:?}");
    }
    // A stored text that this version cannot read is one, too.
    assert_eq!(word(&automatic(&[rule(RuleEffect::Allow, "*")], "permit (").rule(&question)), "deny");
}

#[test]
fn levels_name_how_far_a_service_has_come_and_the_first_that_fits_counts() {
    let level = |autonomy, service: &str, environment: &str| Level {
        autonomy,
        services: vec![service.into()],
        environments: vec![environment.into()],
        kinds: vec![],
    };
    let policy = Policy {
        autonomy: Autonomy::Observe,
        levels: vec![
            level(Autonomy::Automatic, "shop/cart", "staging"),
            level(Autonomy::Approve, "shop/*", "production"),
            level(Autonomy::Automatic, "shop/cart", "production"),
        ],
        rules: vec![rule(RuleEffect::Allow, "*")],
        ..Policy::default()
    };
    let told = |target: &str, environment: &str| {
        word(&policy.rule(&Question { environment: environment.into(), ..Question::default().on(target) }))
    };
    assert_eq!(told("deployment/shop/cart", "staging"), "allow");
    assert_eq!(told("deployment/shop/cart", "production"), "ask");
    assert_eq!(told("deployment/shop/menu", "production"), "ask");
    assert_eq!(told("deployment/shop/menu", "staging"), "deny");
    assert_eq!(told("node/worker-1", "production"), "deny");
}

#[test]
fn what_nothing_takes_back_is_automatic_only_where_a_rule_names_it() {
    let lasting = Question { reversible: false, ..Question::default() };
    let mut allow = rule(RuleEffect::Allow, "kubernetes.*");
    assert!(why(&automatic(&[allow.clone()], "").rule(&lasting)).contains("nothing would take"));
    allow.irreversible = vec!["kubernetes.delete_pod".into()];
    assert_eq!(word(&automatic(&[allow.clone()], "").rule(&lasting)), "ask");
    allow.irreversible.push("kubernetes.rollout_undo".into());
    assert_eq!(word(&automatic(&[allow.clone()], "").rule(&lasting)), "allow");
    allow.irreversible = vec!["kubernetes.*".into()];
    assert!(automatic(&[allow], "").problems()[0].why.contains("in full"));
    let named = r#"@id("pods") @irreversible("kubernetes.rollout_undo") @match("objects=1") @no_match("objects=2")
        permit (principal, action, resource) when { context.objects == 1 };"#;
    assert_eq!(word(&automatic(&[], named).rule(&lasting)), "allow");
}

#[test]
fn deeds_are_counted_by_service_kind_and_hour_and_objects_while_they_are_under_way() {
    let now = Timestamp(1_767_787_200_000);
    let deed = |minutes: i64, service: &str, kind: &str| PastDeed {
        at: now.plus_seconds(-60 * minutes),
        until: now.plus_seconds(60 - 60 * minutes),
        kind: kind.into(),
        service: service.into(),
        objects: 3,
    };
    let undo = "kubernetes.rollout_undo";
    let deeds = [deed(61, "shop/cart", undo), deed(59, "shop/cart", "kubernetes.scale"), deed(0, "shop/menu", undo)];
    let question = about(&reversible(), &deeds);
    assert_eq!(question.tally, Tally { all: 2, service: 1, kind: 1, objects_under_way: 3 });
    let limited = |limits: Limits, question: &Question| {
        word(&Policy { limits, ..automatic(&[rule(RuleEffect::Allow, "*")], "") }.rule(question))
    };
    let none = Limits::default();
    assert_eq!(limited(none, &question), "allow");
    for (within, over) in [
        (Limits { deeds_per_hour: Some(3), ..none }, Limits { deeds_per_hour: Some(2), ..none }),
        (
            Limits { deeds_per_hour_per_service: Some(2), ..none },
            Limits { deeds_per_hour_per_service: Some(1), ..none },
        ),
        (Limits { deeds_per_hour_per_kind: Some(2), ..none }, Limits { deeds_per_hour_per_kind: Some(1), ..none }),
        (Limits { objects: Some(2), ..none }, Limits { objects: Some(1), ..none }),
        (Limits { objects_under_way: Some(5), ..none }, Limits { objects_under_way: Some(4), ..none }),
    ] {
        assert_eq!((limited(within, &question), limited(over, &question)), ("allow", "deny"), "{over:?}");
    }
    let back = Question { is_undo: true, ..question.clone() };
    assert_eq!(
        limited(Limits { deeds_per_hour: Some(2), ..none }, &back),
        "allow",
        "an undo is not kept back by a rate"
    );
    let floor = |percent| Limits { confidence_percent: Some(percent), ..none };
    assert_eq!((limited(floor(90), &question), limited(floor(91), &question)), ("allow", "ask"));
}

#[test]
fn freezes_hold_once_or_every_week_and_one_that_cannot_be_read_always_holds() {
    let weekly = Freeze {
        name: "weekend".into(),
        effect: RuleEffect::Deny,
        environments: vec!["production".into()],
        services: vec![],
        starts_at: None,
        ends_at: None,
        days: vec!["fri".into()],
        from: Some("16:00".into()),
        minutes: Some(60 * 64),
    };
    let once = Freeze {
        effect: RuleEffect::Ask,
        environments: vec![],
        starts_at: Some(Timestamp::parse("2026-12-24T00:00:00Z").unwrap()),
        ends_at: Some(Timestamp::parse("2026-12-27T00:00:00Z").unwrap()),
        days: vec![],
        from: None,
        minutes: None,
        ..weekly.clone()
    };
    let policy = Policy { freezes: vec![weekly, once], ..automatic(&[rule(RuleEffect::Allow, "*")], "") };
    assert_eq!(policy.problems(), vec![]);
    let at = |time: &str| Question::default().when(Timestamp::parse(time).unwrap());
    let told = |time: &str| word(&policy.rule(&at(time)));
    assert_eq!((told("2026-11-27T15:59:59Z"), told("2026-11-27T16:00:00Z")), ("allow", "deny"));
    assert_eq!((told("2026-11-30T07:59:59Z"), told("2026-11-30T08:00:00Z")), ("deny", "allow"));
    assert_eq!((told("2026-12-23T23:59:59Z"), told("2026-12-24T12:00:00Z")), ("allow", "ask"));
    let staging = Question { environment: "staging".into(), ..at("2026-11-28T12:00:00Z") };
    assert_eq!(word(&policy.rule(&staging)), "allow");
    let mut odd = policy.clone();
    odd.freezes[0].from = Some("25:00".into());
    assert_eq!(odd.problems()[0].pointer, "/freezes/0");
    assert_eq!(word(&odd.rule(&at("2026-11-25T12:00:00Z"))), "deny");
}

#[test]
fn a_policy_of_an_earlier_version_loads_and_is_written_as_it_was() {
    let old = r#"{"autonomy":"automatic","kill_switch":null,"rules":[{"name":"r","effect":"allow","kinds":["kubernetes.*"],"targets":[],"environments":[]}],"approval_seconds":1800,"deed_seconds":60,"budget":{"turns":12,"tokens":400000,"micro_usd":2000000,"minutes":120,"deeds":4}}"#;
    let policy: Policy = serde_json::from_str(old).unwrap();
    assert_eq!(policy, automatic(&[Rule { name: "r".into(), ..rule(RuleEffect::Allow, "kubernetes.*") }], ""));
    assert_eq!(serde_json::to_string(&policy).unwrap(), old);
    let ruling: Ruling = serde_json::from_str(r#"{"verdict":"ask","why":"w"}"#).unwrap();
    assert_eq!(ruling, Ruling::ask("w"));
    assert_eq!(serde_json::to_string(&ruling).unwrap(), r#"{"verdict":"ask","why":"w"}"#);
}

/// Rules in both forms, of every effect, over a few kinds and environments.
fn some_rule() -> impl Strategy<Value = (RuleEffect, bool, usize, usize)> {
    let effect = prop_oneof![Just(RuleEffect::Allow), Just(RuleEffect::Ask), Just(RuleEffect::Deny)];
    (effect, any::<bool>(), 0..3_usize, 0..3_usize)
}

const KINDS: [&str; 2] = ["kubernetes.rollout_undo", "kubernetes.scale"];
const PLACES: [&str; 2] = ["staging", "production"];

/// A policy of these rules; 2 stands for any.
fn policy_of(autonomy: Autonomy, rules: &[(RuleEffect, bool, usize, usize)]) -> Policy {
    let (mut plain, mut cedar) = (vec![], String::new());
    for (number, (effect, in_cedar, kind, place)) in rules.iter().enumerate() {
        let (kind, place) = (KINDS.get(*kind), PLACES.get(*place));
        if !in_cedar {
            let list = |one: Option<&&str>| one.map(|one| (*one).to_owned()).into_iter().collect();
            let rule =
                Rule { kinds: list(kind), environments: list(place), ..Rule::new(&format!("p{number}"), *effect) };
            plain.push(rule);
            continue;
        }
        let scope = kind.map(|kind| format!("action == Action::\"{kind}\"")).unwrap_or("action".into());
        let place = place.map(|place| format!("resource.environment == \"{place}\"")).unwrap_or("true".into());
        let head = match effect {
            RuleEffect::Allow => "permit",
            RuleEffect::Ask => "@effect(\"ask\") permit",
            RuleEffect::Deny => "forbid",
        };
        let example = |kind: usize, place: usize| format!("kind={}, environment={}", KINDS[kind], PLACES[place]);
        let fits = |wanted: usize| if wanted < 2 { wanted } else { 0 };
        let fit = example(fits(rules[number].2), fits(rules[number].3));
        cedar += &format!(
            "@id(\"c{number}\") @match(\"{fit}\") @no_match(\"objects=77\")\n\
             {head} (principal, {scope}, resource) when {{ {place} && context.objects != 77 }};\n"
        );
    }
    Policy { autonomy, rules: plain, cedar, ..Policy::default() }
}

fn rank(ruling: &Ruling) -> u8 {
    match ruling {
        Ruling::Deny { .. } => 0,
        Ruling::Ask { .. } => 1,
        Ruling::Allow { .. } => 2,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn deny_beats_ask_beats_allow_and_fewer_allows_never_allow_more(
        rules in prop::collection::vec(some_rule(), 0..6),
        autonomy in prop_oneof![
            Just(Autonomy::Observe), Just(Autonomy::Suggest), Just(Autonomy::Approve), Just(Autonomy::Automatic)
        ],
        kind in 0..2_usize, place in 0..2_usize, trusted in any::<bool>(), reversible in any::<bool>(),
    ) {
        let question = Question {
            kind: KINDS[kind].into(), environment: PLACES[place].into(), evidence_trusted: trusted, reversible,
            ..Question::default()
        };
        let policy = policy_of(autonomy, &rules);
        prop_assert!(policy.problems().iter().all(|problem| problem.pointer == "/autonomy"), "{:?}", policy.problems());
        let ruling = policy.rule(&question);
        let meant = |rule: &&(RuleEffect, bool, usize, usize)| {
            (rule.2 == 2 || rule.2 == kind) && (rule.3 == 2 || rule.3 == place)
        };
        let any = |effect| rules.iter().filter(meant).any(|rule| rule.0 == effect);
        let expected = match autonomy {
            _ if any(RuleEffect::Deny) => 0,
            Autonomy::Observe | Autonomy::Suggest => 0,
            Autonomy::Automatic if !any(RuleEffect::Ask) && any(RuleEffect::Allow) && trusted && reversible => 2,
            _ => 1,
        };
        prop_assert_eq!(rank(&ruling), expected, "{:?}", ruling);
        for left_out in 0..rules.len() {
            let mut fewer = rules.clone();
            let gone = fewer.remove(left_out);
            let then = rank(&policy_of(autonomy, &fewer).rule(&question));
            match gone.0 {
                RuleEffect::Allow => prop_assert!(then <= expected, "without an allow more is allowed"),
                RuleEffect::Ask | RuleEffect::Deny => prop_assert!(then >= expected, "without a ban less is allowed"),
            }
        }
        for step in [Autonomy::Observe, Autonomy::Suggest, Autonomy::Approve].into_iter().filter(|step| *step < autonomy) {
            prop_assert!(rank(&policy_of(step, &rules).rule(&question)) <= expected);
        }
    }
}
