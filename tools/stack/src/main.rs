//! `stack`: the native stack, and servers for a test run. See `stack --help`.

/// Prints a line. The reader may leave early, as in `make down | head`, and the work must continue.
macro_rules! say {
    ($($line:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($line)*);
    }};
}

mod down;
mod folder;
mod ledger;
mod logs;
mod parts;
mod run;
mod secrecy;
mod status;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use test_kit::project::Project;

use crate::folder::StackFolder;
use crate::status::Address;

/// Runs Mixdown on this machine, on real servers of its own.
#[derive(Parser)]
#[command(name = "stack")]
struct Arguments {
    /// The folder of the native stack [default: .stack in the checkout].
    #[arg(long, global = true)]
    folder: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts what isn't running, waits until all is ready, prints the addresses.
    Up,
    /// Stops what `up` started, and keeps the data.
    Down,
    /// Shows what runs; fails unless all of it is ready.
    Status,
    /// Follows the services' logs, or those of one part.
    Logs {
        /// gateway, auth, converter, notification, mysql, mongodb, rabbitmq or mail.
        part: Option<String>,
    },
    /// Prints the URL of the app or of the inbox.
    Url {
        /// Which one.
        #[arg(value_enum)]
        address: AddressArgument,
    },
    /// Runs a command with fresh servers for it alone; they end with it.
    Run {
        /// The command and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum AddressArgument {
    App,
    Inbox,
}

// One thread: servers of `run` end with the thread that started them, so this must be the thread that lives
// longest.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    raise_open_files_limit();
    match execute(Arguments::parse()).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("stack: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn execute(arguments: Arguments) -> Result<u8> {
    let project = Project::locate()?;
    let folder = StackFolder::at(&arguments.folder.unwrap_or_else(|| project.stack_dir()))?;
    match arguments.command {
        Command::Up => {
            return tokio::select! {
                result = up::up(&project, &folder) => result.map(|()| 0),
                _ = tokio::signal::ctrl_c() => {
                    say!("\nInterrupted. What was started goes on: `make up` continues, `make down` stops it.");
                    Ok(130)
                }
            };
        }
        Command::Down => down::down(&folder).await?,
        Command::Status => return Ok(u8::from(!status::status(&folder).await?)),
        Command::Logs { part } => logs::logs(&folder, part.as_deref()).await?,
        Command::Url { address } => {
            let address = match address {
                AddressArgument::App => Address::App,
                AddressArgument::Inbox => Address::Inbox,
            };
            say!("{}", status::url(&folder, address)?);
        }
        Command::Run { command } => return run::run(&project, &command).await,
    }
    Ok(0)
}

/// Raises the limit of open files, which the servers inherit. The usual 1024 is too low: a MongoDB with the
/// databases of a hundred tests aborts. Erlang sizes its tables by the limit, so it is not raised to the
/// millions that some systems allow.
fn raise_open_files_limit() {
    const WANTED: u64 = 65_536;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(WANTED, |maximum| maximum.min(WANTED));
    if current != Some(wanted) {
        // Permitted, because the value is never above the maximum.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
}
