use crate::{look, ready, scene, town};
use sentinell_core::action::{Action, ActionDraft, Expectation, Plan};
use sentinell_core::approval::{Role, Warrant};
use sentinell_core::evidence::{Evidence, Telemetry};
use sentinell_core::hypothesis::Hypothesis;
use sentinell_core::ids::Actor;
use sentinell_core::investigation::{
    Command, Decision, Entry, Event, Health, Input, Investigation, Reading, Step, Turn,
};
use sentinell_core::policy::{Autonomy, Budget, Policy};
use sentinell_core::ports::{ActError, Actuator, Applied, BoxFuture, Clock, Question, ToolError};
use sentinell_core::time::Timestamp;
use sentinell_sim::{Ending, Mischief, Scene, Seam, Stall, Town, VirtualClock, stories};
use std::sync::{Arc, Mutex};

/// Plans the cure of the scene's trouble.
fn plan(town: &Town, kind: &str, target: &str) -> Result<Plan, ToolError> {
    ready(town.hands().plan(&draft(kind, target)))
}

fn draft(kind: &str, target: &str) -> ActionDraft {
    let params = Default::default();
    ActionDraft { kind: kind.into(), target: target.into(), params, because: "h1".into(), why: String::new() }
}

/// Walks the real machine to the moment of the deed: the only way to a warrant.
fn permission(scene: &Scene, draft: &ActionDraft, plan: Plan, now: Timestamp) -> (Action, Warrant) {
    let signal = Box::new(scene.cues()[0].signal.clone());
    let opened = Event::Opened { signal, fingerprint: "f".into(), budget: Budget::default() };
    let entry = Entry { incident: "i1".into(), seq: 1, at: now, event: opened };
    let mut case = Investigation::replay([&entry]).unwrap();
    let policy = Policy { autonomy: Autonomy::Approve, ..Policy::default() };
    let turn = |hypotheses: Vec<Hypothesis>, decision| Box::new(Turn::free("test", decision, hypotheses, vec![]));
    let question = Question { tool: "town.metrics".into(), args: Default::default(), why: String::new() };
    let seen = Evidence {
        id: "e1".into(),
        query: "q1".into(),
        subject: draft.target.clone(),
        kind: "symptom".into(),
        summary: String::new(),
        strength: 1.0,
        source: String::new(),
        outsider_can_write: false,
        finding: serde_json::Value::Null,
    };
    let belief = Hypothesis {
        id: "h1".into(),
        component: draft.target.clone(),
        fault: "down".into(),
        confidence: 0.9,
        statement: String::new(),
        supports: vec!["e1".into()],
        contradicts: vec![],
    };
    let (call, raw) = (String::new(), String::new());
    let observed = Input::Observed { query: "q1".into(), evidence: vec![seen], gaps: vec![], call, raw, millis: 1 };
    let acts = turn(vec![belief], Decision::Act(draft.clone()));
    let mut tell = |input: Input| {
        for event in case.interpret(input, &policy, now) {
            case.fold(now, &event).unwrap();
        }
        case.actions.last().map(|record| record.hash.clone())
    };
    tell(Input::Turned { turn: turn(vec![], Decision::LookAt(vec![question])), planned: None });
    tell(observed);
    let hash = tell(Input::Turned { turn: acts, planned: Some(Ok(plan)) }).unwrap();
    tell(Input::Asked("a1".into()));
    tell(Input::Person(Command::Approve {
        action: "a1".into(),
        hash,
        by: Actor("ann".into()),
        role: Role::Operator,
        comment: String::new(),
    }));
    let reading = Reading { health: Health::Unhealthy, note: String::new() };
    tell(Input::Checked { action: "a1".into(), reading });
    assert!(matches!(case.next(), Step::Do(_)));
    let warrant = case.authorize(&policy, now).unwrap().into_warrant();
    (case.actions[0].action.clone(), warrant)
}

/// The scene's town at the moment of the alarm, and the cure with its permission.
fn cure(scene: &Scene) -> (Town, Arc<VirtualClock>, Action, Warrant) {
    let now = scene.cues().last().unwrap().at;
    let (town, clock) = town(scene, now);
    let truth = scene.truth().unwrap();
    let plan = plan(&town, truth.cure.unwrap(), &truth.target).unwrap();
    let (action, warrant) = permission(scene, &draft(truth.cure.unwrap(), &truth.target), plan, now);
    (town, clock, action, warrant)
}

/// Whether the action's own verification is content now.
fn looks_well(town: &Town, action: &Action) -> bool {
    let check = &action.plan.verification;
    let Expectation::LastValue { at_least, at_most, .. } = &check.expect else { panic!("a bound") };
    let query = &check.queries[0];
    let args: Vec<(&str, &str)> = query.args.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let read = look(town, &query.tool, &args).unwrap().telemetry;
    let newest = read.iter().filter_map(|telemetry| match telemetry {
        Telemetry::Metric { points, .. } => points.last().map(|(_, value)| *value),
        _ => None,
    });
    newest.into_iter().all(|value| at_least.is_none_or(|low| value >= low) && at_most.is_none_or(|high| value <= high))
}

#[test]
fn the_cure_cures_and_the_town_is_as_if_nothing_had_been() {
    let cured = stories().into_iter().filter(|story| story.ending == Ending::VerifiedFix && !story.mischief.whisper);
    for story in cured.filter(|story| story.mischief == Mischief::default()).map(|story| story.name) {
        for seed in 0..10 {
            let scene = scene(story, seed);
            let (town, clock, action, warrant) = cure(&scene);
            assert!(town.is_in_trouble() && !looks_well(&town, &action), "{story} {seed}");
            ready(town.hands().apply(&action, warrant)).unwrap();
            assert!(!town.is_in_trouble() && looks_well(&town, &action), "{story} {seed}");
            assert_eq!(ready(town.hands().was_applied(&action)), Ok(Applied::Yes));
            let now = clock.advance(60);
            let (twin, _) = crate::town(&scene.quiet_twin(), now);
            let minute = |town: &Town| {
                let logs = look(town, "town.logs", &[("last_seconds", "59")]).unwrap();
                (logs, look(town, "town.metrics", &[("minutes", "1")]).map(newest).unwrap())
            };
            assert_eq!(minute(&town), minute(&twin), "{story} {seed}");
        }
    }
}

fn newest(read: sentinell_core::evidence::Observation) -> Vec<(i64, f64)> {
    let last = |telemetry: &Telemetry| match telemetry {
        Telemetry::Metric { points, .. } => points.last().copied(),
        _ => None,
    };
    read.telemetry.iter().filter_map(last).collect()
}

#[test]
fn the_wrong_deed_helps_nobody_and_can_be_taken_back() {
    let scene = scene("bad_deploy", 4);
    let now = scene.cues()[0].at;
    let (town, _) = town(&scene, now);
    let innocent = scene.changes.iter().map(|(_, change)| change.subject.clone()).nth(1).unwrap();
    let plan = plan(&town, "town.rollout_undo", &innocent).unwrap();
    let (action, warrant) = permission(&scene, &draft("town.rollout_undo", &innocent), plan, now);
    assert!(!looks_well(&town, &action));
    ready(town.hands().apply(&action, warrant)).unwrap();
    assert!(town.is_in_trouble() && !looks_well(&town, &action));
    let undo = action.undo("a2".into(), action.expires_at).unwrap();
    let (_, warrant) = permission(&scene, &draft("town.rollout_undo", &innocent), undo.plan.clone(), now);
    // The warrant of the walk above is for `a1` with the undo's plan, so that is what is done.
    let undo = Action { id: "a1".into(), undoes: None, expires_at: action.expires_at, ..undo };
    ready(town.hands().apply(&undo, warrant)).unwrap();
    assert_eq!(town.deeds().len(), 2);
}

struct Sleep {
    clock: Arc<VirtualClock>,
    seconds: u32,
    at: Seam,
    meanwhile: Mutex<Option<(Action, Warrant, Town)>>,
}

impl Stall for Sleep {
    fn hold<'a>(&'a self, seam: Seam, _: &'a Action) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if seam == self.at {
                let other = self.meanwhile.lock().unwrap().take();
                if let Some((action, warrant, town)) = other {
                    town.hands().apply(&action, warrant).await.unwrap();
                }
                self.clock.advance(self.seconds);
            }
        })
    }
}

#[test]
fn a_late_sleeper_does_nothing() {
    let scene = scene("bad_deploy", 5);
    let (town, clock, action, warrant) = cure(&scene);
    let sleep = Sleep { clock, seconds: 61, at: Seam::BeforeDeed, meanwhile: Mutex::new(None) };
    let late = ready(town.clone().with_stall(Arc::new(sleep)).hands().apply(&action, warrant));
    assert!(matches!(late, Err(ActError::NotStarted(why)) if why.contains("ran out")));
    assert!(town.deeds().is_empty() && town.is_in_trouble());
    assert_eq!(town.refused().len(), 1);
}

#[test]
fn a_sleeper_whom_somebody_overtook_fails_at_the_precondition_and_in_a_blind_world_is_counted() {
    for (name, done) in [("bad_deploy", 1), ("unclear_end", 2)] {
        let mut scene = scene(name, 6);
        scene.story.mischief.hand = Default::default();
        let (town, clock, action, warrant) = cure(&scene);
        let now = clock.now();
        let truth = scene.truth().unwrap();
        let (same, second) = permission(&scene, &draft(truth.cure.unwrap(), &truth.target), action.plan.clone(), now);
        assert_eq!(same.hash(), action.hash());
        let meanwhile = Mutex::new(Some((same, second, town.clone())));
        let sleep = Sleep { clock, seconds: 5, at: Seam::BeforeDeed, meanwhile };
        let woke = ready(town.clone().with_stall(Arc::new(sleep)).hands().apply(&action, warrant));
        assert_eq!(town.times_done(&action.hash()), done, "{name}");
        assert_eq!(woke.is_ok(), done == 2, "{woke:?}");
    }
}

#[test]
fn hands_lie_as_the_story_says() {
    let scene_of = |name| scene(name, 7);
    let (town, _, action, warrant) = cure(&scene_of("unclear_end"));
    assert!(matches!(ready(town.hands().apply(&action, warrant)), Err(ActError::Unknown(_))));
    assert_eq!((ready(town.hands().was_applied(&action)), town.deeds().len()), (Ok(Applied::Yes), 1));
    let (town, _, action, warrant) = cure(&scene_of("in_doubt"));
    assert!(matches!(ready(town.hands().apply(&action, warrant)), Err(ActError::Unknown(_))));
    assert_eq!((ready(town.hands().was_applied(&action)), town.deeds().len()), (Ok(Applied::Unknown), 1));
    let (town, _, action, warrant) = cure(&scene_of("lost_deed"));
    assert!(matches!(ready(town.hands().apply(&action, warrant)), Err(ActError::Unknown(_))));
    assert_eq!((ready(town.hands().was_applied(&action)), town.deeds().len()), (Ok(Applied::No), 0));
    let denied = scene_of("no_permission");
    let (town, _) = crate::town(&denied, denied.onset);
    let truth = denied.truth().unwrap();
    assert!(matches!(plan(&town, truth.cure.unwrap(), &truth.target), Err(ToolError::Denied(_))));
}

#[test]
fn a_town_remembers_its_deeds_through_a_crash() {
    let scene = scene("lost_dependency", 8);
    let (town, _, action, warrant) = cure(&scene);
    ready(town.hands().apply(&action, warrant)).unwrap();
    let saved = serde_json::to_string(&town.deeds()).unwrap();
    let (again, _) = crate::town(&scene, scene.cues()[0].at);
    let again = again.with_deeds(serde_json::from_str(&saved).unwrap());
    assert!(!again.is_in_trouble());
    assert_eq!(ready(again.hands().was_applied(&action)), Ok(Applied::Yes));
}

#[test]
fn a_draft_that_makes_no_sense_is_refused() {
    let scene = scene("slow_database", 9);
    let (town, _) = town(&scene, scene.cues()[0].at);
    let target = scene.truth().unwrap().target;
    let bare = target.rsplit('/').next().unwrap();
    for (kind, target) in [("town.burn", target.as_str()), ("town.restart", bare), ("town.restart", "service/town/x")] {
        assert!(matches!(plan(&town, kind, target), Err(ToolError::BadQuery(_))), "{kind} {target}");
    }
}
