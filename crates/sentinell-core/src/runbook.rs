//! Runbooks: what a team does about a known fault, as Markdown with front matter.
//!
//! ```text
//! ---
//! name: Take back a rollout that cannot start
//! when:
//!   fault: [image_not_found, crash_loop]     # the engine's words; `*` at the end matches any rest
//!   component: service/*                     # optional
//!   min_confidence: 0.6                      # optional
//! action:                                    # optional: without it the runbook is advice for a person
//!   kind: kubernetes.rollout_undo
//!   target: deployment/{namespace}/{name}    # {component}, {namespace}, {name} of the hypothesis
//!   params: {}
//! ---
//! Free text for people.
//! ```

use crate::action::ActionDraft;
use crate::hypothesis::Hypothesis;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Longest runbook, bytes.
const LONGEST: usize = 64 * 1024;

/// One runbook.
#[derive(Debug, Clone, PartialEq)]
pub struct Runbook {
    /// Its title.
    pub name: String,
    /// When it applies.
    pub when: When,
    /// What to do, if a machine can.
    pub action: Option<Template>,
    /// The text for people.
    pub text: String,
}

/// When a runbook applies.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// Faults in the engine's words; a `*` at the end matches any rest.
    pub fault: Vec<String>,
    /// Components; a `*` at the end matches any rest.
    #[serde(default = "anything")]
    pub component: String,
    /// How sure one must be.
    #[serde(default = "sure_enough")]
    pub min_confidence: f64,
}

/// An action with holes for the hypothesis' component.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The action's kind.
    pub kind: String,
    /// Its target.
    pub target: String,
    /// Its parameters.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontMatter {
    name: String,
    when: When,
    action: Option<Template>,
}

fn anything() -> String {
    "*".into()
}

fn sure_enough() -> f64 {
    0.6
}

impl Runbook {
    /// Reads a runbook.
    ///
    /// # Errors
    /// A sentence saying what is wrong with it.
    pub fn parse(markdown: &str) -> Result<Self, String> {
        if markdown.len() > LONGEST {
            return Err(format!("longer than {} KiB", LONGEST / 1024));
        }
        let rest = markdown.trim_start().strip_prefix("---").ok_or("no front matter: the first line must be `---`")?;
        let (yaml, text) = rest.split_once("\n---").ok_or("the front matter does not end: a line `---` is missing")?;
        let front: FrontMatter = serde_saphyr::from_str(yaml).map_err(|error| format!("front matter: {error}"))?;
        if front.when.fault.is_empty() {
            return Err("`when.fault` must name at least one fault".into());
        }
        if !(0.0..=1.0).contains(&front.when.min_confidence) {
            return Err("`when.min_confidence` must lie between 0 and 1".into());
        }
        let FrontMatter { name, when, action } = front;
        Ok(Self { name, when, action, text: text.trim().to_owned() })
    }

    /// Whether it applies to this hypothesis.
    pub fn applies_to(&self, hypothesis: &Hypothesis) -> bool {
        hypothesis.confidence >= self.when.min_confidence
            && self.when.fault.iter().any(|fault| fits(fault, &hypothesis.fault))
            && fits(&self.when.component, &hypothesis.component)
    }

    /// The action it proposes for this hypothesis; none if it is advice only, or if the component lacks a part that the
    /// template needs.
    pub fn draft(&self, hypothesis: &Hypothesis) -> Option<ActionDraft> {
        let template = self.action.as_ref()?;
        let fill = |text: &String| fill(text, &hypothesis.component);
        let params = template.params.iter().map(|(key, value)| Some((key.clone(), fill(value)?)));
        Some(ActionDraft {
            kind: template.kind.clone(),
            target: fill(&template.target)?,
            params: params.collect::<Option<_>>()?,
            because: hypothesis.id.clone(),
            why: format!("runbook \"{}\"", self.name),
        })
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => text.starts_with(prefix),
        None => pattern == text,
    }
}

/// Fills `{component}`, `{namespace}` and `{name}`; none if the component has no such part.
fn fill(text: &str, component: &str) -> Option<String> {
    let parts: Vec<&str> = component.split('/').collect();
    let name = parts.last().copied().filter(|_| parts.len() > 1);
    let namespace = (parts.len() == 3).then(|| parts[1]);
    let mut filled = text.replace("{component}", component);
    for (hole, value) in [("{name}", name), ("{namespace}", namespace)] {
        if filled.contains(hole) {
            filled = filled.replace(hole, value?);
        }
    }
    Some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLLBACK: &str = "---\nname: Take it back\nwhen:\n  fault: [image_*, crash_loop]\n  component: service/*\naction:\n  kind: kubernetes.rollout_undo\n  target: deployment/{namespace}/{name}\n---\nLook at the *events* first.\n";

    fn hypothesis(component: &str, fault: &str, confidence: f64) -> Hypothesis {
        Hypothesis {
            id: "h1".into(),
            component: component.into(),
            fault: fault.into(),
            confidence,
            statement: String::new(),
            supports: vec!["e1".into()],
            contradicts: vec![],
        }
    }

    #[test]
    fn a_runbook_proposes_its_action_for_what_it_knows() {
        let runbook = Runbook::parse(ROLLBACK).unwrap();
        assert_eq!(runbook.text, "Look at the *events* first.");
        let known = hypothesis("service/shop/cart", "image_not_found", 0.9);
        assert!(runbook.applies_to(&known));
        let draft = runbook.draft(&known).unwrap();
        assert_eq!((draft.kind.as_str(), draft.target.as_str()), ("kubernetes.rollout_undo", "deployment/shop/cart"));
        assert!(!runbook.applies_to(&hypothesis("service/shop/cart", "image_not_found", 0.3)));
        assert!(!runbook.applies_to(&hypothesis("node/n1", "crash_loop", 0.9)));
        assert!(!runbook.applies_to(&hypothesis("service/shop/cart", "out_of_memory", 0.9)));
        assert_eq!(runbook.draft(&hypothesis("service/cart", "crash_loop", 0.9)), None);
    }

    #[test]
    fn a_broken_runbook_says_what_is_wrong() {
        let wrong = |text: &str| Runbook::parse(text).unwrap_err();
        assert!(wrong("# no").contains("front matter"));
        assert!(wrong("---\nname: x\n").contains("does not end"));
        assert!(wrong("---\nname: x\nwhen: {fault: []}\n---\n").contains("at least one"));
        assert!(wrong("---\nname: x\nwhen: {fault: [a]}\nshell: rm\n---\n").contains("shell"));
    }
}
