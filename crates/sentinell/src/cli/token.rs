//! `sentinell token create`.

use super::client::{Client, Server};
use super::{block_on, out};
use crate::config::Surroundings;
use anyhow::Context;
use sentinell_core::approval::Role;
use serde_json::json;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  sentinell token create --name alertmanager --role sender
  sentinell token create --name ann --role operator
Roles, each may do what the ones before it may: sender (posts signals only), viewer, responder, operator (approves),
admin (policy, tokens). The token is shown once; the server keeps only its hash. Needs the operator's own token.";

/// Makes access tokens.
#[derive(Debug, clap::Subcommand)]
pub enum Token {
    /// Make a token and print it once
    #[command(after_help = EXAMPLES)]
    Create {
        /// Whose it is; the journal keeps this name
        #[arg(long)]
        name: String,
        /// What it may do
        #[arg(long, value_parser = role)]
        role: Role,
        #[command(flatten)]
        server: Server,
    },
}

fn role(word: &str) -> Result<Role, String> {
    serde_json::from_value(word.into()).map_err(|_| "expected sender, viewer, responder, operator or admin".into())
}

pub(super) fn run(args: Token, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let Token::Create { name, role, server } = args;
    let client = Client::new(&server, around)?;
    let answer = block_on(client.post(&["api", "tokens"], &json!({"name": name, "role": role})))?;
    let token = answer["token"].as_str().context("the server answered without a token")?;
    out::print(&format!("{token}\n"))?;
    Ok(ExitCode::SUCCESS)
}
