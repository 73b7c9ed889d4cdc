//! `sentinell notify`.

use super::{block_on, out};
use crate::clock::SystemClock;
use crate::config::{Config, Habit, Overrides, Surroundings};
use crate::slackbot;
use crate::wire::notifiers::webhooks;
use anyhow::{anyhow, bail};
use sentinell_core::notice::Notice;
use sentinell_core::ports::Clock;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

const EXAMPLES: &str = "\
Examples:
  sentinell notify test pager                               # a destination of the user's configuration
  sentinell notify test pager --config /etc/sentinell/sentinell.toml
Sends one signed notice of type `sentinell.test`, once, and says what came back. Exit code 1 if it did not arrive.";

/// Tries where notices go.
#[derive(Debug, clap::Subcommand)]
pub enum Notify {
    /// Send a test notice to one destination
    #[command(after_help = EXAMPLES)]
    Test {
        /// The destination, as `[[webhooks]]` names it, or `slack`
        name: String,
        /// Read this file instead of the user's configuration
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

pub(super) fn run(args: Notify, around: &Surroundings) -> anyhow::Result<ExitCode> {
    let Notify::Test { name, config } = args;
    let config = Config::load(around, Habit::OneShot, config.as_deref(), Overrides::default())?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let notice = Notice::test(format!("ntc_test_{}", uuid::Uuid::now_v7().simple()), clock.now());
    if let Some(settings) = config.slack.as_ref().filter(|_| name == slackbot::NAME) {
        block_on(async { slackbot::greet(settings, &notice).await.map_err(|error| anyhow!("{name}: {error}")) })?;
        out::print(&format!("{name} took the notice {}\n", notice.id))?;
        return Ok(ExitCode::SUCCESS);
    }
    let known = webhooks(&config, &clock)?;
    let Some(notifier) = known.iter().find(|notifier| notifier.name() == name) else {
        let names: Vec<_> = known.iter().map(|notifier| notifier.name()).collect();
        let names = if names.is_empty() {
            "none; add one under [[webhooks]], or set SLACK_BOT_TOKEN".to_owned()
        } else {
            names.join(", ")
        };
        bail!("there is no destination `{name}`; there are: {names}");
    };
    block_on(async { notifier.notify(&notice).await.map_err(|error| anyhow!("{name}: {error}")) })?;
    out::print(&format!("{name} took the notice {}\n", notice.id))?;
    Ok(ExitCode::SUCCESS)
}
