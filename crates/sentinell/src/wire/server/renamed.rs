//! A second eye of the same kind needs a name of its own.

use sentinell_core::evidence::{Observation, Query};
use sentinell_core::investigation::Investigation;
use sentinell_core::ports::{BoxFuture, Question, Tool, ToolError};
use std::sync::Arc;

/// A tool under another name.
pub struct Renamed {
    name: String,
    inner: Arc<dyn Tool>,
}

impl Renamed {
    /// The first of a kind keeps its name; the others become `kind.suffix`.
    pub fn unless_first(inner: Arc<dyn Tool>, index: usize, suffix: &str) -> Arc<dyn Tool> {
        if index == 0 {
            return inner;
        }
        Arc::new(Self { name: format!("{}.{suffix}", inner.name()), inner })
    }
}

impl Tool for Renamed {
    fn name(&self) -> &str {
        &self.name
    }

    fn describe(&self) -> &str {
        self.inner.describe()
    }

    fn first_look(&self, case: &Investigation) -> Vec<Question> {
        let ours = |question: Question| Question { tool: self.name.clone(), ..question };
        self.inner.first_look(case).into_iter().map(ours).collect()
    }

    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>> {
        self.inner.observe(query)
    }

    fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
        self.inner.check()
    }
}
