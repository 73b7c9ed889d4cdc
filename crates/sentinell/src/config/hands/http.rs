//! `[[http_actions]]`: requests that the operator lets the agent propose (`http.<name>`).

use super::super::{CommandParam, Secret};
use sentinell_core::action::{BlastRadius, Verification};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A request as it was typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawHttpAction {
    pub name: String,
    pub description: String,
    pub target: String,
    pub environment: String,
    pub method: String,
    pub url: String,
    #[serde(default)]
    pub body: Option<String>,
    #[serde(default)]
    pub status: Vec<u16>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub secret_headers: BTreeMap<String, Secret>,
    #[serde(default)]
    pub secret_headers_env: BTreeMap<String, String>,
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    #[serde(default)]
    pub params: BTreeMap<String, CommandParam>,
    #[serde(default)]
    pub undo: Option<HttpCall>,
    #[serde(default)]
    pub undo_if_unhelpful: bool,
    #[serde(default)]
    pub check: Option<HttpCheck>,
    #[serde(default)]
    pub if_match: bool,
    pub verification: Verification,
    pub blast_radius: BlastRadius,
    #[serde(default = "ten")]
    pub timeout_seconds: u32,
    /// What `secret_headers_env` names and the environment does not have.
    #[serde(skip)]
    missing: Vec<String>,
}

fn ten() -> u32 {
    10
}

/// One request with places for parameters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpCall {
    /// `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Where to; `{param}` stands for a parameter.
    pub url: String,
    /// What is sent.
    #[serde(default)]
    pub body: Option<String>,
    /// Statuses that mean that it was done; empty: 200 to 299.
    #[serde(default)]
    pub status: Vec<u16>,
    /// Headers that everybody may see.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// How one sees whether it was done.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpCheck {
    /// What is read, with GET.
    pub url: String,
    /// Which value of the JSON document tells; none: the status does.
    #[serde(default)]
    pub pointer: Option<String>,
    /// What it is once it was done.
    pub done: String,
    /// What it is while it was not.
    pub undone: String,
}

/// A declared request.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpAction {
    /// Its name.
    pub name: String,
    /// One line for a reasoner and for people.
    pub description: String,
    /// What it acts on, exactly as proposals must name it.
    pub target: String,
    /// production, staging, …
    pub environment: String,
    /// What is sent.
    pub call: HttpCall,
    /// What takes it back.
    pub undo: Option<HttpCall>,
    /// Whether to take it back when it did not help.
    pub undo_if_unhelpful: bool,
    /// How one sees whether it was done.
    pub check: Option<HttpCheck>,
    /// Whether the check's `ETag` must still be current.
    pub if_match: bool,
    /// Headers that say who we are.
    pub secret_headers: BTreeMap<String, Secret>,
    /// Authorities besides the machine's own, PEM.
    pub authorities: Option<Vec<u8>>,
    /// Every parameter; all of them are required.
    pub params: BTreeMap<String, CommandParam>,
    /// How one will know that it helped.
    pub verification: Verification,
    /// How far it reaches.
    pub blast_radius: BlastRadius,
    /// Time until it is given up, seconds.
    pub timeout_seconds: u32,
}

impl HttpAction {
    /// For people; the address without what may be secret in it.
    pub(super) fn line(&self) -> String {
        let place = self.call.url.split(['?', '#']).next().unwrap_or_default();
        format!("{}: {} {place} ({})", self.name, self.call.method, self.environment)
    }
}

impl RawHttpAction {
    /// Takes from the environment what the file says stands there.
    pub(in crate::config) fn lay_environment(&mut self, variables: &BTreeMap<String, String>) {
        for (header, name) in &self.secret_headers_env {
            match variables.get(name).filter(|value| !value.is_empty()) {
                Some(value) => drop(self.secret_headers.insert(header.clone(), Secret::new(value))),
                None => self.missing.push(name.clone()),
            }
        }
    }

    fn check(self, base: &Path, names: &mut BTreeSet<String>, problems: &mut Vec<String>) -> HttpAction {
        let mut problem = |why: String| problems.push(format!("http_actions.{}: {why}", self.name));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if self.name.is_empty() || !self.name.chars().all(plain) || !names.insert(self.name.clone()) {
            problem("a name is lower-case letters, digits and `_`, and used once".into());
        }
        for name in &self.missing {
            problem(format!("secret_headers_env: {name} is not set"));
        }
        if !(1..=120).contains(&self.timeout_seconds) {
            problem(format!("timeout_seconds: {} is out of range; 1 to 120", self.timeout_seconds));
        }
        let authorities = self.ca_file.as_ref().and_then(|file| {
            let path = base.join(file);
            std::fs::read(&path).map_err(|error| problem(format!("ca_file {}: {error}", path.display()))).ok()
        });
        let call = HttpCall {
            method: self.method,
            url: self.url,
            body: self.body,
            status: self.status,
            headers: self.headers,
        };
        HttpAction {
            name: self.name,
            description: self.description,
            target: self.target,
            environment: self.environment,
            call,
            undo: self.undo,
            undo_if_unhelpful: self.undo_if_unhelpful,
            check: self.check,
            if_match: self.if_match,
            secret_headers: self.secret_headers,
            authorities,
            params: self.params,
            verification: self.verification,
            blast_radius: self.blast_radius,
            timeout_seconds: self.timeout_seconds,
        }
    }
}

/// Checks all of them. What is wrong with addresses, headers and placeholders is said by the hand that is made of them.
pub(super) fn check(raw: Vec<RawHttpAction>, base: &Path, problems: &mut Vec<String>) -> Vec<HttpAction> {
    let mut names = BTreeSet::new();
    raw.into_iter().map(|action| action.check(base, &mut names, problems)).collect()
}
