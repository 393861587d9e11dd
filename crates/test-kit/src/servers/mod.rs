//! Real servers as child processes: one module each for MySQL, MongoDB, RabbitMQ and the mail catcher.
//!
//! Each listens on its own loopback ports and keeps everything in one folder. [`Running`] starts a server and
//! waits until it answers. It can stop, kill or restart it on the same data and ports.

mod mail;
mod mongodb;
mod mysql;
mod rabbitmq;

use std::fs;
use std::future::Future;
use std::io::Write as _;
use std::ops::Deref;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use tempfile::TempDir;

pub use self::mail::MailCatcher;
pub use self::mongodb::MongoDb;
pub use self::mysql::MySql;
pub use self::rabbitmq::RabbitMq;
use crate::process::{Launch, Lifetime, Process, STACK_MARK};
use crate::project::Project;

/// What the four servers have in common.
pub trait Server: Send + Sync {
    /// The name in logs, file names and messages.
    const NAME: &'static str;

    /// The folder that holds all of its data.
    fn data_dir(&self) -> &Path;

    /// The program that fills the empty data folder before the first start. `None`: the server does so
    /// itself.
    ///
    /// # Errors
    /// It is not installed.
    fn creation(&self) -> Result<Option<Launch>> {
        Ok(None)
    }

    /// Writes its configuration files before each start.
    ///
    /// # Errors
    /// They cannot be written.
    fn configure(&self) -> Result<()>;

    /// How to start it.
    ///
    /// # Errors
    /// It is not installed.
    fn launch(&self) -> Result<Launch>;

    /// Connects once and sets the server up on its first start. An error gives the reason why it is not ready
    /// yet.
    fn greet(&self) -> impl Future<Output = Result<()>> + Send;

    /// The URL for clients.
    fn url(&self) -> String;

    /// A server of this kind on free ports, with its data below `home`.
    fn new_in(project: &Project, home: &Path) -> Result<Self>
    where
        Self: Sized;
}

// RabbitMQ's first start takes 5 s on two idle cores. A loaded machine may need many times that.
const READY_DEADLINE: Duration = Duration::from_mins(2);
const GREETING_DEADLINE: Duration = Duration::from_secs(10);
// Before they end, MongoDB writes a checkpoint and RabbitMQ closes its queues.
const STOP_PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);

/// Where and how a server is started.
#[derive(Debug, Clone, Copy)]
pub struct Site<'site> {
    /// The folder whose [mark](STACK_MARK) its processes carry.
    pub home: &'site Path,
    /// The file for its output.
    pub log: &'site Path,
    /// Whether it outlives its starter.
    pub lifetime: Lifetime,
}

impl Site<'_> {
    /// The launch with this site's mark.
    #[must_use]
    pub fn mark(&self, launch: Launch) -> Launch {
        launch.variable(STACK_MARK, self.home.display().to_string())
    }
}

/// Creates the data folder at the first start and writes the configuration.
///
/// An interrupted first start leaves a folder in an unknown state that was never used. It is created again.
///
/// # Errors
/// A file cannot be written, or the program that creates the data fails.
pub async fn prepare<S: Server>(server: &S, site: Site<'_>) -> Result<()> {
    let data = server.data_dir();
    if !completion_mark(server).exists() {
        if data.exists() {
            fs::remove_dir_all(data).with_context(|| format!("could not clear {}", data.display()))?;
        }
        create_private_dir(data)?;
        if let Some(creation) = server.creation()? {
            let mut process = site.mark(creation).start(site.log, site.lifetime)?;
            let succeeded = tokio::time::timeout(READY_DEADLINE, process.succeeds()).await;
            if !succeeded.with_context(|| format!("the data of {} was not created in time", S::NAME))?? {
                let (name, log) = (S::NAME, site.log.display());
                bail!("could not create the data of {name}; the end of {log}:\n{}", last_lines(site.log));
            }
        }
    }
    server.configure().with_context(|| format!("could not configure {}", S::NAME))
}

/// Waits until the server answers and is set up.
///
/// # Errors
/// It ends, or is not ready in time.
pub async fn wait_until_ready<S: Server>(server: &S, process: &Process, log: &Path) -> Result<()> {
    let deadline = Instant::now() + READY_DEADLINE;
    loop {
        let error = match tokio::time::timeout(GREETING_DEADLINE, server.greet()).await {
            Ok(Ok(())) => break,
            Ok(Err(error)) => error,
            Err(_) => anyhow!("it gave no answer within {} s", GREETING_DEADLINE.as_secs()),
        };
        if !process.is_running() {
            bail!("{} ended at once; the end of its log {}:\n{}", S::NAME, log.display(), last_lines(log));
        }
        if Instant::now() > deadline {
            let waited = READY_DEADLINE.as_secs();
            return Err(error.context(format!(
                "{} was not ready after {waited} s; see {}",
                S::NAME,
                log.display()
            )));
        }
        tokio::time::sleep(POLL).await;
    }
    fs::write(completion_mark(server), "").context("could not mark the first start as complete")
}

fn completion_mark<S: Server>(server: &S) -> PathBuf {
    server.data_dir().with_extension("complete")
}

/// The end of a log, indented, for an error message.
#[must_use]
pub fn last_lines(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    format!("    {}", lines[lines.len().saturating_sub(15)..].join("\n    "))
}

/// Creates a folder that only its owner can enter, and its parents.
///
/// # Errors
/// It cannot be created.
pub fn create_private_dir(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("could not create {}", path.display()))
}

/// Writes a file that only its owner can read, completely or not at all.
///
/// # Errors
/// It cannot be written.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    let unfinished = path.with_extension("unfinished");
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&unfinished, path))
        .with_context(|| format!("could not write {}", path.display()))
}

/// A started server, with the right to stop, kill and restart it. Dereferences to the server for its URL.
#[derive(Debug)]
pub struct Running<S: Server> {
    server: S,
    process: Process,
    log: PathBuf,
    // Removed after `drop` has killed the server.
    home: Option<TempDir>,
}

impl<S: Server> Running<S> {
    /// Starts a server for one test, on free ports and in a temporary folder. It is killed when it is
    /// dropped, or with the thread that started it.
    ///
    /// # Errors
    /// It is not installed or does not become ready.
    pub async fn start() -> Result<Self> {
        let home = TempDir::with_prefix(format!("mixdown-{}-", S::NAME)).context("no temporary folder")?;
        let server = S::new_in(&Project::locate()?, home.path())?;
        let mut running = Self::start_in(server, home.path()).await?;
        running.home = Some(home);
        Ok(running)
    }

    /// Like [`start`](Self::start), with all data in the caller's folder.
    ///
    /// # Errors
    /// It is not installed or does not become ready.
    pub async fn start_at(home: &Path) -> Result<Self> {
        Self::start_in(S::new_in(&Project::locate()?, home)?, home).await
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// Starts a server with its log in `home`. The caller keeps the folder.
    ///
    /// # Errors
    /// It is not installed or does not become ready.
    pub async fn start_in(server: S, home: &Path) -> Result<Self> {
        let log = home.join(format!("{}.log", S::NAME));
        let process = start(&server, home, &log).await?;
        Ok(Self { server, process, log, home: None })
    }

    /// Stops it in an orderly way.
    pub async fn stop(&mut self) {
        self.process.stop(STOP_PATIENCE).await;
    }

    /// Kills it without warning, like a crash.
    pub async fn kill_hard(&mut self) {
        self.process.kill_hard().await;
    }

    /// Stops the server if it runs, starts it on the same data and ports, and waits until it answers.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await;
        let home = self.log.parent().unwrap_or(Path::new("/")).to_path_buf();
        self.process = start(&self.server, &home, &self.log).await?;
        Ok(())
    }
}

async fn start<S: Server>(server: &S, home: &Path, log: &Path) -> Result<Process> {
    let site = Site { home, log, lifetime: Lifetime::WithStarter };
    prepare(server, site).await?;
    let process = site.mark(server.launch()?).start(log, site.lifetime)?;
    wait_until_ready(server, &process, log).await?;
    Ok(process)
}

impl<S: Server> Drop for Running<S> {
    // Killed before its folder is removed: a server that still writes would leave a part of it behind.
    fn drop(&mut self) {
        self.process.kill_now();
    }
}

impl<S: Server> Deref for Running<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.server
    }
}
