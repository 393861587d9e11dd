//! How the engine starts every program: argument array, empty environment, own process group, confined,
//! killed on drop.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::engine::scratch::SOURCE;
use crate::sandbox::{self, Confinement, Limits};

/// Starts programs through the converter's own binary, which confines itself first: safe Rust cannot run code
/// between `fork` and `exec`.
#[derive(Debug, Clone)]
pub(crate) struct Launcher {
    /// The launcher. It calls [`sandbox::run_if_asked`] first.
    pub program: PathBuf,
    pub limits: Limits,
    /// Whether a program is refused when a layer is missing.
    pub is_strict: bool,
}

/// A program's directory and the files in it that it may use. It sees no others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub directory: &'a Path,
    pub reads: &'a [&'a str],
    /// The one file that it may write. It must exist.
    pub writes: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// In this directory, with read access to the source.
    pub(crate) fn of_source(directory: &'a Path) -> Self {
        Self { directory, reads: &[SOURCE], writes: None }
    }

    /// In this directory, with access to no file.
    pub(crate) fn without_files(directory: &'a Path) -> Self {
        Self { directory, reads: &[], writes: None }
    }
}

/// A running program. Dropping its [`Process`] kills its process group.
#[derive(Debug)]
pub(crate) struct Child {
    pub stdout: ChildStdout,
    pub process: Process,
}

/// A running program without its output.
#[derive(Debug)]
pub(crate) struct Process {
    keeper: JoinHandle<io::Result<Ended>>,
    _stop: DropGuard,
}

/// A program's exit status, and the beginning and the end of its standard error.
#[derive(Debug)]
pub(crate) struct Ended {
    pub status: ExitStatus,
    pub log: String,
}

impl Launcher {
    /// Starts a program in a directory. `keepers` is done when every program started with it has ended.
    ///
    /// The calling thread must outlive the child, because the kernel takes the thread's end for the parent's
    /// death. A worker of the runtime lives long enough; a blocking thread does not.
    pub(crate) fn start(
        &self,
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        place: Place<'_>,
        stdin: Stdio,
        keepers: &TaskTracker,
    ) -> io::Result<Child> {
        let confinement = self.confinement(place);
        let mut child = Command::new(&self.program)
            .args(sandbox::launcher_arguments(&confinement, program.as_os_str())?)
            .args(arguments)
            .env_clear()
            .current_dir(place.directory)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let missing_pipe = || io::Error::other("the child has no pipe");
        let stdout = child.stdout.take().ok_or_else(missing_pipe)?;
        let stderr = child.stderr.take().ok_or_else(missing_pipe)?;
        let stop = CancellationToken::new();
        let keeper = keepers.spawn(keep(Group(child), stderr, stop.clone()));
        Ok(Child { stdout, process: Process { keeper, _stop: stop.drop_guard() } })
    }

    pub(crate) fn confinement(&self, place: Place<'_>) -> Confinement {
        Confinement {
            parent: std::process::id(),
            is_strict: self.is_strict,
            limits: self.limits,
            reads: place.reads.iter().map(|name| (*name).to_owned()).collect(),
            writes: place.writes.map(str::to_owned),
        }
    }
}

impl Child {
    /// Like [`Process::ended`].
    pub(crate) async fn ended(self) -> io::Result<Ended> {
        self.process.ended().await
    }
}

impl Process {
    /// Waits for the program's end. Read its output before or at the same time: a full pipe blocks the
    /// program.
    pub(crate) async fn ended(self) -> io::Result<Ended> {
        self.keeper.await?
    }
}

/// A child process and the processes that it started.
struct Group(tokio::process::Child);

impl Group {
    fn kill(&self) {
        // A reaped child's id may belong to another process. tokio then returns `None`.
        let pid = self.0.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(pid) = pid {
            // Fails if the group is already gone, which is the goal.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn keep(
    mut group: Group,
    stderr: impl AsyncRead + Unpin,
    stop: CancellationToken,
) -> io::Result<Ended> {
    let ended = async {
        let log = both_ends(stderr).await?;
        Ok(Ended { status: group.0.wait().await?, log })
    };
    tokio::select! {
        ended = ended => return ended,
        () = stop.cancelled() => {}
    }
    group.kill();
    let status = group.0.wait().await?;
    Ok(Ended { status, log: String::new() })
}

/// A broken file can make FFmpeg complain about each of its packets. The first and the last complaints are
/// the useful ones.
const HEAD_BYTES: usize = 16 * 1024;
const TAIL_BYTES: usize = 48 * 1024;

async fn both_ends(mut stream: impl AsyncRead + Unpin) -> io::Result<String> {
    let (mut head, mut tail) = (Vec::new(), VecDeque::<u8>::with_capacity(4096));
    let mut piece = [0; 4096];
    loop {
        let length = stream.read(&mut piece).await?;
        if length == 0 {
            head.extend(tail);
            return Ok(String::from_utf8_lossy(&head).into_owned());
        }
        let (first, rest) = piece[..length].split_at(length.min(HEAD_BYTES - head.len()));
        head.extend_from_slice(first);
        tail.extend(rest);
        tail.drain(..tail.len().saturating_sub(TAIL_BYTES));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_both_ends_of_a_long_log_are_kept() {
        let text = format!("the beginning{}the end", "x".repeat(3 * TAIL_BYTES));
        let kept = both_ends(text.as_bytes()).await.unwrap();
        assert_eq!(kept.len(), HEAD_BYTES + TAIL_BYTES);
        assert!(kept.starts_with("the beginning") && kept.ends_with("the end"));
        assert_eq!(both_ends(&b"short"[..]).await.unwrap(), "short");
    }
}
