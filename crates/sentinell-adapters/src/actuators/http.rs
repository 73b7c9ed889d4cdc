//! Runbook steps over HTTP that the operator declared (`http.<name>`): a fixed method, a URL and a body with typed parameters, how to
//! take it back, how to see whether it happened. Switching a feature flag is one of them.
//!
//! Who we are stands in secret headers, which are added when the request is sent and are in no plan. Every request carries the
//! action's hash as `Idempotency-Key`, for whoever wants to be idempotent.

mod check;
mod spec;

use super::params::{self, fill};
use super::send;
use crate::http::{HeaderMap, Http, HttpLimits};
use crate::text::{clip, one_line};
pub use check::Check;
use sentinell_core::action::{Action, ActionDraft, Deed, Plan};
use sentinell_core::approval::Warrant;
use sentinell_core::ports::{ActError, Actuator, Applied, BoxFuture, Clock, ToolError};
pub use spec::{HttpActionSpec, HttpCall, SecretHeaders};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of an answer that are read.
const ANSWER: usize = 64 << 10;
/// The header that names the deed.
const KEY: &str = "idempotency-key";

/// The hands for all declared requests.
pub struct HttpActions {
    specs: BTreeMap<String, (HttpActionSpec, Http)>,
    clock: Arc<dyn Clock>,
}

impl HttpActions {
    /// Hands for these requests.
    ///
    /// # Errors
    /// Every problem at once: double or odd names, addresses, headers, placeholders without a parameter, requests without a
    /// verification.
    pub fn new(specs: Vec<HttpActionSpec>, clock: Arc<dyn Clock>) -> Result<Self, Vec<String>> {
        let mut problems: Vec<String> = specs.iter().flat_map(HttpActionSpec::problems).collect();
        let mut known = BTreeMap::new();
        for spec in specs {
            let limits = HttpLimits { total: spec.timeout, body: ANSWER, ..HttpLimits::default() };
            let http = match &spec.authorities {
                Some(pem) => Http::with_authorities(limits, pem),
                None => Http::new(limits),
            };
            let name = spec.name.clone();
            match http {
                Err(why) => problems.push(format!("http action `{name}`: {why}")),
                Ok(http) => {
                    if known.insert(format!("http.{name}"), (spec, http)).is_some() {
                        problems.push(format!("http action `{name}` is declared twice"));
                    }
                }
            }
        }
        if problems.is_empty() { Ok(Self { specs: known, clock }) } else { Err(problems) }
    }

    fn spec(&self, kind: &str, target: &str) -> Result<&(HttpActionSpec, Http), String> {
        let found = self.specs.get(kind).ok_or_else(|| format!("no action `{}`", one_line(kind, 80)))?;
        if found.0.target != target {
            return Err(format!("{kind} acts on {}, not on {}", found.0.target, one_line(target, 100)));
        }
        Ok(found)
    }

    async fn make_plan(&self, draft: &ActionDraft) -> Result<Plan, ToolError> {
        let (spec, http) = self.spec(&draft.kind, &draft.target).map_err(ToolError::BadQuery)?;
        params::check(&draft.kind, &spec.params, &draft.params).map_err(ToolError::BadQuery)?;
        let mut verification = spec.verification.clone();
        for query in &mut verification.queries {
            query.args.values_mut().for_each(|value| *value = fill(value, &draft.params));
        }
        let mut precondition = "none that the receiver checks".to_owned();
        let mut deed = spec.call.deed(&draft.params);
        if let Some(check) = &spec.check {
            let seen = check.look(http, &spec.secret, &draft.params).await?;
            if seen.applied == Applied::Yes {
                return Err(ToolError::BadQuery(format!("{} is so already", draft.kind)));
            }
            if let Some(tag) = seen.tag.filter(|_| spec.if_match) {
                precondition = format!("what is there is still the version {tag} (the receiver checks it)");
                deed.headers.insert("if-match".into(), tag);
            }
        }
        Ok(Plan {
            deed: Deed::Http(deed),
            undo: spec.undo.as_ref().map(|call| Deed::Http(call.deed(&draft.params))),
            undo_if_unhelpful: spec.undo_if_unhelpful && spec.undo.is_some(),
            environment: spec.environment.clone(),
            verification,
            blast_radius: spec.blast_radius.clone(),
            precondition,
        })
    }

    /// The declaration behind an action, if its deed is exactly what the declaration says.
    fn declared(&self, action: &Action) -> Result<&(HttpActionSpec, Http), String> {
        let found = self.spec(&action.kind, &action.target)?;
        let spec = &found.0;
        params::check(&action.kind, &spec.params, &action.params)?;
        let undoes = action.undoes.is_some();
        let call = if undoes { spec.undo.as_ref() } else { Some(&spec.call) };
        let fits = call.zip(action.plan.deed.http()).is_some_and(|(call, deed)| {
            let mut ours = call.deed(&action.params);
            let tag = deed.headers.get("if-match").filter(|_| spec.if_match && !undoes);
            ours.headers.extend(tag.map(|tag| ("if-match".to_owned(), tag.clone())));
            ours == *deed
        });
        if fits { Ok(found) } else { Err(format!("the deed is not what {} is declared as", action.kind)) }
    }

    async fn act(&self, action: &Action, warrant: Warrant) -> Result<String, ActError> {
        let (spec, http) = self.declared(action).map_err(ActError::NotStarted)?;
        let deed = action.plan.deed.http().ok_or_else(|| ActError::NotStarted("the deed is no request".into()))?;
        let call = if action.undoes.is_some() { spec.undo.as_ref().unwrap_or(&spec.call) } else { &spec.call };
        let mut headers: HeaderMap = spec
            .secret
            .headers()
            .ok_or_else(|| ActError::NotStarted("a secret header holds odd characters".to_owned()))?;
        let key = action.hash().0.parse().map_err(|_| ActError::NotStarted("the deed has no hash".into()))?;
        headers.insert(KEY, key);
        let (status, body) = send(http, (action, deed), headers, warrant, (&*self.clock, spec.timeout)).await?;
        let said = format!("{status}: {}", spec.secret.hidden(&clip(String::from_utf8_lossy(&body).trim(), 2000)));
        match status {
            _ if call.expects(status) => Ok(said),
            // A proxy on the way, or the receiver in the middle of it: nobody knows.
            408 | 500.. => Err(ActError::Unknown(said)),
            _ => Err(ActError::Failed(said)),
        }
    }

    async fn look_whether(&self, action: &Action) -> Result<Applied, ToolError> {
        let (spec, http) = self.declared(action).map_err(ToolError::BadQuery)?;
        let Some(check) = &spec.check else { return Ok(Applied::Unknown) };
        let applied = check.look(http, &spec.secret, &action.params).await?.applied;
        // The check looks for the deed; its undo is done when the deed's effect is gone.
        Ok(match (applied, action.undoes.is_some()) {
            (Applied::Yes, true) => Applied::No,
            (Applied::No, true) => Applied::Yes,
            (applied, _) => applied,
        })
    }
}

impl Actuator for HttpActions {
    fn kinds(&self) -> Vec<(String, String)> {
        let line = |(kind, (spec, _)): (&String, &(HttpActionSpec, Http))| {
            let help = params::help(&spec.params);
            (kind.clone(), format!("{}; target {}{help}", spec.description, spec.target))
        };
        self.specs.iter().map(line).collect()
    }

    fn plan<'a>(&'a self, draft: &'a ActionDraft) -> BoxFuture<'a, Result<Plan, ToolError>> {
        Box::pin(self.make_plan(draft))
    }

    fn apply<'a>(&'a self, action: &'a Action, warrant: Warrant) -> BoxFuture<'a, Result<String, ActError>> {
        Box::pin(self.act(action, warrant))
    }

    fn was_applied<'a>(&'a self, action: &'a Action) -> BoxFuture<'a, Result<Applied, ToolError>> {
        Box::pin(self.look_whether(action))
    }
}

impl std::fmt::Debug for HttpActions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpActions").field("kinds", &self.specs.keys()).finish_non_exhaustive()
    }
}
