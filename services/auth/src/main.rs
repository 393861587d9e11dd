//! The auth service's process.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use auth::{Config, DatabaseConfig, RotateCommand, UserCommand};
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
    /// See and change accounts
    User(UserCommand),
    /// Let a new key sign the access tokens; nobody is logged out
    RotateKeys(RotateCommand),
}

fn main() -> ExitCode {
    match service_kit::config::parse::<Cli>().command {
        Command::Service(command) => command.run("auth", |config, process| async move {
            let listener = TcpListener::bind(config.listen)
                .await
                .with_context(|| format!("could not listen on {}", config.listen))?;
            auth::run(config, listener, process).await
        }),
        Command::Migrate(config) => finish(auth::migrate(&config)),
        Command::User(command) => finish(auth::user(&command)),
        Command::RotateKeys(command) => finish(auth::rotate_keys(&command)),
    }
}

/// Runs a command that ends by itself, and prints its result.
#[tokio::main(flavor = "current_thread")]
async fn finish(command: impl Future<Output = anyhow::Result<String>>) -> ExitCode {
    match command.await {
        Ok(text) => {
            if !text.is_empty() {
                // The reader may leave early, as in `auth user list | head`.
                let _ = writeln!(std::io::stdout(), "{text}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("auth: {error:#}");
            ExitCode::FAILURE
        }
    }
}
