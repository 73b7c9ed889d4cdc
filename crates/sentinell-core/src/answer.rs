//! Questions about an incident, answered from its journal and from nothing else.

use crate::hypothesis::Hypothesis;
use crate::ids::EvidenceId;
use crate::investigation::{Investigation, Phase};
use serde::Serialize;

/// Lines of a kind that an answer has at most; the rest is counted.
const LINES: usize = 4;

/// What the journal says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// One statement a line, as it was recorded: text from outside, not yet escaped for any window.
    pub text: String,
    /// The evidence that it cites.
    pub evidence: Vec<EvidenceId>,
}

/// Answers about the component that a question names, otherwise about the leading cause. Nothing is made up: where the
/// journal is silent, the answer says so.
pub fn answer(case: &Investigation, question: &str) -> Answer {
    let question = question.to_lowercase();
    let mut told = Told { case, lines: vec![], evidence: vec![] };
    let asked = case.hypotheses.iter().find(|hypothesis| names(&question, &hypothesis.component));
    let out = told.ruled_out(Some(&question));
    match asked.or_else(|| case.hypotheses.first().filter(|_| !out)) {
        Some(hypothesis) => told.cause(hypothesis),
        None if out => {}
        None => told.lines.push("No cause has a name yet.".to_owned()),
    }
    if asked.is_none() {
        told.seen_of(&question);
    }
    if !out {
        told.ruled_out(None);
    }
    told.gaps();
    told.lines.push(stands(case));
    Answer { text: told.lines.join("\n"), evidence: told.evidence }
}

/// Whether the question has the last part of a component's name in it.
fn names(question: &str, component: &str) -> bool {
    let name = component.split(':').next().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_lowercase();
    let letter = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    name.len() >= 2 && question.split(|c| !letter(c)).any(|word| word == name)
}

struct Told<'a> {
    case: &'a Investigation,
    lines: Vec<String>,
    evidence: Vec<EvidenceId>,
}

impl Told<'_> {
    fn cause(&mut self, hypothesis: &Hypothesis) {
        let leading = self.case.hypotheses.first().is_some_and(|first| first.id == hypothesis.id);
        let rank = if leading { "Most likely" } else { "Less likely" };
        let Hypothesis { component, statement, confidence, .. } = hypothesis;
        self.lines.push(format!("{rank}, {:.0} % sure: {component}: {statement}", confidence * 100.0));
        self.cite("For it", &hypothesis.supports);
        self.cite("Against it", &hypothesis.contradicts);
    }

    fn cite(&mut self, word: &str, ids: &[EvidenceId]) {
        let found = ids.iter().filter_map(|id| self.case.evidence.iter().find(|evidence| evidence.id == *id));
        let lines: Vec<_> = found
            .take(LINES)
            .map(|found| (format!("{word} ({}): {}; {}", found.id, found.summary, found.source), found.id.clone()))
            .collect();
        for (line, id) in lines {
            self.lines.push(line);
            self.evidence.push(id);
        }
        if ids.len() > LINES {
            self.lines.push(format!("… and {} more", ids.len() - LINES));
        }
    }

    /// What was seen of a component that no hypothesis is about.
    fn seen_of(&mut self, question: &str) {
        let about = self.case.evidence.iter().filter(|evidence| names(question, &evidence.subject));
        let ids: Vec<EvidenceId> =
            about.map(|evidence| evidence.id.clone()).filter(|id| !self.evidence.contains(id)).collect();
        self.cite("Seen", &ids);
    }

    /// What was ruled out: of the component that is named, or the first of all. Whether there was any.
    fn ruled_out(&mut self, question: Option<&str>) -> bool {
        let meant = |what: &str| question.is_none_or(|question| names(question, what));
        let before = self.lines.len();
        for out in self.case.ruled_out.iter().filter(|out| meant(&out.what)).take(LINES) {
            self.lines.push(format!("Ruled out, {}: {}", out.what, out.why));
            self.evidence.extend(out.because.iter().cloned());
        }
        self.lines.len() > before
    }

    fn gaps(&mut self) {
        let gaps = &self.case.gaps;
        self.lines.extend(gaps.iter().take(LINES).map(|gap| format!("Not seen, {}: {}", gap.what, gap.why)));
        if gaps.len() > LINES {
            self.lines.push(format!("… and {} more that could not be seen", gaps.len() - LINES));
        }
    }
}

/// Where the investigation stands, in a sentence.
fn stands(case: &Investigation) -> String {
    match &case.phase {
        Phase::Escalated { why } => format!("A person has to take over: {why}"),
        Phase::DeadLetter { why } => format!("Given up: {why}"),
        Phase::Resolved { .. } => "It is resolved.".to_owned(),
        Phase::AwaitingApproval { action, .. } => {
            let wanted = case.action(action).map(|record| &record.action);
            let deed = wanted.map_or_else(String::new, |action| format!(" of {} on {}", action.kind, action.target));
            format!("It waits for a person's approval{deed}.")
        }
        phase => format!("It is {} now.", phase.word().replace('_', " ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Gap};
    use crate::hypothesis::RuledOut;
    use crate::investigation::Event;
    use crate::policy::Budget;
    use crate::signal::{Severity, SignalState};
    use crate::time::Timestamp;
    use crate::triage::tests::signal;
    use serde_json::Value;

    fn opened() -> Investigation {
        let signal = signal(SignalState::Firing, Severity::High, 0);
        let event = Event::Opened { signal: Box::new(signal), fingerprint: "f".into(), budget: Budget::default() };
        Investigation::open("i1".into(), Timestamp(0), &event).unwrap()
    }

    fn evidence(id: &str, subject: &str, summary: &str) -> Evidence {
        Evidence {
            id: id.into(),
            query: "q1".into(),
            subject: subject.into(),
            kind: "contradiction".into(),
            summary: summary.into(),
            strength: 1.0,
            source: "kubectl".into(),
            outsider_can_write: false,
            finding: Value::Null,
        }
    }

    fn case() -> Investigation {
        let hypothesis = |id: &str, component: &str, supports: &str, confidence| Hypothesis {
            id: id.into(),
            component: component.into(),
            fault: "out_of_memory".into(),
            confidence,
            statement: format!("{component} ran out of memory"),
            supports: vec![supports.into()],
            contradicts: vec![],
        };
        let mut case = opened();
        case.evidence = vec![
            evidence("e1", "service/mill", "killed at 20 MiB"),
            evidence("e2", "service/oven", "restarted twice"),
            evidence("e3", "service/till", "answers slowly"),
        ];
        case.hypotheses =
            vec![hypothesis("h1", "service/mill", "e1", 0.9), hypothesis("h2", "service/oven", "e2", 0.2)];
        let what = "service/cellar: disk_full".to_owned();
        case.ruled_out = vec![RuledOut { what, why: "half empty".into(), because: vec![] }];
        case.gaps = vec![Gap { what: "its logs".into(), why: "no right to read them".into() }];
        case
    }

    #[test]
    fn the_leading_cause_is_told_with_its_evidence_and_what_was_not_seen() {
        let told = answer(&case(), "why?");
        for part in ["Most likely, 90 % sure: service/mill", "(e1): killed at 20 MiB", "half empty", "no right to read"]
        {
            assert!(told.text.contains(part), "{part} is missing in {}", told.text);
        }
        assert_eq!(told.evidence, ["e1".into()]);
    }

    #[test]
    fn a_named_component_is_answered_about() {
        let oven = answer(&case(), "Is it the OVEN?");
        assert!(oven.text.starts_with("Less likely, 20 % sure: service/oven"), "{}", oven.text);
        let cellar = answer(&case(), "what about the cellar");
        assert!(
            cellar.text.starts_with("Ruled out, service/cellar") && !cellar.text.contains("mill"),
            "{}",
            cellar.text
        );
        let till = answer(&case(), "and the till?");
        assert_eq!(till.evidence, ["e1".into(), "e3".into()]);
    }

    #[test]
    fn an_empty_journal_answers_that_nothing_is_known() {
        assert!(answer(&opened(), "why?").text.starts_with("No cause has a name yet."));
    }
}
