//! Where analyzers put what they see.

use crate::finding::{Entity, Fault, Finding, FindingKind, Gap, Window};

/// Longest summary and excerpt, in characters.
const MAX_TEXT: usize = 300;

/// Findings and gaps as they come.
#[derive(Debug, Default)]
pub struct Report {
    /// What was seen.
    pub findings: Vec<Finding>,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
}

impl Report {
    /// Declared and real do not agree.
    pub fn contradiction(
        &mut self,
        subject: Entity,
        fault: Fault,
        strength: f64,
        specificity: u8,
        summary: &str,
        source: &str,
    ) {
        self.add(FindingKind::Contradiction, subject, Some(fault), (strength, specificity), summary, source, "");
    }

    /// The same with the words of the source that say so.
    pub fn quoted(
        &mut self,
        subject: Entity,
        fault: Fault,
        weight: (f64, u8),
        summary: &str,
        source: &str,
        excerpt: &str,
    ) {
        self.add(FindingKind::Contradiction, subject, Some(fault), weight, summary, source, excerpt);
    }

    /// Slow of itself: the network, as far as anyone can tell.
    pub fn slow(&mut self, subject: Entity, strength: f64, summary: &str, (source, window): (&str, Window)) {
        self.contradiction(subject.clone(), Fault::NetworkDelay, strength, 8, summary, source);
        let found = self.findings.iter_mut().find(|f| f.subject == subject && f.fault == Some(Fault::NetworkDelay));
        if let Some(finding) = found {
            finding.window = Some(window);
        }
    }

    /// What looks like a fault of the subject is brought about by something else: evidence against.
    pub fn explained(&mut self, subject: Entity, fault: Fault, summary: &str, source: &str) {
        self.add(FindingKind::Healthy, subject, Some(fault), (1.0, 8), summary, source, "");
    }

    /// It hurts here; why is not visible from this alone.
    pub fn symptom(
        &mut self,
        subject: Entity,
        fault: Option<Fault>,
        weight: (f64, u8),
        summary: &str,
        source: &str,
        excerpt: &str,
    ) {
        self.add(FindingKind::Symptom, subject, fault, weight, summary, source, excerpt);
    }

    #[expect(clippy::too_many_arguments, reason = "the one place where a finding is put together")]
    fn add(
        &mut self,
        kind: FindingKind,
        subject: Entity,
        fault: Option<Fault>,
        scale: (f64, u8),
        summary: &str,
        source: &str,
        excerpt: &str,
    ) {
        let finding = Finding {
            subject,
            kind,
            fault,
            window: None,
            strength: scale.0,
            specificity: scale.1,
            summary: plain(summary),
            source: plain(source),
            excerpt: (!excerpt.is_empty()).then(|| plain(excerpt)),
            points: Vec::new(),
        };
        let same = |other: &Finding| {
            other.subject == finding.subject && other.fault == finding.fault && other.kind == finding.kind
        };
        match self.findings.iter_mut().find(|other| same(other)) {
            // Ten pods with the same fault are one finding, said once, by the strongest.
            Some(known) if weight(known) >= weight(&finding) => {}
            Some(known) => *known = finding,
            None => self.findings.push(finding),
        }
    }
}

/// What findings are ordered by: strength times specificity.
pub fn weight(finding: &Finding) -> f64 {
    finding.strength * f64::from(finding.specificity)
}

/// One line, bounded, without control characters.
pub fn plain(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect();
    clean.trim().to_owned()
}
