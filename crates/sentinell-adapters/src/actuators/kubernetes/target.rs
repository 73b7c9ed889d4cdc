//! `deployment/<namespace>/<name>`.

use crate::kubectl::{is_label, is_name};
use crate::text::one_line;

/// One Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub namespace: String,
    pub name: String,
}

impl Target {
    /// Reads a target.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            ["deployment", namespace, name] if is_label(namespace) && is_name(name) => {
                Ok(Self { namespace: (*namespace).to_owned(), name: (*name).to_owned() })
            }
            _ => Err(format!("`{}` is not a target such as deployment/shop/cart", one_line(text, 100))),
        }
    }
}
