//! What a deed is done to: `deployment/<namespace>/<name>`, `pod/<namespace>/<name>`, `node/<name>`.

use crate::kubectl::{is_label, is_name};
use crate::text::one_line;

/// One Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub namespace: String,
    pub name: String,
}

impl Target {
    /// Reads a Deployment.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::of("deployment", text)
    }

    /// Reads a pod.
    ///
    /// # Errors
    /// What was expected.
    pub fn pod(text: &str) -> Result<Self, String> {
        Self::of("pod", text)
    }

    fn of(kind: &str, text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            [first, namespace, name] if *first == kind && is_label(namespace) && is_name(name) => {
                Ok(Self { namespace: (*namespace).to_owned(), name: (*name).to_owned() })
            }
            _ => Err(format!("`{}` is not a target such as {kind}/shop/cart", one_line(text, 100))),
        }
    }
}

/// The name of a node.
///
/// # Errors
/// What was expected.
pub(super) fn node(text: &str) -> Result<&str, String> {
    let name = text.strip_prefix("node/").filter(|name| is_name(name));
    name.ok_or_else(|| format!("`{}` is not a target such as node/n1", one_line(text, 100)))
}
