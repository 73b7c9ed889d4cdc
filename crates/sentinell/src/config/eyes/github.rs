//! `[github]`: whose API tells what was merged and deployed.

use crate::config::Secret;
use crate::config::hands::RawGitHubHands;
use serde::Deserialize;
use std::collections::BTreeMap;

/// GitHub's own.
const PUBLIC: &str = "https://api.github.com";

/// The section as it was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawGitHub {
    pub url: Option<String>,
    pub token: Option<Secret>,
    /// Checked with the other hands.
    pub acting: Option<RawGitHubHands>,
}

/// A GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitHub {
    /// Its API.
    pub url: String,
    /// Who asks; none: what everybody may see.
    pub token: Option<Secret>,
}

impl GitHub {
    /// For people; the token is not in it.
    pub(super) fn line(&self) -> String {
        let who = if self.token.is_some() { "with a token" } else { "without a token" };
        format!("{}, {who}", self.url)
    }
}

impl RawGitHub {
    /// Who acts, where the file says that somebody does.
    pub(in crate::config) fn lay_environment(&mut self, variables: &BTreeMap<String, String>) {
        let token = variables.get("SENTINELL_GITHUB_ACTING_TOKEN").filter(|token| !token.is_empty());
        if let Some((acting, token)) = self.acting.as_mut().zip(token) {
            acting.token = Some(Secret::new(token));
        }
    }

    pub(super) fn check(self, problems: &mut Vec<String>) -> GitHub {
        let url = self.url.unwrap_or_else(|| PUBLIC.to_owned());
        // The text is not repeated: a mistyped URL may carry a password.
        if !(url.starts_with("https://") || url.starts_with("http://")) || url.contains('@') {
            let why = "github.url: must begin with https:// and carry no name or password; of a GitHub Enterprise it is \
                       https://<host>/api/v3";
            problems.push(why.to_owned());
        }
        if url.starts_with("https://github.com") {
            problems.push(format!("github.url: these are GitHub's pages; its API is {PUBLIC}, and needs no line"));
        }
        GitHub { url, token: self.token }
    }
}
