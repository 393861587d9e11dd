//! The public side of Mixdown: uploads, downloads, links and job reads.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use gateway::Config;
use service_kit::Healthcheck;
use tokio::net::TcpListener;

/// The public side of Mixdown
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until told to stop (the default)
    Serve(Box<Config>),
    /// Ask the running service whether it is ready
    Healthcheck(Healthcheck),
}

fn main() -> ExitCode {
    match service_kit::config::parse::<Cli>().command {
        Command::Healthcheck(config) => service_kit::healthcheck(&config),
        Command::Serve(config) => {
            let process = config.process.clone();
            service_kit::launch("gateway", &process, |process| async move {
                let listener = TcpListener::bind(config.listen)
                    .await
                    .with_context(|| format!("could not listen on {}", config.listen))?;
                gateway::run(*config, listener, process).await
            })
        }
    }
}
