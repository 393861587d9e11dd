//! The converter's process.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use converter::Config;
use service_kit::Healthcheck;

/// Mixdown's conversion: makes MP3s of uploaded videos
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Convert videos until told to stop (the default)
    Serve(Box<Config>),
    /// Ask the running service whether it is ready
    Healthcheck(Healthcheck),
}

fn main() -> ExitCode {
    match service_kit::config::parse::<Cli>().command {
        Command::Healthcheck(config) => service_kit::healthcheck(&config),
        Command::Serve(config) => {
            let process = config.process.clone();
            service_kit::launch("converter", &process, |process| converter::run(*config, process))
        }
    }
}
