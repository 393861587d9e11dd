use std::fs::{self, File};
use std::io::IsTerminal as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::secrecy::{Searched, search_logs};
use test_kit::SharedServers;
use test_kit::process::{Identity, STACK_MARK, stop_strays};
use test_kit::project::{Project, find_program};
use test_kit::servers::{MailCatcher, MongoDb, MySql, RabbitMq, Running, Server};

const PREFIX: &str = "mixdown-run-";
const LOCK: &str = "lock";
// Long enough for a terminated command to write its report.
const COMMAND_PATIENCE: Duration = Duration::from_secs(10);

/// Starts the four servers for one command and runs it. Returns its exit code.
///
/// Call it on the main thread: the servers end with the thread that started them, in whatever way it ends.
///
/// # Errors
/// A server does not become ready, or the command cannot be started.
pub(crate) async fn run(project: &Project, command: &[String]) -> Result<u8> {
    remove_abandoned_homes().await;
    let home = TempDir::with_prefix(PREFIX).context("no temporary folder")?;
    // Held until the end, so that other runs know that this folder is in use.
    let lock = File::create(home.path().join(LOCK)).context("could not create the lock")?;
    lock.lock().context("could not take the lock")?;

    let result = run_in(project, home.path(), command).await;
    let result = result.and_then(|code| Ok(if keeps_secrets(home.path())? { code } else { code.max(1) }));
    // Stops the servers and the processes that the command left. An orderly shutdown would only cost time,
    // because their data are deleted too.
    stop_strays(home.path(), &[], Duration::ZERO).await;
    result
}

/// Whether no service of this run has logged a secret. Prints what was found.
fn keeps_secrets(home: &Path) -> Result<bool> {
    let searched = search_logs(home)?;
    if searched.files > 0 {
        let Searched { files, lines, found } = &searched;
        say!("Searched {files} logs with {lines} lines for secrets and addresses: found {}", found.len());
    }
    for line in &searched.found {
        say!("  {line}");
    }
    Ok(searched.found.is_empty())
}

async fn run_in(project: &Project, home: &Path, command: &[String]) -> Result<u8> {
    let mut requests = StopRequests::listen()?;
    let servers = tokio::select! {
        started = Servers::start(project, home) => started?,
        request = requests.next() => return Ok(request.exit_code()),
    };
    let mut child = start_command(command, home, &servers.shared())?;
    loop {
        let request = tokio::select! {
            status = child.wait() => return Ok(exit_code(status.context("could not wait for the command")?)),
            request = requests.next() => request,
        };
        // A Ctrl-C in a terminal also reaches the command, which may be a shell that continues.
        if request == StopRequest::Terminate || !std::io::stdin().is_terminal() {
            end_command(&mut child).await;
            return Ok(request.exit_code());
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StopRequest {
    Interrupt,
    Terminate,
}

impl StopRequest {
    /// The exit code that a shell reports for a program ended by the signal.
    fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

struct StopRequests {
    interrupt: Signal,
    terminate: Signal,
}

impl StopRequests {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("could not listen for signals");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> StopRequest {
        tokio::select! {
            _ = self.interrupt.recv() => StopRequest::Interrupt,
            _ = self.terminate.recv() => StopRequest::Terminate,
        }
    }
}

struct Servers {
    mysql: Running<MySql>,
    mongodb: Running<MongoDb>,
    rabbitmq: Running<RabbitMq>,
    mail: Running<MailCatcher>,
}

impl Servers {
    async fn start(project: &Project, home: &Path) -> Result<Self> {
        let (mysql, mongodb, rabbitmq, mail) = tokio::try_join!(
            Running::start_in(MySql::new_in(project, home)?, home),
            Running::start_in(MongoDb::new_in(project, home)?, home),
            Running::start_in(RabbitMq::new_in(project, home)?, home),
            Running::start_in(MailCatcher::new_in(project, home)?, home),
        )?;
        Ok(Self { mysql, mongodb, rabbitmq, mail })
    }

    /// The servers' addresses for the tests.
    fn shared(&self) -> SharedServers {
        SharedServers {
            mysql_url: self.mysql.url(),
            mongodb_url: self.mongodb.url(),
            rabbitmq_url: self.rabbitmq.url(),
            smtp_url: self.mail.url(),
            inbox_url: self.mail.inbox_url(),
        }
    }
}

fn start_command(command: &[String], home: &Path, servers: &SharedServers) -> Result<Child> {
    // In the terminal's foreground process group, so that it can read input. It is killed together with this
    // program, in case the cleanup does not run.
    Command::new(find_program("setpriv")?)
        .args(["--pdeathsig", "KILL", "--"])
        .args(command)
        .envs(servers.environment())
        .env(STACK_MARK, home)
        .spawn()
        .context("could not start the command")
}

async fn end_command(child: &mut Child) {
    if let Some(identity) = child.id().and_then(|pid| Identity::of(pid).ok()) {
        identity.ask_to_end();
    }
    // A command that ignores the signal is killed with the other strays.
    let _ = tokio::time::timeout(COMMAND_PATIENCE, child.wait()).await;
}

fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// Removes the folders of killed runs. Their locks are free.
async fn remove_abandoned_homes() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let home = entry.path();
        if entry.file_name().to_string_lossy().starts_with(PREFIX)
            && File::open(home.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok())
        {
            stop_strays(&home, &[], Duration::ZERO).await;
            // Another run may do the same now, or the folder belongs to another user. Neither is an error.
            let _ = fs::remove_dir_all(&home);
        }
    }
}
