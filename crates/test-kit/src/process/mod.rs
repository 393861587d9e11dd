//! Processes that outlive their starter, or never do. Each runs in its own session and is identified by more
//! than its number, so that a signal never reaches another process.

mod identity;
mod strays;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

pub use self::identity::Identity;
pub use self::strays::{stop_strays, strays};
use crate::project::find_program;

const KILL_PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// The environment variable that marks every process of a stack. Its value is the stack's folder.
pub const STACK_MARK: &str = "MIXDOWN_STACK";

/// How to start a process. It contains no secrets: arguments are public, and the stack stores them in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// Absolute path of the program.
    pub program: PathBuf,
    /// Its arguments, without the program's name.
    pub arguments: Vec<String>,
    /// The whole environment, except `PATH`, `HOME` and similar ones, which come from the starter.
    pub environment: BTreeMap<String, String>,
}

/// What happens to a process when its starter ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// It continues.
    Detached,
    /// The kernel kills it when the thread that started it ends for any reason. So start it from a thread
    /// that lives long enough, such as the thread of a test or of `main`, not from `spawn_blocking`.
    WithStarter,
}

impl Launch {
    /// A launch of `program` without arguments.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), arguments: Vec::new(), environment: BTreeMap::new() }
    }

    /// Adds one argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets one environment variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Starts it with its output appended to `log`.
    ///
    /// # Errors
    /// The log cannot be written or the program cannot be started. A program that starts and fails at once is
    /// not an error here: check whether it [answers](crate::servers::Server::greet).
    pub fn start(&self, log: &Path, lifetime: Lifetime) -> Result<Process> {
        let log = open_log(log)?;
        let mut command = self.command(lifetime)?;
        command.stdout(log.try_clone().context("could not share the log")?).stderr(log);
        let child = command.spawn().with_context(|| format!("could not start {}", self.program.display()))?;
        let pid = child.id().context("the process ended before its number was read")?;
        Ok(Process { identity: Identity::of(pid)?, child: Some(child) })
    }

    fn command(&self, lifetime: Lifetime) -> Result<Command> {
        if !self.program.is_file() {
            bail!("{} is not there", self.program.display());
        }
        // Its own session: a Ctrl-C in the terminal reaches the stack but not its servers. `setsid` and
        // `setpriv` replace themselves, so the process number is the server's.
        let mut command = Command::new(find_program("setsid")?);
        if lifetime == Lifetime::WithStarter {
            command.arg(find_program("setpriv")?).args(["--pdeathsig", "KILL", "--"]);
        }
        command.arg(&self.program).args(&self.arguments).stdin(Stdio::null()).env_clear();
        // No other variable of the caller: MYSQL_*, ERL_* or NODE_OPTIONS would change the servers.
        for name in ["PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(&self.environment);
        Ok(command)
    }
}

/// A started process, and the right to reap it if it is our child.
#[derive(Debug)]
pub struct Process {
    identity: Identity,
    child: Option<Child>,
}

impl Process {
    /// A process that another program started and recorded.
    #[must_use]
    pub fn adopted(identity: Identity) -> Self {
        Self { identity, child: None }
    }

    /// The process's identity.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.identity.is_running()
    }

    /// Waits until a process of this program ends. Returns whether it succeeded.
    ///
    /// # Errors
    /// Another program started it.
    pub async fn succeeds(&mut self) -> Result<bool> {
        let child = self.child.as_mut().context("only the starter learns how a process ended")?;
        Ok(child.wait().await.context("could not wait for the process")?.success())
    }

    /// Sends SIGTERM. After `patience`, kills its whole process group.
    pub async fn stop(&mut self, patience: Duration) {
        self.identity.stop(patience).await;
        self.reap().await;
    }

    /// Kills its whole process group at once, like a crash or the kernel's out-of-memory killer.
    pub async fn kill_hard(&mut self) {
        self.identity.kill_group();
        self.identity.wait_for_end(KILL_PATIENCE).await;
        self.reap().await;
    }

    /// Kills it at the end of a test, when waiting is no longer possible.
    pub(crate) fn kill_now(&self) {
        self.identity.kill_group();
        let deadline = Instant::now() + KILL_PATIENCE;
        while self.is_running() && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
    }

    async fn reap(&mut self) {
        if let Some(mut child) = self.child.take()
            && !self.is_running()
        {
            // It has already ended. This only removes its entry in the process table.
            let _ = child.wait().await;
        }
    }
}

const MAX_LOG_BYTES: u64 = 16 * 1024 * 1024;

fn open_log(path: &Path) -> Result<File> {
    if fs::metadata(path).is_ok_and(|log| log.len() > MAX_LOG_BYTES) {
        fs::rename(path, path.with_extension("log.old")).context("could not put the old log aside")?;
    }
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("could not open the log {}", path.display()))
}
