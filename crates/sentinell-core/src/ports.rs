//! What the outside world must offer. Eyes and hands are different traits: a [`Tool`] can only read.

use crate::action::{Action, ActionDraft, Plan};
use crate::approval::Warrant;
use crate::evidence::{Observation, Query};
use crate::investigation::{Doubt, Investigation, Turn, Usage};
use crate::notice::{Notice, Wanted};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

/// A future in a box: what async methods of `dyn` traits return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// This moment.
    fn now(&self) -> Timestamp;
}

/// A question before it has an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// The tool's name.
    pub tool: String,
    /// Its arguments.
    #[serde(default)]
    pub args: BTreeMap<String, String>,
    /// Why it is asked.
    #[serde(default)]
    pub why: String,
}

/// Why a read brought nothing. The kind says who must act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolError {
    /// The source is busy or away: the worker tries again, with a limit.
    #[error("the source is busy or away: {0}")]
    Retry(String),
    /// The question was wrong: the reasoner reads this and asks better.
    #[error("the question was wrong: {0}")]
    BadQuery(String),
    /// The operator must grant access.
    #[error("access denied: {0}")]
    Denied(String),
}

/// An eye: reads, and by definition nothing else. Answers are bounded by the tool.
pub trait Tool: Send + Sync {
    /// Its name, as queries use it.
    fn name(&self) -> &str;
    /// One line for a model and for people: what it reads and which arguments it takes.
    fn describe(&self) -> &str;
    /// What to ask first about a new incident; empty if this tool has nothing to say about such a one.
    fn first_look(&self, case: &Investigation) -> Vec<Question>;
    /// Reads.
    fn observe<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Observation, ToolError>>;
    /// Whether it can see at all, by the cheapest read there is; what it found, in a few words. None: there is nothing that
    /// could be in its way.
    fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
        Box::pin(async { Ok(None) })
    }
}

/// Turns texts into vectors whose nearness is nearness of meaning.
pub trait Meaning: Send + Sync {
    /// The model's name with its dimension; vectors of different models are never compared.
    fn model(&self) -> &str;
    /// One vector a text, in order; an empty one for a text that the model knows nothing of.
    ///
    /// # Errors
    /// What stands in the way, in words for a person.
    fn embed<'a>(&'a self, texts: &'a [String]) -> BoxFuture<'a, Result<Vec<Vec<f32>>, String>>;
}

/// Whether a deed has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Applied {
    /// The world shows it.
    Yes,
    /// The world shows that it did not happen.
    No,
    /// The world does not tell.
    Unknown,
}

/// Why a deed did not simply succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActError {
    /// It certainly never started.
    #[error("not started: {0}")]
    NotStarted(String),
    /// It ran to its end and said that it failed.
    #[error("failed: {0}")]
    Failed(String),
    /// Nobody knows: look before anything else.
    #[error("outcome unknown: {0}")]
    Unknown(String),
}

/// A hand: plans, does, and can tell whether it was done.
pub trait Actuator: Send + Sync {
    /// The action kinds it knows, each with one line on its target and parameters.
    fn kinds(&self) -> Vec<(String, String)>;
    /// Looks at the world and says exactly what would be done. Changes nothing.
    ///
    /// # Errors
    /// [`ToolError::BadQuery`] for a draft that makes no sense, [`ToolError::Denied`] where the acting identity may not.
    fn plan<'a>(&'a self, draft: &'a ActionDraft) -> BoxFuture<'a, Result<Plan, ToolError>>;
    /// Does it, once. The warrant is redeemed immediately before the program starts. Answers with bounded output.
    fn apply<'a>(&'a self, action: &'a Action, warrant: Warrant) -> BoxFuture<'a, Result<String, ActError>>;
    /// Looks whether it was done.
    fn was_applied<'a>(&'a self, action: &'a Action) -> BoxFuture<'a, Result<Applied, ToolError>>;
    /// Whether it reaches what it would act on, by the cheapest read there is; what it found, in a few words. None: there is
    /// nothing that could be in its way.
    fn check<'a>(&'a self) -> BoxFuture<'a, Result<Option<String>, ToolError>> {
        Box::pin(async { Ok(None) })
    }
}

/// Why a reasoner did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReasonError {
    /// Try again, not before this many milliseconds.
    #[error("the reasoner is busy or away: {why}")]
    Retry {
        /// Which model was asked; empty if that cost nothing.
        by: String,
        /// What it cost all the same.
        usage: Usage,
        /// What it said.
        why: String,
        /// What it asked for.
        after_millis: u64,
    },
    /// Trying again will not help.
    #[error("the reasoner cannot answer: {0}")]
    Hopeless(String),
}

/// A mind: reads the case, says what it believes and what it wants next. It holds nothing that changes the world.
pub trait Reasoner: Send + Sync {
    /// One turn. With `conclude` it must not ask for more reads.
    fn reason<'a>(&'a self, case: &'a Investigation, conclude: bool) -> BoxFuture<'a, Result<Turn, ReasonError>>;
    /// A second, sceptical look at the answer that is held back. Whatever goes wrong, the answer is only ever weakened.
    fn doubt<'a>(&'a self, case: &'a Investigation) -> BoxFuture<'a, Doubt>;
}

/// Why a notice did not arrive. The kind says what happens next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotifyError {
    /// Busy or away: again later.
    #[error("busy or away: {why}")]
    Retry {
        /// What was seen.
        why: String,
        /// What the receiver asked for, milliseconds from now: nothing at all is sent there before that.
        after_millis: Option<u64>,
    },
    /// It was refused; a few more tries, in case that was a deployment.
    #[error("refused: {0}")]
    Refused(String),
    /// The receiver wants nothing any more: nothing is sent there until a person says so.
    #[error("the receiver is gone: {0}")]
    Gone(String),
}

/// A mouth: tells somebody outside. A notice may be told more than once and carries an id to recognise it by.
pub trait Notifier: Send + Sync {
    /// The destination's name, unique among all.
    fn name(&self) -> &str;
    /// Which notices it wants.
    fn wanted(&self) -> &Wanted;
    /// Tells it. Ends in time by itself.
    fn notify<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), NotifyError>>;
}
