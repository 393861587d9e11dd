//! The auth service's process.

use std::process::ExitCode;

use anyhow::Context as _;
use auth::{Config, DatabaseConfig};
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;

/// Mixdown's accounts: registration, login, access tokens and the keys that verify them.
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
    /// Bring the database's schema up to date
    Migrate(DatabaseConfig),
}

fn main() -> ExitCode {
    match service_kit::config::parse::<Cli>().command {
        Command::Service(command) => command.run("auth", |config, process| async move {
            let listener = TcpListener::bind(config.listen)
                .await
                .with_context(|| format!("could not listen on {}", config.listen))?;
            auth::run(config, listener, process).await
        }),
        Command::Migrate(config) => migrate(&config),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn migrate(config: &DatabaseConfig) -> ExitCode {
    match auth::migrate(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("auth: {error:#}");
            ExitCode::FAILURE
        }
    }
}
