//! The real world behind the core's ports: eyes in [`tools`], hands in [`actuators`], language models in [`models`],
//! mouths in [`notifiers`], meaning in [`context`].
//!
//! Only [`http`] builds HTTP clients, only [`process`] starts programs (argv, never a shell). Adapters know the core and
//! nobody else, and never each other; everything they are told about the world comes in as configuration values.

pub mod actuators;
pub mod aws;
pub mod context;
pub mod docker;
mod git;
mod github;
pub mod http;
pub mod kubectl;
pub mod models;
pub mod notifiers;
pub mod process;
mod retry;
pub mod slack;
mod text;
pub mod tools;
mod window;
