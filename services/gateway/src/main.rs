//! The gateway's process.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use gateway::{Config, StoreConfig};
use tokio::net::TcpListener;

/// After a burst of requests glibc's allocator keeps most of the memory. This one returns it within seconds,
/// from a thread of its own (docs/DECISIONS.md has the figures).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The public side of Mixdown: uploads, downloads, links and job reads
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Service(service_kit::Command<Config>),
    /// Write all of MongoDB's jobs and files to the standard output, as of one moment, while everything runs
    Backup(StoreConfig),
    /// Prove that the standard input is a whole backup; no database is needed
    CheckBackup,
    /// Put the backup of the standard input in place of what MongoDB holds; stop the services first
    Restore(StoreConfig),
}

fn main() -> ExitCode {
    match service_kit::config::parse::<Cli>().command {
        Command::Service(command) => command.run("gateway", |config, process| async move {
            let listener = TcpListener::bind(config.listen)
                .await
                .with_context(|| format!("could not listen on {}", config.listen))?;
            gateway::run(config, listener, process).await
        }),
        Command::Backup(config) => finish(gateway::back_up(&config)),
        Command::CheckBackup => finish(gateway::check_backup()),
        Command::Restore(config) => finish(gateway::restore(&config)),
    }
}

/// Runs a command that ends by itself. Prints the result on the standard error, because the standard output
/// carries the backup.
#[tokio::main(flavor = "current_thread")]
async fn finish(command: impl Future<Output = anyhow::Result<String>>) -> ExitCode {
    match command.await {
        Ok(text) => {
            eprintln!("gateway: {text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}
