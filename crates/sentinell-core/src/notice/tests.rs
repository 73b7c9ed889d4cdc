use super::*;
use crate::action::Deed;
use crate::action::tests::rollback;
use crate::approval::Role;
use crate::policy::{Budget, Ruling};
use crate::ports::Applied;
use crate::signal::SignalState;
use crate::triage::tests::signal;

/// An incident of which everything is told.
struct Told {
    case: Investigation,
    notices: Vec<Notice>,
}

impl Told {
    fn opened(severity: Severity, title: &str) -> Self {
        let mut signal = Box::new(signal(SignalState::Firing, severity, 0));
        title.clone_into(&mut signal.title);
        let event = Event::Opened { signal, fingerprint: "f1".into(), budget: Budget::default() };
        let case = Investigation::open("inc_1.x".into(), Timestamp(0), &event).unwrap();
        Self { notices: vec![Notice::opened(&case)], case }
    }

    fn then(mut self, event: Event) -> Self {
        let before = Before::of(&self.case);
        let at = self.case.updated_at.plus_seconds(1);
        self.case.fold(at, &event).unwrap();
        self.notices.extend(before.notice(&self.case, &event));
        self
    }

    fn kinds(&self) -> Vec<NoticeKind> {
        self.notices.iter().map(|notice| notice.kind).collect()
    }
}

fn believed(statement: &str) -> Event {
    let hypothesis = Hypothesis {
        id: "h1".into(),
        component: "service/cart".into(),
        fault: "bad_image".into(),
        confidence: 0.9,
        statement: statement.into(),
        supports: vec!["e1".into()],
        contradicts: vec![],
    };
    Event::HypothesesFormed { hypotheses: vec![hypothesis], ruled_out: vec![], gaps: vec![] }
}

fn asked(action: Action) -> [Event; 3] {
    let (id, hash, expires_at) = (action.id.clone(), action.hash(), action.expires_at);
    [
        Event::ActionProposed { action: Box::new(action), hash },
        Event::ActionRuled { action: id.clone(), ruling: Ruling::ask("house rules") },
        Event::ApprovalRequested { action: id, expires_at },
    ]
}

fn resolved() -> Event {
    Event::Resolved { resolution: Resolution::Person, by: "ann".into(), why: "restarted by hand".into() }
}

#[test]
fn people_are_told_what_is_news_and_nothing_twice() {
    let joined = |severity| Event::AlertJoined {
        signal: "s2".into(),
        fingerprint: "f2".into(),
        title: "more".into(),
        severity,
        why: "same service".into(),
    };
    let mut told = Told::opened(Severity::Medium, "cart is down")
        .then(joined(Severity::Low))
        .then(joined(Severity::Critical))
        .then(believed("its image does not exist"))
        .then(believed("its image still does not exist"));
    for event in asked(rollback("inc_1.x")) {
        told = told.then(event);
    }
    let told = told
        .then(Event::Escalated { why: "nobody answered".into() })
        .then(Event::NoteAdded { by: "ann".into(), text: "looking".into() })
        .then(resolved());
    use NoticeKind::{ApprovalWanted, Escalated, Hypothesis, Opened, Resolved, Worsened};
    assert_eq!(told.kinds(), [Opened, Worsened, Hypothesis, ApprovalWanted, Escalated, Resolved]);
    let ids: BTreeSet<_> = told.notices.iter().map(|notice| notice.id.as_str()).collect();
    assert_eq!(ids.len(), told.notices.len());
    assert!(ids.iter().all(|id| id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')), "{ids:?}");
    let approval = &told.notices[3];
    let shown = approval.action.as_ref().unwrap();
    assert_eq!(shown.hash, rollback("inc_1.x").hash(), "an approval names the hash of the whole deed");
    assert!(approval.summary.contains("deployment/shop/cart"), "{}", approval.summary);
    assert_eq!(told.notices[5].by, Some("ann".into()));
}

#[test]
fn a_deed_in_doubt_and_the_end_of_a_blocked_one_are_told() {
    let mut told = Told::opened(Severity::High, "cart is down").then(believed("bad image"));
    for event in asked(rollback("inc_1.x")) {
        told = told.then(event);
    }
    let action = || "a1".into();
    let reading =
        crate::investigation::Reading { health: crate::investigation::Health::Unhealthy, note: "still down".into() };
    let hash = rollback("inc_1.x").hash();
    let told = told
        .then(Event::ApprovalGranted {
            action: action(),
            hash,
            by: "ann".into(),
            comment: String::new(),
            role: Role::Operator,
        })
        .then(Event::StateChecked { action: action(), reading, next_at: Timestamp(9) })
        .then(Event::ActionStarted { action: action(), attempt: 1, deadline: Timestamp(9) })
        .then(Event::WaitEnded {})
        .then(Event::Reconciled { action: action(), applied: Applied::Unknown, note: "no answer".into() });
    let last = told.notices.last().unwrap();
    assert_eq!(last.kind, NoticeKind::InDoubt);
    assert!(last.action.is_some() && last.kind.needs_a_person());

    let dead = Told::opened(Severity::Low, "x").then(Event::DeadLettered { why: "3 crashes".into() });
    assert_eq!(dead.kinds(), [NoticeKind::Opened, NoticeKind::DeadLettered]);
}

#[test]
fn a_threshold_keeps_news_away_but_never_a_call_for_help() {
    let wanted = Wanted { kinds: NoticeKind::ALL.into(), at_least: Severity::High };
    let told = Told::opened(Severity::Low, "a nit").then(Event::Escalated { why: "no idea".into() }).then(resolved());
    let sent: Vec<_> = told.notices.iter().filter(|notice| wanted.wants(notice)).map(|notice| notice.kind).collect();
    assert_eq!(sent, [NoticeKind::Escalated]);
    let only = Wanted { kinds: [NoticeKind::Resolved].into(), at_least: Severity::Low };
    assert_eq!(told.notices.iter().filter(|notice| only.wants(notice)).count(), 1);
}

#[test]
fn a_payload_is_documented_redacted_and_bounded_whatever_came_in() {
    let hostile = format!("down password=Tr0ub4dor3 \u{1b}[31m\n{}", "x".repeat(100_000));
    let mut action = rollback("inc_1.x");
    action.plan.deed =
        Deed::Argv((0..5_000).map(|n| format!("--token=hunter2hunter2{n}{}", "y".repeat(5_000))).collect());
    action.why.clone_from(&hostile);
    let mut told = Told::opened(Severity::Critical, &hostile).then(believed(&hostile));
    for event in asked(action) {
        told = told.then(event);
    }
    for notice in &told.notices {
        let text = serde_json::to_string(&notice.payload(Some("https://sentinell.example/"))).unwrap();
        assert!(text.len() < 20_000, "{} bytes", text.len());
        assert!(!text.contains("Tr0ub4dor3") && !text.contains("hunter2") && !text.contains("\\u001b"), "{text}");
    }
    let payload = told.notices[0].payload(Some("https://sentinell.example/"));
    assert_eq!(payload["type"], "incident.opened");
    assert_eq!(payload["data"]["incident"]["severity"], "critical");
    assert_eq!(payload["data"]["links"]["incident"], "https://sentinell.example/#inc_1.x");
    assert!(told.notices[0].payload(None)["data"]["links"].is_null());
}
