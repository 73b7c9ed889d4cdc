//! What a proposal to people outside (a pull request, an issue) tells of its incident: put in here, from the journal, whoever reasons.
//! A commit may be taken back only where the evidence that is cited names it.

use sentinell_core::evidence::Evidence;
use sentinell_core::hypothesis::Hypothesis;
use sentinell_core::investigation::{Decision, Doubt, Investigation, Turn};
use sentinell_core::ports::{BoxFuture, ReasonError, Reasoner};
use std::sync::Arc;

/// Takes a commit back.
pub const REVERT: &str = "git.revert";
/// The kinds of deeds that tell somebody outside why.
pub const KINDS: [&str; 2] = [REVERT, "github.issue"];
/// Pieces of evidence that are told.
const PIECES: usize = 20;
/// Characters of a cause or of a piece of evidence.
const LONGEST: usize = 300;

/// A reasoner whose proposals carry their reasons.
pub struct Cited {
    inner: Arc<dyn Reasoner>,
}

impl Cited {
    /// In front of this one.
    pub fn new(inner: Arc<dyn Reasoner>) -> Self {
        Self { inner }
    }
}

impl Reasoner for Cited {
    fn reason<'a>(&'a self, case: &'a Investigation, conclude: bool) -> BoxFuture<'a, Result<Turn, ReasonError>> {
        Box::pin(async move { Ok(told(case, self.inner.reason(case, conclude).await?)) })
    }

    fn doubt<'a>(&'a self, case: &'a Investigation) -> BoxFuture<'a, Doubt> {
        self.inner.doubt(case)
    }
}

fn told(case: &Investigation, turn: Turn) -> Turn {
    let Turn { decision, hypotheses, .. } = &turn;
    let decision = match decision {
        Decision::Act(draft) if KINDS.contains(&draft.kind.as_str()) => {
            let because = hypotheses.iter().find(|hypothesis| hypothesis.id == draft.because);
            // Without its reason the machine refuses it anyway.
            let Some(because) = because else { return turn };
            let cited = cited(case, because);
            let mut draft = draft.clone();
            if draft.kind == REVERT {
                let named = draft.params.get("commit").map(|commit| commit.trim().to_owned());
                let commits: Vec<&str> = cited.iter().filter_map(|evidence| commit(evidence)).collect();
                match named.filter(|commit| !commit.is_empty()) {
                    Some(commit) if !commits.contains(&commit.as_str()) => {
                        let why = format!(
                            "{REVERT} may take back only a commit whose whole hash stands in evidence of a change that the \
                                           hypothesis {} cites; those are: {}",
                            because.id,
                            commits.join(", ")
                        );
                        return Turn { decision: Decision::Unclear(why), ..turn };
                    }
                    Some(_) => {}
                    None => {
                        drop(commits.first().map(|commit| draft.params.insert("commit".into(), (*commit).to_owned())))
                    }
                }
            }
            let evidence = cited.iter().take(PIECES).map(|one| format!("{} {}", one.id, line(&one.summary)));
            draft.params.insert("incident".into(), case.id.as_str().to_owned());
            draft.params.insert("cause".into(), line(&because.statement));
            draft.params.insert("evidence".into(), evidence.collect::<Vec<_>>().join("\n"));
            Decision::Act(draft)
        }
        Decision::Conclude(why) => match waiting(case) {
            Some(waiting) => Decision::Conclude(format!("{why}; {waiting}")),
            None => return turn,
        },
        _ => return turn,
    };
    Turn { decision, ..turn }
}

/// What a hypothesis cites, the strongest first.
fn cited<'c>(case: &'c Investigation, because: &Hypothesis) -> Vec<&'c Evidence> {
    let mut cited: Vec<&Evidence> = case.evidence.iter().filter(|one| because.supports.contains(&one.id)).collect();
    cited.sort_by(|one, other| other.strength.total_cmp(&one.strength));
    cited
}

/// The commit that a piece of evidence is about.
fn commit(evidence: &Evidence) -> Option<&str> {
    let is_hash = |text: &str| {
        matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    (evidence.kind == "change" && is_hash(&evidence.source)).then_some(evidence.source.as_str())
}

/// What was proposed to people and has not helped yet: merging is theirs.
fn waiting(case: &Investigation) -> Option<String> {
    let mut proposed = case.actions.iter().rev().filter(|record| KINDS.contains(&record.action.kind.as_str()));
    let output =
        proposed.find_map(|record| Some(record.output.as_str()).filter(|output| output.starts_with("http")))?;
    Some(line(output))
}

fn line(text: &str) -> String {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    flat.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sentinell_core::action::ActionDraft;
    use sentinell_core::investigation::{Event, Usage};
    use sentinell_core::policy::Budget;
    use sentinell_core::signal::{Severity, Signal, SignalState, SignalType};
    use sentinell_core::time::Timestamp;
    use serde_json::json;
    use std::collections::BTreeMap;

    const BAD: &str = "6dcb09b5b57875f334f61aebed695e2e4193db5e";

    fn evidence(id: &str, kind: &str, strength: f64, source: &str) -> Evidence {
        Evidence {
            id: id.into(),
            query: "q1".into(),
            subject: "service/till".into(),
            kind: kind.into(),
            summary: format!("{kind}\nof {id}"),
            strength,
            source: source.into(),
            outsider_can_write: false,
            finding: json!({}),
        }
    }

    fn case() -> Investigation {
        let signal = Signal {
            id: "s1".into(),
            signal_type: SignalType::Alert,
            source: "alertmanager".into(),
            delivery_id: None,
            state: SignalState::Firing,
            severity: Severity::High,
            title: "TillErrors".into(),
            text: String::new(),
            labels: BTreeMap::new(),
            repo_id: None,
            source_ref: None,
            occurred_at: Timestamp(0),
            received_at: Timestamp(0),
            tags: vec![],
            metadata: json!({}),
        };
        let opened = Event::Opened { signal: Box::new(signal), fingerprint: "f".into(), budget: Budget::default() };
        let mut case = Investigation::open("i1".into(), Timestamp(0), &opened).unwrap();
        let innocent = "0".repeat(40);
        case.evidence = vec![
            evidence("e1", "log_novelty", 0.9, &"a".repeat(40)),
            evidence("e2", "change", 0.3, &"b".repeat(40)),
            evidence("e3", "change", 0.8, BAD),
            evidence("e4", "change", 0.9, &innocent),
            evidence("e5", "change", 0.95, "revision 7"),
        ];
        case
    }

    fn turn(kind: &str, params: &[(&str, &str)]) -> Turn {
        let because = Hypothesis {
            id: "h1".into(),
            component: "service/till".into(),
            fault: "bad_change".into(),
            confidence: 0.8,
            statement: "the limit was\nraised".into(),
            supports: ["e1", "e2", "e3", "e5"].map(Into::into).to_vec(),
            contradicts: vec!["e4".into()],
        };
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (kind, target) = (kind.to_owned(), "repository/till".to_owned());
        let draft = ActionDraft { kind, target, params, because: "h1".into(), why: String::new() };
        Turn::free("model", Decision::Act(draft), vec![because], vec![])
    }

    fn params(turn: Turn) -> BTreeMap<String, String> {
        match told(&case(), turn).decision {
            Decision::Act(draft) => draft.params,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_proposal_carries_what_the_journal_says_and_not_what_a_model_says() {
        let told = params(turn(REVERT, &[("cause", "@everyone"), ("incident", "i9"), ("evidence", "e9 lies")]));
        assert_eq!(told["commit"], BAD, "the strongest change that is cited and is a commit");
        assert_eq!((told["incident"].as_str(), told["cause"].as_str()), ("i1", "the limit was raised"));
        let lines: Vec<&str> = told["evidence"].lines().collect();
        assert_eq!(lines, ["e5 change of e5", "e1 log_novelty of e1", "e3 change of e3", "e2 change of e2"]);
        assert!(!params(turn("github.issue", &[])).contains_key("commit"));
        assert!(params(turn("kubernetes.scale", &[("replicas", "2")])).len() == 1, "other deeds are left alone");
    }

    #[test]
    fn only_a_commit_that_cited_evidence_of_a_change_names_may_be_taken_back() {
        assert_eq!(params(turn(REVERT, &[("commit", &"b".repeat(40))]))["commit"], "b".repeat(40));
        // Named by a log line, held against the cause, a part of a hash, an option, nobody.
        for odd in ["a".repeat(40), "0".repeat(40), BAD[..12].to_owned(), "--output=x".to_owned(), "c".repeat(40)] {
            let refused = told(&case(), turn(REVERT, &[("commit", &odd)])).decision;
            assert!(matches!(&refused, Decision::Unclear(why) if why.contains(BAD)), "{odd}: {refused:?}");
        }
    }

    #[test]
    fn a_conclusion_says_what_waits_for_people() {
        let mut case = case();
        let end = || Turn::free("deterministic", Decision::Conclude("no more".into()), vec![], vec![]);
        assert_eq!(told(&case, end()).decision, Decision::Conclude("no more".into()));
        let url = "https://github.com/acme/till/pull/7 waits for people to merge it";
        let record = sentinell_core::investigation::ActionRecord {
            action: serde_json::from_value(json!({
                "id": "a1", "incident": "i1", "kind": REVERT, "target": "repository/till", "because": "h1", "why": "", "evidence": [],
                "deed": {"argv": []}, "undo": null, "undo_if_unhelpful": false, "environment": "production", "precondition": "",
                "verification": {"queries": [], "expect": {"kind": "findings_gone", "subject": "x"}, "hold_seconds": 1,
                "every_seconds": 1, "within_seconds": 1}, "blast_radius": {"objects": 1, "description": ""}, "expires_at": "2026-11-22T14:00:00Z",
            }))
            .unwrap(),
            hash: "h".into(),
            ruling: None,
            state: sentinell_core::investigation::ActionState::Unhelpful,
            decided_by: None,
            approvals: vec![],
            attempts: 1,
            output: url.into(),
            readings: vec![],
        };
        case.actions.push(record);
        assert_eq!(told(&case, end()).decision, Decision::Conclude(format!("no more; {url}")));
        assert_eq!(Usage::default(), end().usage);
    }
}
