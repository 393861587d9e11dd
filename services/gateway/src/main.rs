//! The gateway's process.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use gateway::Config;
use service_kit::Command;
use tokio::net::TcpListener;

/// After a storm of requests glibc's allocator keeps most of what they took. This one gives it back within seconds, by a thread of
/// its own (docs/DECISIONS.md has the figures).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

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
