//! The front door: reads a command and hands over; decides nothing.

mod audit;
mod backtest;
mod backup;
mod client;
mod completions;
mod configuration;
mod db;
mod decide;
mod demo;
mod doctor;
mod eval;
mod health;
mod incidents;
mod investigate;
mod kill_switch;
mod mcp;
mod notify;
mod out;
mod policy;
mod replay;
mod search;
mod serve;
mod tail;
mod token;

use crate::config::Surroundings;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A cause was not named, or what was waited for did not happen; not an error.
const NOT_ENOUGH: u8 = 3;

const AFTER: &str = "\
Exit codes: 0 done · 1 an error, told on standard error · 2 wrong usage · 3 nothing found.
Nothing needs a key or a configuration. `sentinell <command> --help` teaches with examples.";

/// An SRE agent that one may trust with the pager: it gathers evidence, names the cause, acts within a policy, looks
/// whether the world got better, and never invents anything.
#[derive(Debug, Parser)]
#[command(name = "sentinell", version, after_help = AFTER, disable_help_subcommand = true, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server: API, stream, page and worker
    Serve(serve::Serve),
    /// Run a worker without a server
    Worker(serve::Work),
    /// Break a simulated town and mend it on screen
    Demo(demo::Args),
    /// Look once at a log, a folder, a cluster or a Prometheus server and name the cause
    Investigate(investigate::Args),
    /// List the incidents of a running server, or show one
    Incidents(incidents::Args),
    /// Approve a proposed action, exactly as it is shown
    Approve(decide::Approve),
    /// Reject a proposed action
    Reject(decide::Reject),
    /// Follow journals live
    Tail(tail::Args),
    /// Search what a running server remembers: incidents, signals, changes, runbooks
    Search(search::Args),
    /// Give other agents tools: incidents, evidence, runbooks, memory (Model Context Protocol)
    Mcp(mcp::Args),
    /// Fold an incident's journal again and show what the machine made of it
    Replay(replay::Args),
    /// Measure the engine on a public benchmark
    Eval(eval::Args),
    /// Ask what this version would have said of your own closed incidents
    Backtest(backtest::Args),
    /// Stop every deed at once, or let them go on
    #[command(subcommand)]
    KillSwitch(kill_switch::KillSwitch),
    /// Export and verify who did what
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Try the house rules: their examples, and what they would say
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Ask a running server how it is
    Health(health::Args),
    /// Try where notices go
    #[command(subcommand)]
    Notify(notify::Notify),
    /// Back the database up while others write to it
    Backup(backup::Backup),
    /// Restore a backup into a new database
    Restore(backup::Restore),
    /// Show or drop what has expired
    Retention(backup::Retention),
    /// Check every connection that the configuration names, and say what to fix
    Doctor(doctor::Args),
    /// Check the configuration
    #[command(subcommand)]
    Config(configuration::Config),
    /// Move an installation into another database
    #[command(subcommand)]
    Db(db::Db),
    /// Make access tokens
    #[command(subcommand)]
    Token(token::Token),
    /// Print a completion script for a shell
    Completions(completions::Args),
}

/// Reads the command line, runs the command, and answers with the exit code.
pub fn main() -> ExitCode {
    // Only the first installation counts; a second one would be ours as well.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let command = Cli::parse().command;
    let around = Surroundings::read();
    match run(command, &around) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("sentinell: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, around: &Surroundings) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => serve::serve(args, around),
        Command::Worker(args) => serve::work(args, around),
        Command::Demo(args) => demo::run(args, around),
        Command::Investigate(args) => investigate::run(args, around),
        Command::Incidents(args) => incidents::run(args, around),
        Command::Approve(args) => decide::approve(args, around),
        Command::Reject(args) => decide::reject(args, around),
        Command::Tail(args) => tail::run(args, around),
        Command::Mcp(args) => mcp::run(args, around),
        Command::Replay(args) => replay::run(args, around),
        Command::Eval(args) => eval::run(&args),
        Command::Backtest(args) => backtest::run(args, around),
        Command::KillSwitch(args) => kill_switch::run(args, around),
        Command::Audit(args) => audit::run(args, around),
        Command::Policy(args) => policy::run(args, around),
        Command::Health(args) => health::run(&args, around),
        Command::Notify(args) => notify::run(args, around),
        Command::Backup(args) => backup::backup(args, around),
        Command::Restore(args) => backup::restore(&args),
        Command::Retention(args) => backup::retention(args, around),
        Command::Search(args) => search::run(args, around),
        Command::Doctor(args) => doctor::run(&args, around),
        Command::Config(args) => configuration::run(args, around),
        Command::Db(args) => db::run(args, around),
        Command::Token(args) => token::run(args, around),
        Command::Completions(args) => completions::run(args),
    }
}

/// Runs one command's asynchronous part.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed_and_every_command_teaches_with_examples() {
        let mut tree = Cli::command();
        tree.clone().debug_assert();
        tree.build();
        let mut open: Vec<clap::Command> = tree.get_subcommands().cloned().collect();
        while let Some(mut command) = open.pop() {
            open.extend(command.get_subcommands().cloned());
            if !command.has_subcommands() {
                let help = command.render_long_help().to_string();
                assert!(help.contains("Examples:"), "`{}` has no examples:\n{help}", command.get_name());
            }
        }
    }
}
