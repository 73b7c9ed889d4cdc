//! Cases as the hall would bring them: a signal with labels, and a proposal on its way to a warrant.

use sentinell_core::action::{Action, Plan};
use sentinell_core::approval::{Role, Warrant};
use sentinell_core::evidence::{Evidence, Observation, Query};
use sentinell_core::hypothesis::Hypothesis;
use sentinell_core::investigation::{Event, Health, Investigation, Reading, Usage};
use sentinell_core::policy::{Autonomy, Budget, Policy, Ruling};
use sentinell_core::ports::{Clock, Question, Tool, ToolError};
use sentinell_core::signal::{Severity, Signal, SignalState, SignalType};
use sentinell_core::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The machine's clock.
pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp(i64::try_from(since.as_millis()).unwrap())
    }
}

pub fn clock() -> Arc<dyn Clock> {
    Arc::new(WallClock)
}

pub fn now() -> Timestamp {
    WallClock.now()
}

/// A fresh case whose signal carries these labels.
pub fn case(labels: &[(&str, &str)]) -> Investigation {
    let signal = Signal {
        id: "s1".into(),
        signal_type: SignalType::Alert,
        source: "alertmanager".into(),
        delivery_id: None,
        state: SignalState::Firing,
        severity: Severity::High,
        title: "CartErrors".into(),
        text: "5xx on cart".into(),
        labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        repo_id: Some("r1".into()),
        source_ref: None,
        occurred_at: now(),
        received_at: now(),
        tags: vec![],
        metadata: serde_json::json!({}),
    };
    let opened = Event::Opened { signal: Box::new(signal), fingerprint: "f".into(), budget: Budget::default() };
    Investigation::open("i1".into(), now(), &opened).unwrap()
}

/// Args from pairs.
pub fn args(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Asks one question.
pub async fn ask(tool: &dyn Tool, pairs: &[(&str, &str)]) -> Result<Observation, ToolError> {
    let query = Query { id: "q1".into(), tool: tool.name().into(), args: args(pairs), why: String::new() };
    tool.observe(&query).await
}

/// Asks everything that a tool wants to know first.
pub async fn first_look(tool: &dyn Tool, case: &Investigation) -> Vec<Observation> {
    let mut seen = vec![];
    for Question { tool: name, args, why } in tool.first_look(case) {
        assert_eq!(name, tool.name());
        seen.push(tool.observe(&Query { id: "q1".into(), tool: name, args, why }).await.unwrap());
    }
    seen
}

/// An action with this plan, as the machine would propose it.
pub fn action(kind: &str, target: &str, params: &[(&str, &str)], plan: Plan) -> Action {
    Action {
        id: "a1".into(),
        incident: "i1".into(),
        kind: kind.into(),
        target: target.into(),
        params: args(params),
        because: "h1".into(),
        why: "it should help".into(),
        evidence: vec!["e1".into()],
        plan,
        undoes: None,
        expires_at: now().plus_seconds(600),
    }
}

/// Takes a proposal through a journal to the permission for it, valid for `seconds`.
pub fn warrant_for(action: &Action, seconds: u32) -> Warrant {
    let policy = Policy { autonomy: Autonomy::Approve, deed_seconds: seconds, ..Policy::default() };
    let query = Query { id: "q1".into(), tool: "kubernetes".into(), args: BTreeMap::new(), why: String::new() };
    let evidence = Evidence {
        id: "e1".into(),
        query: "q1".into(),
        subject: "service/shop/cart".into(),
        kind: "contradiction".into(),
        summary: "the image does not exist".into(),
        strength: 1.0,
        source: "kubectl get pods".into(),
        outsider_can_write: false,
        finding: serde_json::json!({}),
    };
    let hypothesis = Hypothesis {
        id: "h1".into(),
        component: "service/shop/cart".into(),
        fault: "bad_image".into(),
        confidence: 0.9,
        statement: "the image does not exist".into(),
        supports: vec!["e1".into()],
        contradicts: vec![],
    };
    let reading = Reading { health: Health::Unhealthy, note: "0 of 1 ready".into() };
    let (id, hash) = (action.id.clone(), action.hash());
    let journal = [
        Event::QueriesOpened { queries: vec![query] },
        Event::EvidenceGathered {
            query: "q1".into(),
            evidence: vec![evidence],
            gaps: vec![],
            call: String::new(),
            raw: String::new(),
            millis: 1,
        },
        Event::TurnTaken { by: "deterministic".into(), usage: Usage::default(), reply: None },
        Event::HypothesesFormed { hypotheses: vec![hypothesis], ruled_out: vec![], gaps: vec![] },
        Event::ActionProposed { action: Box::new(action.clone()), hash: hash.clone() },
        Event::ActionRuled { action: id.clone(), ruling: Ruling::ask("a person decides") },
        Event::ApprovalRequested { action: id.clone(), expires_at: action.expires_at },
        Event::ApprovalGranted {
            action: id.clone(),
            hash,
            by: "ann".into(),
            comment: String::new(),
            role: Role::Operator,
        },
        Event::StateChecked { action: id, reading, next_at: now() },
    ];
    let mut case = case(&[]);
    for event in &journal {
        case.fold(now(), event).unwrap();
    }
    let intent = case.authorize(&policy, now()).unwrap();
    case.fold(now(), &intent.event()).unwrap();
    intent.into_warrant()
}
