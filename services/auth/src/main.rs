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
    /// Serves the gateway (the default)
    Serve(Config),
    /// Brings the database's schema up to date
    Migrate(DatabaseConfig),
    /// Asks the running service whether it is ready
    Healthcheck(service_kit::Healthcheck),
}

fn main() -> ExitCode {
    match service_kit::config::parse::<Cli>().command {
        Command::Serve(config) => {
            service_kit::launch("auth", &config.process.clone(), |process| async move {
                let listener = TcpListener::bind(config.listen)
                    .await
                    .with_context(|| format!("could not listen on {}", config.listen))?;
                auth::run(config, listener, process).await
            })
        }
        Command::Migrate(config) => migrate(&config),
        Command::Healthcheck(config) => service_kit::healthcheck(&config),
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
