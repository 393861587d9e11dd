//! The notification service's process.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use notification::Config;
use service_kit::Healthcheck;

/// Mixdown's mails: tells people how their videos fared
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send mails until told to stop (the default)
    Serve(Box<Config>),
    /// Ask the running service whether it is ready
    Healthcheck(Healthcheck),
}

fn main() -> ExitCode {
    match service_kit::config::parse::<Cli>().command {
        Command::Healthcheck(config) => service_kit::healthcheck(&config),
        Command::Serve(config) => {
            let process = config.process.clone();
            service_kit::launch("notification", &process, |process| notification::run(*config, process))
        }
    }
}
