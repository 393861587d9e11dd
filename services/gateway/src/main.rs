//! The gateway's process.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use gateway::Config;
use service_kit::Command;
use tokio::net::TcpListener;

/// The public side of Mixdown: uploads, downloads, links and job reads
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command<Config>,
}

fn main() -> ExitCode {
    service_kit::config::parse::<Cli>().command.run("gateway", |config, process| async move {
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("could not listen on {}", config.listen))?;
        gateway::run(config, listener, process).await
    })
}
