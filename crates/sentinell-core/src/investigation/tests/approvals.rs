//! Approvals that were tampered with, and those of two people.

use super::*;
use crate::action::{Action, Expectation};
use crate::approval::Role;
use crate::ids::EvidenceId;

/// A deed that waits for people, with everything in it that an approval covers.
fn waiting() -> Story {
    let mut story = Story::opened(Autonomy::Approve);
    story.hear(turned(Decision::LookAt(vec![question()]), vec![]));
    story.hear(observed("q1"));
    let argv = |text: &str| Deed::Argv(text.split(' ').map(str::to_owned).collect());
    let mut plan = plan(true);
    plan.deed = argv("kubectl --context shop rollout undo deployment/cart --namespace shop --to-revision 4");
    plan.undo = Some(argv("kubectl --context shop rollout undo deployment/cart --namespace shop --to-revision 5"));
    story.hear(proposal_with(plan, "e1"));
    story.hear(Input::Asked("a1".into()));
    assert_eq!(story.phase(), "awaiting_approval");
    story
}

fn shown(story: &Story) -> Action {
    story.case.action(&"a1".into()).unwrap().action.clone()
}

fn approval(action: &str, hash: &str, by: &str, role: Role) -> Command {
    Command::Approve { action: action.into(), hash: hash.into(), by: by.into(), role, comment: String::new() }
}

/// Every way to change one text: a letter at each place, fewer, more, other spellings.
fn twists(text: &str) -> Vec<String> {
    let mut twists =
        vec![format!("{text} "), format!(" {text}"), format!("{text}\0"), format!("{text}x"), String::new()];
    for (at, letter) in text.char_indices().filter(|(_, letter)| letter.is_ascii()) {
        let other = if letter == 'a' { 'b' } else { 'a' };
        twists.push(format!("{}{other}{}", &text[..at], &text[at + 1..]));
    }
    twists.retain(|twist| twist != text);
    twists
}

fn twisted_argv(deed: &Deed) -> Vec<Deed> {
    let words = deed.argv().unwrap();
    let mut deeds = vec![];
    for place in 0..words.len() {
        let with = |change: &dyn Fn(&mut Vec<String>)| {
            let mut words = words.to_vec();
            change(&mut words);
            Deed::Argv(words)
        };
        deeds.extend(twists(&words[place]).into_iter().map(|twist| with(&|words| words[place].clone_from(&twist))));
        deeds.push(with(&|words| drop(words.remove(place))));
        deeds.push(with(&|words| words.insert(place, "--force".into())));
        deeds.push(with(&|words| words.swap(place, 0)));
        deeds.push(with(&|words| words.insert(place, words[place].clone())));
    }
    deeds.retain(|other| other != deed);
    deeds
}

/// Everything that is shown, changed in one place.
fn tampered(honest: &Action) -> Vec<Action> {
    let mut all = vec![];
    let mut with = |change: &dyn Fn(&mut Action)| {
        let mut action = honest.clone();
        change(&mut action);
        all.push(action);
    };
    twisted_argv(&honest.plan.deed).into_iter().for_each(|deed| with(&|a| a.plan.deed = deed.clone()));
    let undo = honest.plan.undo.clone().unwrap();
    twisted_argv(&undo).into_iter().for_each(|deed| with(&|a| a.plan.undo = Some(deed.clone())));
    twists(&honest.target).into_iter().for_each(|text| with(&|a| a.target.clone_from(&text)));
    twists(&honest.plan.environment).into_iter().for_each(|text| with(&|a| a.plan.environment.clone_from(&text)));
    twists(&honest.plan.blast_radius.description)
        .into_iter()
        .for_each(|text| with(&|a| a.plan.blast_radius.description.clone_from(&text)));
    for seconds in [-3600, -1, 1, 60, 3600, 86_400] {
        with(&|a| a.expires_at = a.expires_at.plus_seconds(seconds));
    }
    with(&|a| a.plan.undo = None);
    with(&|a| a.plan.blast_radius.objects += 1);
    with(&|a| a.plan.blast_radius.objects = 0);
    with(&|a| a.evidence.clear());
    with(&|a| a.evidence.push(EvidenceId("e2".into())));
    with(&|a| a.plan.verification.hold_seconds = 0);
    with(&|a| a.plan.verification.within_seconds += 1);
    with(&|a| a.plan.verification.every_seconds += 1);
    with(&|a| a.plan.verification.expect = Expectation::FindingsGone { subject: "service/other".into() });
    with(&|a| a.id = "a2".into());
    with(&|a| a.incident = "i2".into());
    all
}

#[test]
fn approvals_that_were_tampered_with_are_not_accepted_in_five_hundred_ways() {
    let story = waiting();
    let (honest, now) = (shown(&story), story.now);
    let hash = honest.hash().0;
    let (mut ways, mut accepted) = (0, vec![]);
    let mut attempt = |case: &Investigation, command: Command, at: Timestamp| {
        ways += 1;
        if case.decide(command.clone(), at).is_ok() {
            accepted.push(command);
        }
    };
    // What was approved is not what was shown.
    for other in tampered(&honest) {
        attempt(&story.case, approval("a1", &other.hash().0, "ann", Role::Admin), now);
    }
    // The hash itself, and the action's name.
    for twist in twists(&hash).into_iter().chain([hash.to_uppercase(), hash[..63].to_owned(), format!("sha256:{hash}")])
    {
        attempt(&story.case, approval("a1", &twist, "ann", Role::Admin), now);
    }
    for name in ["a0", "a2", "A1", " a1", "a1 ", "", "a", "i1", "1"] {
        attempt(&story.case, approval(name, &hash, "ann", Role::Admin), now);
    }
    // Too late, and late by a clock that was set back.
    for late in [0, 1, 2, 60, 3600, 86_400, 10_000_000] {
        attempt(&story.case, approval("a1", &hash, "ann", Role::Admin), honest.expires_at.plus_seconds(late));
    }
    let mut seen = waiting();
    seen.now = honest.expires_at;
    seen.say(Command::Note { by: "ann".into(), text: "late".into() }).unwrap();
    for early in [1, 60, 1799] {
        attempt(&seen.case, approval("a1", &hash, "ann", Role::Admin), honest.expires_at.plus_seconds(-early));
    }
    // The wrong person.
    for role in [Role::Sender, Role::Viewer, Role::Responder] {
        attempt(&story.case, approval("a1", &hash, "ann", role), now);
    }
    // Replayed: after a yes, a no, an end of whatever kind, and for the same deed of another case.
    for done in replays() {
        attempt(&done.case, approval("a1", &hash, "ann", Role::Admin), now);
        attempt(&done.case, approval("a1", &hash, "bob", Role::Admin), now);
    }
    assert!(ways >= 500, "{ways} ways only");
    assert!(accepted.is_empty(), "{} of {ways} accepted: {accepted:?}", accepted.len());
    assert!(story.case.decide(approval("a1", &hash, "ann", Role::Operator), now).is_ok(), "the honest one is");
}

/// Cases in which the same approval was used up or came to nothing.
fn replays() -> Vec<Story> {
    let said = |command: Command| {
        let mut story = waiting();
        story.say(command).unwrap();
        story
    };
    let (by, why) = (Actor("ann".into()), "w".to_owned());
    let mut approved = waiting();
    approved.approve().unwrap();
    let mut started = waiting();
    started.approve().unwrap();
    started.hear(checked(Health::Unhealthy)).start().unwrap();
    let mut expired = waiting();
    expired.wait(1800);
    vec![
        approved,
        started,
        expired,
        said(Command::Reject { action: "a1".into(), by: by.clone(), comment: why.clone() }),
        said(Command::Cancel { by: by.clone(), why: why.clone() }),
        said(Command::Resolve { by: by.clone(), why: why.clone() }),
        said(Command::Dismiss { by: by.clone(), why }),
        said(Command::Merge { into: "i9".into(), by }),
    ]
}

#[test]
fn a_journal_whose_proposal_was_changed_afterwards_does_not_fold() {
    let story = waiting();
    let place = story.entries.iter().position(|entry| matches!(entry.event, Event::ActionProposed { .. })).unwrap();
    let mut folded = 0;
    let all = tampered(&shown(&story));
    for other in &all {
        let mut entries = story.entries.clone();
        let Event::ActionProposed { action, .. } = &mut entries[place].event else { unreachable!() };
        **action = other.clone();
        folded += usize::from(Investigation::replay(&entries).is_ok());
    }
    assert_eq!(folded, 0, "of {}", all.len());
}

fn two_people() -> Story {
    let mut story = waiting();
    story.case = Investigation::replay(&story.entries).unwrap();
    let place = story.entries.iter().position(|entry| matches!(entry.event, Event::ActionRuled { .. })).unwrap();
    let ruling = Ruling::Ask { why: "dangerous".into(), approvals: 2, role: Role::Operator };
    story.entries[place].event = Event::ActionRuled { action: "a1".into(), ruling };
    story.case = Investigation::replay(&story.entries).unwrap();
    let rule = Rule { approvals: 2, ..Rule::new("dangerous", RuleEffect::Ask) };
    story.policy.rules = vec![rule];
    story
}

#[test]
fn two_different_people_approve_what_is_dangerous() {
    let mut story = two_people();
    let hash = shown(&story).hash().0;
    story.say(approval("a1", &hash, "ann", Role::Admin)).unwrap();
    assert_eq!(story.phase(), "awaiting_approval");
    assert!(matches!(story.say(approval("a1", &hash, "ann", Role::Admin)), Err(Refusal::Conflict(_))));
    let twice = Event::ApprovalGranted {
        action: "a1".into(),
        hash: hash.as_str().into(),
        by: "ann".into(),
        comment: String::new(),
        role: Role::Admin,
    };
    assert!(story.case.clone().fold(story.now, &twice).is_err(), "not even in a journal does one person count as two");
    story.say(approval("a1", &hash, "bob", Role::Operator)).unwrap();
    assert_eq!(story.phase(), "acting");
    assert_eq!(story.case.action(&"a1".into()).unwrap().decided_by.as_deref(), Some("ann, bob"));
    story.hear(checked(Health::Unhealthy));
    story.start().unwrap();
    assert_eq!(Investigation::replay(&story.entries), Ok(story.case));
}

#[test]
fn a_no_between_two_approvals_is_a_no() {
    let mut story = two_people();
    let hash = shown(&story).hash().0;
    story.say(approval("a1", &hash, "ann", Role::Operator)).unwrap();
    story.say(Command::Reject { action: "a1".into(), by: "bob".into(), comment: "no".into() }).unwrap();
    assert!(story.say(approval("a1", &hash, "cid", Role::Operator)).is_err());
    assert!(story.start().is_err());
}

#[test]
fn a_rule_that_asks_for_more_by_the_moment_of_the_deed_stops_it() {
    for rule in [
        Rule { approvals: 2, ..Rule::new("two", RuleEffect::Ask) },
        Rule { role: Role::Admin, ..Rule::new("an admin", RuleEffect::Ask) },
        Rule::new("never", RuleEffect::Deny),
    ] {
        let mut story = waiting();
        story.approve().unwrap();
        story.hear(checked(Health::Unhealthy));
        story.policy.rules = vec![rule.clone()];
        let blocked = story.start().unwrap_err();
        assert!(matches!(&*blocked, Event::DeedBlocked { .. }), "{rule:?}");
    }
}

#[test]
fn an_approval_of_an_earlier_version_counts_as_one_by_an_operator() {
    let old = r#"{"type":"approval_granted","action":"a1","hash":"h","by":"ann","comment":""}"#;
    let event: Event = serde_json::from_str(old).unwrap();
    assert!(matches!(&event, Event::ApprovalGranted { role: Role::Operator, .. }));
    assert_eq!(serde_json::to_string(&event).unwrap(), old, "and keeps its place in the hash chain");
}
