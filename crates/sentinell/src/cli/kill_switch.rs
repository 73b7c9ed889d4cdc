//! `sentinell kill-switch`.

use super::client::{Client, Server};
use super::{block_on, out};
use crate::config::Surroundings;
use crate::report::Paint;
use crate::report::paint::plain;
use serde_json::{Value, json};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  sentinell kill-switch on --why 'black friday'   # nothing is done any more, whatever was approved
  sentinell kill-switch status
  sentinell kill-switch off
Looking and reasoning go on; only deeds stop. Whoever holds a server's operator token may press it.";

/// Stops every deed at once.
#[derive(Debug, clap::Subcommand)]
pub enum KillSwitch {
    /// Press it: nothing is done any more
    #[command(after_help = EXAMPLES)]
    On {
        /// For the record
        #[arg(long, default_value = "")]
        why: String,
        #[command(flatten)]
        server: Server,
    },
    /// Release it
    #[command(after_help = EXAMPLES)]
    Off {
        /// For the record
        #[arg(long, default_value = "")]
        why: String,
        #[command(flatten)]
        server: Server,
    },
    /// Say whether it is pressed
    #[command(after_help = EXAMPLES)]
    Status {
        #[command(flatten)]
        server: Server,
    },
}

const PATH: [&str; 2] = ["api", "kill-switch"];

pub(super) fn run(args: KillSwitch, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let set = |server: &Server, on: bool, why: &str| {
        let client = Client::new(server, around)?;
        block_on(client.put(&PATH, &json!({"on": on, "why": why})))
    };
    let switch = match &args {
        KillSwitch::On { why, server } => set(server, true, why)?,
        KillSwitch::Off { why, server } => set(server, false, why)?,
        KillSwitch::Status { server } => block_on(Client::new(server, around)?.get(&PATH, &[]))?,
    };
    out::print(&shown(&switch, Paint::for_stdout(around)))?;
    Ok(ExitCode::SUCCESS)
}

fn shown(switch: &Value, paint: Paint) -> String {
    let text = |name: &str| plain(switch[name].as_str().unwrap_or_default(), 200);
    match switch["on"].as_bool() {
        Some(true) => format!("{} by {} at {}: {}\n", paint.red("ON"), text("by"), text("at"), text("why")),
        _ => "off\n".into(),
    }
}
