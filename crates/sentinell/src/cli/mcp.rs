//! `sentinell mcp`.

use super::block_on;
use super::client::{Client, Server};
use crate::config::Surroundings;
use crate::mcp::{Call, Desk, Door};
use anyhow::Context;
use futures::future::BoxFuture;
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServiceExt};
use serde_json::Value;
use std::process::ExitCode;
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  sentinell mcp                                          # as an agent's child: standard input and output are the protocol
  sentinell mcp --server https://sentinell.example.com   # tools of a server elsewhere";

/// Gives other agents the tools of a running server over the Model Context Protocol (standard input and output).
///
/// They list and read incidents, evidence and runbooks, search the memory and open investigations, with the rights of the
/// token that the command line uses. Nothing is approved or configured this way. The same is served over HTTP at /mcp.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    server: Server,
}

pub(super) fn run(args: Args, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.server, around)?;
    block_on(async move {
        let served = Desk::new(Arc::new(Outside { client })).serve(rmcp::transport::stdio()).await;
        let served = served.context("nobody spoke the Model Context Protocol on standard input")?;
        served.waiting().await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// A server that is reached as every command reaches it.
struct Outside {
    client: Client,
}

impl Door for Outside {
    fn call<'a>(&'a self, call: Call, _: &'a RequestContext<RoleServer>) -> BoxFuture<'a, Result<Value, String>> {
        Box::pin(async move {
            let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
            let query: Vec<(&str, &str)> = call.query.iter().map(|(name, value)| (&**name, &**value)).collect();
            let answered = match &call.body {
                Some(body) => self.client.post(&path, body).await,
                None => self.client.get(&path, &query).await,
            };
            answered.map_err(|error| format!("{error:#}"))
        })
    }
}
