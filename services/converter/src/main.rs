//! The converter's process.

use std::process::ExitCode;

use clap::Parser;
use converter::Config;
use service_kit::Command;

/// Mixdown's conversion: makes MP3s of uploaded videos
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command<Config>,
}

fn main() -> ExitCode {
    if let Some(ended) = converter::sandbox::run_if_asked(std::env::args_os()) {
        return ended;
    }
    service_kit::config::parse::<Cli>().command.run("converter", converter::run)
}
