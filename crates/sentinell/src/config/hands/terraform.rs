//! `[terraform]`: folders of declared infrastructure that may be applied.

use crate::config::Secret;
use sentinell_core::action::Verification;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The section as it was typed.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawTerraform {
    pub program: Option<PathBuf>,
    pub plans: Option<PathBuf>,
    pub pass_env: Vec<String>,
    pub workspaces: Vec<Workspace>,
    /// What `pass_env` names, as the environment has it.
    #[serde(skip)]
    env: BTreeMap<String, Secret>,
    /// What it does not have.
    #[serde(skip)]
    missing: Vec<String>,
}

/// One folder.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workspace {
    /// Its name in targets.
    pub name: String,
    /// Where `terraform init` was run.
    pub folder: PathBuf,
    /// production, staging, …
    pub environment: String,
    /// Addresses that may be replaced by name.
    #[serde(default)]
    pub replace: Vec<String>,
    /// Whether a plan that destroys something may be proposed.
    #[serde(default)]
    pub may_destroy: bool,
    /// How one will know that it helped.
    pub verification: Verification,
}

/// What may be applied.
#[derive(Debug, Clone, PartialEq)]
pub struct TerraformHands {
    /// The program, an absolute path; none: `terraform`, else `tofu`, of the search path.
    pub program: Option<PathBuf>,
    /// Where saved plans are kept.
    pub plans: PathBuf,
    /// Variables that the providers need.
    pub env: BTreeMap<String, Secret>,
    /// The folders.
    pub workspaces: Vec<Workspace>,
}

impl TerraformHands {
    /// For people.
    pub(super) fn line(&self) -> String {
        let one = |one: &Workspace| format!("{} ({})", one.folder.display(), one.environment);
        self.workspaces.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

impl RawTerraform {
    /// Takes from the environment what the file says stands there.
    pub(in crate::config) fn lay_environment(&mut self, variables: &BTreeMap<String, String>) {
        for name in &self.pass_env {
            match variables.get(name).filter(|value| !value.is_empty()) {
                Some(value) => drop(self.env.insert(name.clone(), Secret::new(value))),
                None => self.missing.push(name.clone()),
            }
        }
    }

    pub(super) fn check(self, base: &Path, problems: &mut Vec<String>) -> Option<TerraformHands> {
        let mut problem = |why: String| problems.push(format!("terraform.{why}"));
        if self.program.as_ref().is_some_and(|path| !path.is_absolute() || !path.is_file()) {
            problem("program: must be the absolute path of a program that is there".into());
        }
        self.missing.iter().for_each(|name| problem(format!("pass_env: {name} is not set")));
        if self.workspaces.is_empty() {
            problem("workspaces: name at least one folder".into());
        }
        let mut names = BTreeSet::new();
        let mut workspaces = vec![];
        for mut workspace in self.workspaces {
            let name = workspace.name.clone();
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.is_empty() || !name.chars().all(plain) || !names.insert(name.clone()) {
                problem(format!("workspaces.{name}: a name is letters, digits, `-` and `_`, and used once"));
            }
            workspace.folder = base.join(&workspace.folder);
            if !workspace.folder.is_absolute() || !workspace.folder.is_dir() {
                problem(format!("workspaces.{name}.folder: `{}` is not a folder", workspace.folder.display()));
            }
            if workspace.verification.queries.is_empty() {
                problem(format!("workspaces.{name}.verification.queries: empty; without a check there is no cure"));
            }
            workspaces.push(workspace);
        }
        let Some(plans) = self.plans.map(|folder| base.join(folder)).filter(|folder| folder.is_absolute()) else {
            problem("plans: name a folder for saved plans, such as /var/lib/sentinell/plans".into());
            return None;
        };
        Some(TerraformHands { program: self.program, plans, env: self.env, workspaces })
    }
}
