//! The only three calls that the hand knows, as argument vectors and back. A deed that does not read back as one of them is
//! refused, whoever approved it.

use super::target::Target;
use crate::kubectl::argv;
use sentinell_core::action::Deed;
use serde_json::{Value, json};

/// The annotation that a restart leaves on the pods' template: the generation it was planned against.
pub(super) const RESTARTED: &str = "sentinell/restarted-from-generation";
/// The same as a JSON pointer's part.
const RESTARTED_POINTER: &str = "sentinell~1restarted-from-generation";

/// What is done to a Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KubeDeed {
    /// Back to this revision. Fails by itself when the revision has left the history, as it does once it is used.
    Undo {
        /// The revision.
        to: u64,
    },
    /// New pods of the same revision; fails by itself unless the generation is still this one.
    Restart {
        /// The generation it was planned against.
        generation: u64,
        /// Whether the template has annotations already (a JSON patch must know).
        annotated: bool,
    },
    /// Another number of pods; fails by itself unless the number is still `from`.
    Scale {
        /// The number it was planned against.
        from: u64,
        /// The number wanted.
        to: u64,
    },
}

impl KubeDeed {
    /// As it is shown, approved and run.
    pub fn deed(&self, target: &Target) -> Deed {
        let (object, namespace) = (format!("deployment/{}", target.name), target.namespace.as_str());
        let args = match self {
            Self::Undo { to } => {
                argv(&["kubectl", "rollout", "undo", &object, "-n", namespace, &format!("--to-revision={to}")])
            }
            Self::Restart { generation, annotated } => {
                let patch = patch(*generation, *annotated).to_string();
                argv(&["kubectl", "patch", &object, "-n", namespace, "--type=json", "-p", &patch])
            }
            Self::Scale { from, to } => {
                let (from, to) = (format!("--current-replicas={from}"), format!("--replicas={to}"));
                argv(&["kubectl", "scale", &object, "-n", namespace, &to, &from])
            }
        };
        Deed::Argv(args)
    }

    /// Reads a deed back; it must be exactly what [`KubeDeed::deed`] writes for this target.
    pub fn read(deed: &Deed, target: &Target) -> Option<Self> {
        let words = deed.argv()?;
        let last = words.last()?;
        let number = |text: &str, option: &str| text.strip_prefix(option)?.parse::<u64>().ok();
        let read = match words.get(1)?.as_str() {
            "rollout" => Self::Undo { to: number(last, "--to-revision=")? },
            "patch" => {
                let patch: Value = serde_json::from_str(last).ok()?;
                let annotated = patch[1]["value"].is_string();
                Self::Restart { generation: patch[0]["value"].as_u64()?, annotated }
            }
            "scale" => {
                let to = number(words.get(words.len().checked_sub(2)?)?, "--replicas=")?;
                Self::Scale { from: number(last, "--current-replicas=")?, to }
            }
            _ => return None,
        };
        (read.deed(target) == *deed).then_some(read)
    }
}

/// A JSON patch whose first step is a precondition that the API server checks.
fn patch(generation: u64, annotated: bool) -> Value {
    let annotations = "/spec/template/metadata/annotations";
    let mark = generation.to_string();
    let add = if annotated {
        json!({"op": "add", "path": format!("{annotations}/{RESTARTED_POINTER}"), "value": mark})
    } else {
        json!({"op": "add", "path": annotations, "value": {RESTARTED: mark}})
    };
    json!([{"op": "test", "path": "/metadata/generation", "value": generation}, add])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_three_known_calls_on_the_shown_target_read_back() {
        let cart = Target::parse("deployment/shop/cart").unwrap();
        let web = Target::parse("deployment/shop/web").unwrap();
        let deeds = [
            KubeDeed::Undo { to: 3 },
            KubeDeed::Restart { generation: 7, annotated: true },
            KubeDeed::Restart { generation: 7, annotated: false },
            KubeDeed::Scale { from: 2, to: 0 },
        ];
        for deed in deeds {
            let written = deed.deed(&cart);
            assert_eq!(KubeDeed::read(&written, &cart), Some(deed));
            assert_eq!(KubeDeed::read(&written, &web), None);
            let mut words = written.argv().unwrap_or_default().to_vec();
            words.insert(2, "--as=system:admin".into());
            assert_eq!(KubeDeed::read(&Deed::Argv(words), &cart), None);
        }
        for words in [&["kubectl", "delete", "ns", "shop"][..], &["kubectl"], &[], &["sh", "-c", "x"]] {
            assert_eq!(KubeDeed::read(&Deed::Argv(argv(words)), &cart), None);
        }
    }
}
