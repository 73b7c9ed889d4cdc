//! The report for a person: the cause first, then what it rests on, then what could not be seen.

use super::chart::{bar, range, sparkline, thousands};
use super::paint::{Paint, plain, wrap};
use super::{Report, evidence_id};
use sentinell_evidence::finding::{Finding, Hypothesis};
use std::collections::BTreeSet;
use std::fmt::Write;

/// How many causes, findings beyond the cited ones, dropped causes and gaps are shown; `--json` has them all.
const CAUSES: usize = 3;
const OTHER_FINDINGS: usize = 6;
const DROPPED: usize = 5;
const GAPS: usize = 10;

pub(super) fn render(report: &Report, paint: Paint) -> String {
    let mut page = Page { report, paint, text: String::new() };
    page.head();
    page.causes();
    page.evidence();
    page.dropped();
    page.gaps();
    page.text
}

struct Page<'r> {
    report: &'r Report,
    paint: Paint,
    text: String,
}

impl Page<'_> {
    fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    /// Wrapped text with a hanging indent.
    fn paragraph(&mut self, label: &str, text: &str, style: impl Fn(Paint, &str) -> String) {
        let width = self.paint.width.saturating_sub(12);
        for (place, line) in wrap(text, width).iter().enumerate() {
            let label = if place == 0 { label } else { "" };
            let painted = style(self.paint, line);
            self.line(&format!("  {}{painted}", self.paint.dim(&format!("{label:<10}"))));
        }
    }

    fn head(&mut self) {
        let found = &self.report.diagnosis;
        let what = self.paint.bold(&plain(&self.report.what, 80));
        let counts = format!(
            "{} read(s), {} finding(s), {} ms",
            self.report.calls.len(),
            thousands(found.findings.len()),
            thousands(self.report.millis as usize)
        );
        let counts = self.paint.dim(&counts);
        self.line(&format!("{what}  {counts}"));
        if let Some(onset) = found.onset {
            let at = sentinell_core::time::Timestamp(onset.start_ms);
            let onset = self.paint.dim(&format!("it began about {at}"));
            self.line(&onset);
        }
        self.line("");
    }

    fn causes(&mut self) {
        let hypotheses = &self.report.diagnosis.ranking.hypotheses;
        let Some(first) = hypotheses.first() else {
            let verdict = self.paint.yellow("NOT ENOUGH EVIDENCE");
            self.line(&format!("{verdict}  no cause is named. What was seen and what was not stands below."));
            return self.line("");
        };
        self.cause(&self.paint.red("CAUSE"), first);
        for other in hypotheses.iter().skip(1).take(CAUSES - 1) {
            self.cause(&self.paint.dim("or   "), other);
        }
        if hypotheses.len() > CAUSES {
            let more = format!("{} less likely causes: see --json", hypotheses.len() - CAUSES);
            self.line(&self.paint.dim(&more));
        }
        self.line("");
    }

    fn cause(&mut self, label: &str, cause: &Hypothesis) {
        let name = self.paint.bold(&format!("{}: {}", plain(&cause.component.to_string(), 120), cause.fault.word()));
        let sure = format!("{:.0} % {}", cause.confidence.clamp(0.0, 1.0) * 100.0, bar(cause.confidence, 10));
        self.line(&format!("{label}  {name}  {}", self.paint.cyan(&sure)));
        self.paragraph("", &plain(&cause.statement, 400), |_, line| line.to_owned());
        for (label, cited) in [("for", &cause.supports), ("against", &cause.contradicts)] {
            if !cited.is_empty() {
                let ids: Vec<String> = cited.iter().take(12).map(|index| evidence_id(*index)).collect();
                self.paragraph(label, &ids.join(" "), Paint::cyan);
            }
        }
    }

    fn evidence(&mut self) {
        let found = &self.report.diagnosis;
        let causes = found.ranking.hypotheses.iter().take(CAUSES);
        let dropped = found.ranking.ruled_out.iter().take(DROPPED).flat_map(|out| &out.because);
        let cited: BTreeSet<usize> = causes
            .flat_map(|c| c.supports.iter().take(12).chain(c.contradicts.iter().take(12)))
            .chain(dropped)
            .copied()
            .filter(|index| *index < found.findings.len())
            .collect();
        let others = (0..found.findings.len()).filter(|index| !cited.contains(index)).take(OTHER_FINDINGS);
        let shown: Vec<usize> = cited.iter().copied().chain(others).collect();
        if shown.is_empty() {
            return;
        }
        self.line(&self.paint.bold("EVIDENCE"));
        for index in &shown {
            self.finding(*index, &found.findings[*index]);
        }
        if found.findings.len() > shown.len() {
            let more = format!("  {} weaker findings: see --json", thousands(found.findings.len() - shown.len()));
            self.line(&self.paint.dim(&more));
        }
        self.line("");
    }

    fn finding(&mut self, index: usize, finding: &Finding) {
        let id = self.paint.cyan(&format!("{:<4}", evidence_id(index)));
        let strength = bar(finding.strength, 4);
        let subject = plain(&finding.subject.to_string(), 60);
        self.line(&format!("  {id} {strength} {}", self.paint.bold(&subject)));
        self.paragraph("", &plain(&finding.summary, 300), |_, line| line.to_owned());
        let chart = sparkline(&finding.points, 48);
        if !chart.is_empty() {
            let mut line = self.paint.cyan(&chart);
            let _ = write!(line, "  {}", self.paint.dim(&range(&finding.points)));
            self.line(&format!("            {line}"));
        }
        if let Some(excerpt) = &finding.excerpt {
            let quoted = format!("“{}”", plain(excerpt, self.paint.width.saturating_sub(16)));
            self.line(&format!("            {}", self.paint.dim(&quoted)));
        }
        let source = format!("from {}", plain(&finding.source, self.paint.width.saturating_sub(18)));
        self.line(&format!("            {}", self.paint.dim(&source)));
    }

    fn dropped(&mut self) {
        let dropped = &self.report.diagnosis.ranking.ruled_out;
        if dropped.is_empty() {
            return;
        }
        self.line(&self.paint.bold("RULED OUT"));
        for out in dropped.iter().take(DROPPED) {
            let fault = out.fault.map(|fault| format!(": {}", fault.word())).unwrap_or_default();
            let because: Vec<String> = out.because.iter().take(6).map(|index| evidence_id(*index)).collect();
            let text = format!("{}{fault}: {} [{}]", out.component, out.why, because.join(" "));
            self.paragraph("·", &plain(&text, 300), |_, line| line.to_owned());
        }
        self.line("");
    }

    fn gaps(&mut self) {
        let gaps = &self.report.diagnosis.gaps;
        if gaps.is_empty() {
            return;
        }
        self.line(&self.paint.yellow("NOT SEEN"));
        for gap in gaps.iter().take(GAPS) {
            self.paragraph("·", &plain(&format!("{}: {}", gap.what, gap.why), 300), |_, line| line.to_owned());
        }
        if gaps.len() > GAPS {
            let more = format!("  and {} more: see --json", gaps.len() - GAPS);
            self.line(&self.paint.dim(&more));
        }
        self.line("");
    }
}
