//! The machine, told as stories, and under random orders of events.

mod approvals;

use super::*;
use crate::action::tests::rollback;
use crate::action::{Deed, Plan};
use crate::evidence::Evidence;
use crate::hypothesis::{Hypothesis, Verdict};
use crate::policy::{Autonomy, KillSwitch, Policy, Rule, RuleEffect};
use crate::ports::{Applied, Question};
use crate::signal::SignalState;
use crate::triage::tests::signal;
use proptest::prelude::*;
use serde_json::json;

/// A journal and the live state beside it, driven like the worker's loop drives them.
struct Story {
    entries: Vec<Entry>,
    case: Investigation,
    policy: Policy,
    now: Timestamp,
}

impl Story {
    fn opened(autonomy: Autonomy) -> Self {
        let rules = match autonomy {
            Autonomy::Automatic => {
                let irreversible = vec!["kubernetes.rollout_undo".into()];
                vec![Rule { irreversible, ..Rule::new("all", RuleEffect::Allow) }]
            }
            _ => vec![],
        };
        let policy = Policy { autonomy, rules, ..Policy::default() };
        let signal = Box::new(signal(SignalState::Firing, Severity::High, 0));
        let event = Event::Opened { signal, fingerprint: "f1".into(), budget: policy.budget };
        let entry = Entry { incident: "i1".into(), seq: 1, at: Timestamp(0), event };
        let case = Investigation::replay([&entry]).unwrap();
        Self { entries: vec![entry], case, policy, now: Timestamp(0) }
    }

    fn record(&mut self, events: Vec<Event>) {
        for event in events {
            self.case.fold(self.now, &event).unwrap_or_else(|illegal| panic!("{illegal}: {event:?}"));
            let seq = self.case.seq;
            self.entries.push(Entry { incident: "i1".into(), seq, at: self.now, event });
        }
    }

    fn hear(&mut self, input: Input) -> &mut Self {
        let events = self.case.interpret(input, &self.policy, self.now);
        self.record(events);
        self
    }

    fn say(&mut self, command: Command) -> Result<(), Refusal> {
        let events = self.case.decide(command, self.now)?;
        self.record(events);
        Ok(())
    }

    fn wait(&mut self, seconds: i64) -> &mut Self {
        self.now = self.now.plus_seconds(seconds);
        self.hear(Input::TimedOut)
    }

    /// Observed, believed, proposed.
    fn proposed(autonomy: Autonomy) -> Self {
        let mut story = Self::opened(autonomy);
        story.hear(turned(Decision::LookAt(vec![question()]), vec![]));
        story.hear(observed("q1"));
        story.hear(proposal());
        story
    }

    fn approve(&mut self) -> Result<(), Refusal> {
        let (action, hash) = ("a1".into(), self.case.action(&"a1".into()).unwrap().hash.clone());
        self.say(Command::Approve { action, hash, by: "ann".into(), role: Role::Operator, comment: String::new() })
    }

    /// The intent of the authorized deed, appended.
    fn start(&mut self) -> Result<(), Box<Event>> {
        let intent = self.case.authorize(&self.policy, self.now)?;
        self.record(vec![intent.event()]);
        let _ = intent.into_warrant();
        Ok(())
    }

    fn phase(&self) -> &'static str {
        self.case.phase.word()
    }
}

fn question() -> Question {
    Question { tool: "kubernetes".into(), args: BTreeMap::new(), why: "state".into() }
}

fn hypothesis(cites: &str) -> Hypothesis {
    Hypothesis {
        id: "h1".into(),
        component: "service/shop/cart".into(),
        fault: "image_not_found".into(),
        confidence: 0.9,
        statement: "the image does not exist".into(),
        supports: vec![cites.into()],
        contradicts: vec![],
    }
}

fn turned(decision: Decision, hypotheses: Vec<Hypothesis>) -> Input {
    let turn = Turn::free("test", decision, hypotheses, vec![]);
    Input::Turned { turn: Box::new(turn), planned: None }
}

fn observed(query: &str) -> Input {
    let evidence = Evidence {
        id: "".into(),
        query: query.into(),
        subject: "service/shop/cart".into(),
        kind: "contradiction".into(),
        summary: "image not found".into(),
        strength: 1.0,
        source: "kubectl".into(),
        outsider_can_write: false,
        finding: json!({}),
    };
    let (call, raw) = ("kubectl get".to_owned(), String::new());
    Input::Observed { query: query.into(), evidence: vec![evidence], gaps: vec![], call, raw, millis: 5 }
}

fn plan(undo: bool) -> Plan {
    let undo = undo.then(|| Deed::Argv(vec!["kubectl".into(), "redo".into()]));
    Plan { undo_if_unhelpful: undo.is_some(), undo, ..rollback("i1").plan }
}

fn proposal() -> Input {
    proposal_with(plan(false), "e1")
}

fn proposal_with(plan: Plan, cites: &str) -> Input {
    let draft = ActionDraft {
        kind: "kubernetes.rollout_undo".into(),
        target: "deployment/shop/cart".into(),
        params: BTreeMap::new(),
        because: "h1".into(),
        why: "w".into(),
    };
    let Input::Turned { turn, .. } = turned(Decision::Act(draft), vec![hypothesis(cites)]) else { unreachable!() };
    Input::Turned { turn, planned: Some(Ok(plan)) }
}

/// The same turn, with a second look wanted.
fn held(input: Input) -> Input {
    let Input::Turned { turn, planned } = input else { unreachable!() };
    Input::Turned { turn: Box::new(Turn { doubt: true, ..*turn }), planned }
}

fn doubted(confidence: f64) -> Input {
    let verdict =
        |id: &str| Verdict { hypothesis: id.into(), confidence, contradicts: vec!["e1".into(), "e99".into()] };
    let verdicts = vec![verdict("h1"), verdict("h77")];
    let (by, usage) = ("m".to_owned(), Usage { output_tokens: 7, ..Usage::default() });
    let doubt = Doubt { by, usage, verdicts, why: "hm".into(), lost: vec![] };
    Input::Doubted { doubt: Box::new(doubt), planned: Some(Ok(plan(false))) }
}

fn checked(health: Health) -> Input {
    Input::Checked { action: "a1".into(), reading: Reading { health, note: "pods".into() } }
}

fn applied(ok: bool) -> Input {
    Input::Applied { action: "a1".into(), ok, output: "rolled back".into() }
}

#[test]
fn an_approved_rollback_is_verified_for_the_agreed_time_and_resolves() {
    let mut story = Story::proposed(Autonomy::Approve);
    assert_eq!(story.phase(), "awaiting_approval");
    story.hear(Input::Asked("a1".into()));
    story.approve().unwrap();
    assert!(matches!(story.case.next(), Step::Do(Effect::Verify(_))), "the world is looked at before the deed");
    story.hear(checked(Health::Unhealthy));
    assert!(matches!(story.case.next(), Step::Do(Effect::Act(_))));
    story.start().unwrap();
    story.hear(applied(true)).hear(checked(Health::Healthy));
    assert_eq!(story.phase(), "verifying", "healthy once is not healthy for ten seconds");
    story.wait(10).hear(checked(Health::Healthy));
    assert_eq!(story.case.resolution(), Some(Resolution::VerifiedFix));
    assert_eq!(Investigation::replay(&story.entries), Ok(story.case));
}

#[test]
fn nothing_is_done_without_exactly_the_approval_that_was_shown() {
    let mut story = Story::proposed(Autonomy::Approve);
    let wrong = Command::Approve {
        action: "a1".into(),
        hash: "0".into(),
        by: "ann".into(),
        role: Role::Operator,
        comment: String::new(),
    };
    assert!(matches!(story.say(wrong), Err(Refusal::Conflict(_))));
    assert!(story.start().is_err());
    let reject = Command::Reject { action: "a1".into(), by: "ann".into(), comment: "no".into() };
    story.say(reject).unwrap();
    assert!(matches!(story.approve(), Err(Refusal::Conflict(_))), "a rejected action cannot be approved afterwards");
    story.hear(proposal());
    assert_eq!(story.phase(), "escalated", "a rejected deed is not proposed again");
}

#[test]
fn an_approval_that_comes_too_late_does_nothing() {
    let mut story = Story::proposed(Autonomy::Approve);
    story.hear(Input::Asked("a1".into()));
    story.now = story.now.plus_seconds(1800);
    assert!(matches!(story.approve(), Err(Refusal::Gone(_))));
    story.wait(0);
    assert_eq!(story.phase(), "escalated");
    assert!(matches!(story.approve(), Err(Refusal::Gone(_))));
}

#[test]
fn an_approval_whose_time_the_journal_has_seen_pass_does_not_become_valid_when_the_clock_is_set_back() {
    let mut story = Story::proposed(Autonomy::Approve);
    story.hear(Input::Asked("a1".into()));
    story.now = story.now.plus_seconds(1800);
    story.say(Command::Note { by: "ann".into(), text: "late".into() }).unwrap();
    story.now = story.now.plus_seconds(-1700);
    assert!(matches!(story.approve(), Err(Refusal::Gone(_))));
}

#[test]
fn the_kill_switch_pressed_while_an_approval_waited_stops_the_deed() {
    let mut story = Story::proposed(Autonomy::Approve);
    story.approve().unwrap();
    story.hear(checked(Health::Unhealthy));
    story.policy.kill_switch = Some(KillSwitch { by: "bob".into(), why: "freeze".into(), at: Timestamp(0) });
    let blocked = story.start().unwrap_err();
    assert!(matches!(&*blocked, Event::DeedBlocked { why, .. } if why.contains("kill switch")));
    story.record(vec![*blocked]);
    assert_eq!(story.phase(), "escalated");
    assert_eq!(story.case.spent.deeds, 0);
}

#[test]
fn a_crash_between_intent_and_outcome_looks_before_anything_else() {
    for (applied, phase) in [(Applied::Yes, "verifying"), (Applied::No, "acting"), (Applied::Unknown, "in_doubt")] {
        let mut story = Story::proposed(Autonomy::Automatic);
        story.hear(checked(Health::Unhealthy));
        story.start().unwrap();
        let mut reborn = Story { case: Investigation::replay(&story.entries).unwrap(), ..story };
        assert!(matches!(reborn.case.next(), Step::Wait { until: Some(at), .. } if at == reborn.now.plus_seconds(60)));
        reborn.wait(60);
        assert!(matches!(reborn.case.next(), Step::Do(Effect::Reconcile(_))));
        reborn.hear(Input::Reconciled { action: "a1".into(), applied, note: "looked".into() });
        assert_eq!(reborn.phase(), phase);
        // The sleeper wakes up and tells its story: it decides nothing any more.
        reborn.hear(self::applied(true));
        assert_eq!(reborn.phase(), phase);
    }
}

#[test]
fn a_deed_that_certainly_never_happened_is_tried_again_and_then_left_to_a_person() {
    let mut story = Story::proposed(Autonomy::Automatic);
    for _ in 0..3 {
        story.hear(checked(Health::Unhealthy));
        story.start().unwrap();
        story.wait(60);
        story.hear(Input::Reconciled { action: "a1".into(), applied: Applied::No, note: "not there".into() });
    }
    assert_eq!(story.phase(), "escalated");
    assert_eq!(story.case.spent.deeds, 3);
}

#[test]
fn what_did_not_help_is_taken_back_if_that_was_the_plan() {
    let mut story = Story::opened(Autonomy::Automatic);
    story.hear(turned(Decision::LookAt(vec![question()]), vec![])).hear(observed("q1"));
    story.hear(proposal_with(plan(true), "e1")).hear(checked(Health::Unhealthy));
    story.start().unwrap();
    story.hear(applied(true)).hear(checked(Health::Unhealthy));
    story.wait(60).hear(checked(Health::Unhealthy));
    assert!(matches!(story.case.next(), Step::Do(Effect::Act(undo)) if undo.undoes == Some("a1".into())));
    story.start().unwrap();
    story.hear(Input::Applied { action: "a2".into(), ok: true, output: String::new() });
    assert_eq!(story.phase(), "reasoning", "an undo cures nothing; the reasoner has the word again");
    story.hear(proposal_with(plan(true), "e1"));
    assert_eq!(story.phase(), "escalated", "what did not help is not tried again");
}

#[test]
fn trouble_that_went_away_by_itself_is_not_cured() {
    let mut story = Story::proposed(Autonomy::Automatic);
    story.hear(checked(Health::Healthy));
    assert_eq!(story.case.resolution(), Some(Resolution::SelfRecovered));
    assert_eq!(story.case.spent.deeds, 0);
}

#[test]
fn a_claim_without_evidence_goes_back_and_a_person_is_called_when_nobody_says_better() {
    let mut story = Story::opened(Autonomy::Observe);
    for refusals in [1, 2] {
        story.hear(proposal_with(plan(false), "e99"));
        assert_eq!((story.phase(), story.case.refusals), ("reasoning", refusals), "there is room for a fallback");
    }
    story.hear(turned(Decision::Unclear("gibberish".into()), vec![]));
    assert_eq!(story.phase(), "escalated");
    assert!(story.case.hypotheses.is_empty() && story.case.actions.is_empty());
}

#[test]
fn the_last_turn_of_the_budget_is_spent_on_a_conclusion() {
    let mut story = Story::opened(Autonomy::Observe);
    for turn in 0..story.case.budget.turns {
        let last = turn + 1 == story.case.budget.turns;
        assert_eq!(story.case.next(), Step::Do(Effect::Reason { conclude: last }));
        story.hear(turned(Decision::LookAt(vec![question()]), vec![]));
        story.hear(observed(&format!("q{}", turn + 1)));
    }
    assert_eq!(story.phase(), "escalated");
}

#[test]
fn a_source_that_is_away_is_asked_again_and_then_becomes_a_gap() {
    let mut story = Story::opened(Autonomy::Observe);
    story.hear(turned(Decision::LookAt(vec![question()]), vec![]));
    for seconds in [5, 10] {
        story.hear(Input::NotObserved { query: "q1".into(), why: "503".into(), again: true });
        assert!(matches!(story.case.next(), Step::Wait { until: Some(_), .. }));
        story.wait(seconds);
    }
    story.hear(Input::NotObserved { query: "q1".into(), why: "503".into(), again: true });
    assert_eq!((story.phase(), story.case.gaps.len()), ("reasoning", 1));
}

#[test]
fn a_second_look_only_ever_weakens_what_it_looks_at() {
    for (sceptic, left, phase) in
        [(1.0, 0.9, "awaiting_approval"), (0.5, 0.5, "awaiting_approval"), (0.1, 0.1, "escalated")]
    {
        let mut story = Story::opened(Autonomy::Approve);
        story.hear(turned(Decision::LookAt(vec![question()]), vec![])).hear(observed("q1")).hear(held(proposal()));
        assert!(story.case.actions.is_empty() && story.case.next() == Step::Do(Effect::Doubt));
        story.hear(proposal());
        assert!(story.case.actions.is_empty(), "nobody speaks before the second look");
        story.hear(doubted(sceptic));
        assert_eq!((story.phase(), story.case.hypotheses[0].confidence), (phase, left));
        assert_eq!(story.case.hypotheses[0].contradicts, vec!["e1".into()], "only evidence that exists");
        assert_eq!(story.case.spent.tokens, 7);
        assert_eq!(Investigation::replay(&story.entries), Ok(story.case));
    }
}

#[test]
fn what_a_model_cost_is_counted_even_when_it_brought_nothing() {
    let mut story = Story::opened(Autonomy::Approve);
    let usage = Usage { input_tokens: 5, cache_read_tokens: 3, micro_usd: 11, ..Usage::default() };
    let (by, why) = ("m".to_owned(), "529".to_owned());
    story.hear(Input::NotTurned { by: by.clone(), usage, why: why.clone(), after_millis: Some(7_000) });
    assert_eq!(
        story.case.next(),
        Step::Wait { until: Some(Timestamp(7_000)), why: "the reasoner asked for a pause".into() }
    );
    story.wait(7);
    let lost = vec![Lost { by, why, usage, after_millis: None }];
    let turn = Turn { lost, ..Turn::free("deterministic", Decision::LookAt(vec![question()]), vec![], vec![]) };
    story.hear(Input::Turned { turn: Box::new(turn), planned: None });
    assert_eq!((story.case.spent.tokens, story.case.spent.micro_usd, story.case.spent.turns), (16, 22, 1));
    assert!(story.case.model_rest.is_some());
    assert_eq!(Investigation::replay(&story.entries), Ok(story.case));
}

/// What the worker's loop would do next, with a random answer of the world.
fn go_on(story: &mut Story, detail: u8) {
    let health = if detail.is_multiple_of(3) { Health::Healthy } else { Health::Unhealthy };
    let applied = [Applied::No, Applied::No, Applied::Yes, Applied::Unknown][usize::from(detail % 4)];
    let reading = Reading { health, note: String::new() };
    let input = match story.case.next() {
        Step::Do(Effect::Reason { .. }) if story.case.queries.is_empty() => {
            turned(Decision::LookAt(vec![question()]), vec![])
        }
        Step::Do(Effect::Reason { .. }) => {
            let plan = Plan { precondition: detail.to_string(), ..plan(detail.is_multiple_of(2)) };
            if detail.is_multiple_of(5) { held(proposal_with(plan, "e1")) } else { proposal_with(plan, "e1") }
        }
        Step::Do(Effect::Doubt) => doubted(f64::from(detail) / 255.0),
        Step::Do(Effect::Observe(queries)) => observed(queries[0].id.as_str()),
        Step::Do(Effect::Ask(action)) => Input::Asked(action.id),
        Step::Do(Effect::Verify(action)) => Input::Checked { action: action.id, reading },
        Step::Do(Effect::Act(_)) => return story.start().unwrap_or_else(|blocked| story.record(vec![*blocked])),
        Step::Do(Effect::Reconcile(action)) => Input::Reconciled { action: action.id, applied, note: String::new() },
        Step::Wait { until: Some(until), .. } => {
            story.now = story.now.max(until);
            Input::TimedOut
        }
        Step::Wait { until: None, .. } | Step::Done => {
            Input::Person(Command::Retry { by: crate::ids::Actor("ann".into()), why: String::new() })
        }
    };
    story.hear(input);
}

/// One random thing that happens, from a small alphabet that mostly fits.
fn happen(story: &mut Story, what: u8, detail: u8) {
    let action: ActionId = format!("a{}", 1 + detail % 3).as_str().into();
    let query = format!("q{}", 1 + detail % 5);
    let (by, why) = (crate::ids::Actor("ann".into()), String::new());
    let health = [Health::Healthy, Health::Unhealthy, Health::Unhealthy, Health::Unknown][usize::from(detail % 4)];
    let input = match what % 22 {
        0 => turned(Decision::LookAt(vec![question(); usize::from(detail % 4)]), vec![]),
        1 | 2 => observed(&query),
        3 => Input::NotObserved { query: query.as_str().into(), why, again: detail.is_multiple_of(2) },
        4..=6 => proposal_with(Plan { precondition: detail.to_string(), ..plan(detail.is_multiple_of(2)) }, "e1"),
        7 => Input::Asked(action),
        8 => Input::Applied { action, ok: !detail.is_multiple_of(4), output: why },
        9 => Input::AppliedUnclear { action, why },
        10 => {
            let applied = [Applied::Yes, Applied::No, Applied::Unknown][usize::from(detail % 3)];
            Input::Reconciled { action, applied, note: why }
        }
        11 | 12 => Input::Checked { action, reading: Reading { health, note: why } },
        13 => {
            story.wait(i64::from(detail) * 10);
            return;
        }
        14 => Input::AlertResolved { fingerprint: "f1".into() },
        15 => {
            let signal = Box::new(signal(SignalState::Firing, Severity::High, 0));
            Input::AlertReturned { signal, fingerprint: "f1".into() }
        }
        16 => Input::NotTurned {
            by: "m".into(),
            usage: Usage::default(),
            why,
            after_millis: (detail.is_multiple_of(2)).then_some(100),
        },
        17 => {
            let hash = story.case.action(&action).map_or("0".into(), |record| record.hash.clone());
            Input::Person(Command::Approve { action, hash, by, role: Role::Operator, comment: why })
        }
        18 => Input::Person(Command::Reject { action, by, comment: why }),
        19 => Input::Person(
            [Command::Retry { by: by.clone(), why: why.clone() }, Command::Cancel { by, why }]
                [usize::from(detail.is_multiple_of(8))]
            .clone(),
        ),
        20 => Input::Person(Command::Hint { by, text: why, suspect: None, exclude: None }),
        _ => {
            if let Ok(intent) = story.case.authorize(&story.policy, story.now) {
                story.record(vec![intent.event()]);
            }
            return;
        }
    };
    story.hear(input);
}

/// No intent without a permission for exactly that action that nobody took back, and never more than three.
fn every_deed_was_permitted(entries: &[Entry]) {
    let mut permitted: BTreeMap<ActionId, bool> = BTreeMap::new();
    let mut attempts: BTreeMap<ActionId, u32> = BTreeMap::new();
    for entry in entries {
        match &entry.event {
            Event::ActionRuled { action, ruling } => {
                permitted.insert(action.clone(), matches!(ruling, Ruling::Allow { .. }));
            }
            Event::ApprovalGranted { action, .. } => {
                permitted.insert(action.clone(), true);
            }
            Event::ApprovalRejected { action, .. } | Event::DeedBlocked { action, .. } => {
                permitted.insert(action.clone(), false);
            }
            Event::ActionStarted { action, .. } => {
                assert_eq!(permitted.get(action), Some(&true), "{action} was started without permission");
                let count = attempts.entry(action.clone()).or_default();
                *count += 1;
                assert!(*count <= 3, "{action} was started {count} times");
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_in_whatever_order(
        happenings in prop::collection::vec((any::<u8>(), any::<u8>()), 0..120),
        automatic in any::<bool>(),
    ) {
        let mut story = Story::opened(if automatic { Autonomy::Automatic } else { Autonomy::Approve });
        for (what, detail) in happenings {
            if what.is_multiple_of(3) { happen(&mut story, what / 3, detail) } else { go_on(&mut story, detail) }
        }
        every_deed_was_permitted(&story.entries);
        let text = serde_json::to_string(&story.entries).unwrap();
        let stored: Vec<Entry> = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(Investigation::replay(&stored), Ok(story.case));
    }
}
