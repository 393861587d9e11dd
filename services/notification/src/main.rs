//! The notification service's process.

use std::process::ExitCode;

use clap::Parser;
use notification::Config;
use service_kit::Command;

/// Mixdown's mails: tells people how their videos fared
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command<Config>,
}

fn main() -> ExitCode {
    service_kit::config::parse::<Cli>().command.run("notification", notification::run)
}
