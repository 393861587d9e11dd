//! Processes that outlive whoever started them, or never do: started in a session of their own, and known by more
//! than a number, so that nobody else's process is ever signalled.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures_util::future::join_all;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

use crate::project::find_program;

/// The environment variable that marks every process of one stack; its value is the stack's folder.
pub const STACK_MARK: &str = "MIXDOWN_STACK";

/// How a process is started. No secrets in here: arguments are public, and the stack writes this down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// Absolute path of the program.
    pub program: PathBuf,
    /// Its arguments, without the program's name.
    pub arguments: Vec<String>,
    /// Its whole environment, except `PATH`, `HOME` and the like, which it gets from the starter.
    pub environment: BTreeMap<String, String>,
}

/// Who outlives whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Goes on when the starter ends.
    Detached,
    /// The kernel kills it when the thread that started it ends, in whatever way: start it from a thread that lives
    /// as long as it should, such as a test's or `main`'s, not from `spawn_blocking`.
    WithStarter,
}

impl Launch {
    /// A launch of `program` with nothing else yet.
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
    /// When the log can't be written or the program can't be started. A program that starts and fails at once is no
    /// error here: ask whether it [answers](crate::servers::Server::greet).
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
        // A session of its own: a Ctrl-C in the terminal reaches the stack, not its servers. Both programs replace
        // themselves, so that the process number is the server's.
        let mut command = Command::new(find_program("setsid")?);
        if lifetime == Lifetime::WithStarter {
            command.arg(find_program("setpriv")?).args(["--pdeathsig", "KILL", "--"]);
        }
        command.arg(&self.program).args(&self.arguments).stdin(Stdio::null()).env_clear();
        // Nothing else of the caller's: MYSQL_*, ERL_* or NODE_OPTIONS would change the servers.
        for name in ["PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(&self.environment);
        Ok(command)
    }
}

/// A process that was started, and the right to reap it if it is our own child.
#[derive(Debug)]
pub struct Process {
    identity: Identity,
    child: Option<Child>,
}

impl Process {
    /// A process that somebody else started and wrote down.
    #[must_use]
    pub fn adopted(identity: Identity) -> Self {
        Self { identity, child: None }
    }

    /// Which process it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.identity.is_running()
    }

    /// Waits for the end of a process that this program started, and tells whether it was a success.
    ///
    /// # Errors
    /// When somebody else started it.
    pub async fn succeeds(&mut self) -> Result<bool> {
        let child = self.child.as_mut().context("only the starter learns how a process ended")?;
        Ok(child.wait().await.context("could not wait for the process")?.success())
    }

    /// Asks it to end, and kills it with its whole process group once `patience` is over.
    pub async fn stop(&mut self, patience: Duration) {
        self.identity.stop(patience).await;
        self.reap().await;
    }

    /// Kills it at once with its whole process group: what a crash or the kernel's OOM killer does.
    pub async fn kill_hard(&mut self) {
        self.identity.kill_group();
        self.identity.wait_for_end(KILL_PATIENCE).await;
        self.reap().await;
    }

    /// Kills it on the way out of a test, where nobody can wait any more.
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
            // Already ended: only the entry in the process table is collected.
            let _ = child.wait().await;
        }
    }
}

const KILL_PATIENCE: Duration = Duration::from_secs(10);
// What a server's own helpers need to notice that it is gone.
const FAREWELL: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(10);

/// A process for certain: a number is used again, a number with a start time on one boot is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The process number.
    pub pid: u32,
    /// When it started, in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub started_ticks: u64,
    /// The boot that these ticks count from.
    pub boot: String,
}

impl Identity {
    /// The process that has this number now.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(pid: u32) -> Result<Self> {
        let stat = Stat::read(pid).with_context(|| format!("there is no process {pid}"))?;
        Ok(Self { pid, started_ticks: stat.started_ticks, boot: boot_id() })
    }

    /// Whether that very process still runs. One that ended and was not collected by its parent counts as ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.boot == boot_id()
            && Stat::read(self.pid)
                .is_ok_and(|stat| stat.started_ticks == self.started_ticks && !stat.has_ended())
    }

    /// Asks it to end, and kills it with its whole process group once `patience` is over.
    pub async fn stop(&self, patience: Duration) {
        self.ask_to_end();
        if !self.wait_for_end(patience).await {
            self.kill_group();
            self.wait_for_end(KILL_PATIENCE).await;
        }
    }

    /// Whether it ended within `patience`.
    pub async fn wait_for_end(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.is_running() {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(POLL).await;
        }
        true
    }

    /// Sends SIGTERM, which our programs answer by draining.
    pub fn ask_to_end(&self) {
        self.signal(Signal::TERM);
    }

    fn signal(&self, signal: Signal) {
        let Some(pid) = self.raw_pid() else { return };
        // The descriptor is taken first and the identity checked after: from then on the number can't change hands.
        if let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty())
            && self.is_running()
        {
            // Fails only if it has just ended.
            let _ = pidfd_send_signal(&descriptor, signal);
        }
    }

    fn kill_group(&self) {
        if let Some(pid) = self.raw_pid()
            && self.is_running()
        {
            // It leads its own session, so its group has its number. ESRCH: it has just ended.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        self.signal(Signal::KILL);
    }

    fn raw_pid(&self) -> Option<Pid> {
        i32::try_from(self.pid).ok().and_then(Pid::from_raw)
    }
}

/// What `/proc/PID/stat` says, as far as it matters here.
struct Stat {
    state: char,
    parent: u32,
    started_ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Self::parse(&text)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unreadable process state"))
    }

    /// The second field is the program's name in parentheses and may itself hold spaces and parentheses.
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text[text.rfind(')')? + 1..].split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        // Fields 3 and 4 are taken: 22 is the eighteenth of the rest.
        let started_ticks = fields.nth(17)?.parse().ok()?;
        Some(Self { state, parent, started_ticks })
    }

    fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// The processes that carry this stack's mark, except `known` ones and their descendants: what an interrupted start
/// left behind.
#[must_use]
pub fn strays(stack_dir: &Path, known: &[Identity]) -> Vec<Identity> {
    let mark = format!("{STACK_MARK}={}", stack_dir.display());
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != std::process::id() && carries_mark(*pid, &mark) && !descends_from(*pid, known))
        .filter_map(|pid| Identity::of(pid).ok())
        .filter(Identity::is_running)
        .collect()
}

/// Stops what carries this stack's mark and is not `known`, and gives how many processes that were. Those that are about
/// to end with their parents are left to do so.
pub async fn stop_strays(stack_dir: &Path, known: &[Identity], patience: Duration) -> usize {
    let mut count = 0;
    // Again, because one may have started another before it was stopped.
    for _ in 0..5 {
        let deadline = Instant::now() + FAREWELL;
        while Instant::now() < deadline && !strays(stack_dir, known).is_empty() {
            tokio::time::sleep(POLL).await;
        }
        let strays = strays(stack_dir, known);
        if strays.is_empty() {
            break;
        }
        count += strays.len();
        join_all(strays.iter().map(|stray| stray.stop(patience))).await;
    }
    count
}

fn carries_mark(pid: u32, mark: &str) -> bool {
    // Unreadable for processes of other users, which are not ours.
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    })
}

fn descends_from(mut pid: u32, known: &[Identity]) -> bool {
    while pid > 1 {
        if known.iter().any(|identity| identity.pid == pid) {
            return true;
        }
        match Stat::read(pid) {
            Ok(stat) => pid = stat.parent,
            Err(_) => return false,
        }
    }
    false
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_parentheses_does_not_shift_the_fields() {
        let text = "7 (a) b (c)) S 3 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 99 100";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.state, stat.parent, stat.started_ticks), ('S', 3, 4711));
    }

    #[tokio::test]
    async fn a_process_number_with_another_start_time_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let sleep = Launch::new(find_program("sleep").unwrap()).argument("60");
        let mut process = sleep.start(&dir.path().join("log"), Lifetime::WithStarter).unwrap();
        let mut namesake = process.identity().clone();
        namesake.started_ticks += 1;

        namesake.stop(Duration::from_secs(1)).await;
        assert!(process.is_running());

        process.stop(Duration::from_secs(5)).await;
        assert!(!process.is_running());
    }

    #[tokio::test]
    async fn a_marked_process_is_found_unless_it_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let sleep = Launch::new(find_program("sleep").unwrap())
            .argument("60")
            .variable(STACK_MARK, dir.path().display().to_string());
        let mut process = sleep.start(&dir.path().join("log"), Lifetime::WithStarter).unwrap();
        let known = [process.identity().clone()];

        // The mark is visible once the shell of wrappers has become the program.
        crate::wait_until("the process carries its mark", Duration::from_secs(5), async || {
            strays(dir.path(), &[]) == known
        })
        .await;
        assert_eq!(strays(dir.path(), &known), []);
        process.stop(Duration::from_secs(5)).await;
    }
}
