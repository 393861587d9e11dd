//! A whole Mixdown for a test: the four services as processes on real servers, used over HTTP, killed and
//! restarted on demand.

mod content;
mod form;
mod plan;
mod shared;
mod transfers;
mod user;

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

pub use self::content::{Content, PIECE, PIECE_BYTES};
pub use self::form::Form;
pub use self::plan::Plan;
pub use self::shared::{PATIENCE, assert_problem, mixdown};
pub use self::user::User;
use crate::gridfs::GridFs;
use crate::inbox::Inbox;
use crate::process::{Lifetime, STACK_MARK};
use crate::services::{RunningService, Service, ServicePorts, System};

/// A running Mixdown. Its processes end when it is dropped, or with the thread that started it.
#[derive(Debug)]
pub struct Mixdown {
    services: BTreeMap<Service, RunningService>,
    system: System,
    prefix: String,
    /// The inbox for its users' mails. `None`: the plan has no mails.
    inbox: Option<Inbox>,
    /// The last field, so that it is dropped after every process that writes into the folder.
    _home: Home,
}

/// A system's folder. Only its logs are kept, because `stack run` searches them after the run.
#[derive(Debug)]
struct Home(TempDir);

impl Drop for Home {
    fn drop(&mut self) {
        let Ok(entries) = std::fs::read_dir(self.0.path()) else { return };
        let logs = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension() == Some("log".as_ref()));
        let kept = self.0.path().with_extension("logs");
        if std::env::var_os(STACK_MARK).is_some() && std::fs::create_dir(&kept).is_ok() {
            for log in logs {
                // A lost log is not searched, but that must not fail the test.
                let _ = std::fs::rename(&log, kept.join(log.file_name().unwrap_or_default()));
            }
        }
    }
}

impl Mixdown {
    /// The prefix of its queues and databases.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The system that its services were started with.
    #[must_use]
    pub fn system(&self) -> &System {
        &self.system
    }

    /// `http://127.0.0.1:port` of the gateway.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.system.ports.gateway)
    }

    /// One of its processes, to kill, stop or restart.
    ///
    /// # Errors
    /// The plan left it out.
    pub fn service(&mut self, service: Service) -> Result<&mut RunningService> {
        self.services.get_mut(&service).with_context(|| format!("{} is not part of this", service.name()))
    }

    /// Starts another process of a service beside the existing one, on its own ports.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn start_another(&self, service: Service) -> Result<RunningService> {
        let mut system = self.system.clone();
        system.ports = ServicePorts { auth: system.ports.auth, ..ServicePorts::free()? };
        RunningService::start(&system, service).await
    }

    /// The files in its databases.
    ///
    /// # Errors
    /// MongoDB's URL is malformed.
    pub async fn grid_fs(&self) -> Result<GridFs> {
        GridFs::at(&self.system.mongodb_url, &self.prefix).await
    }

    /// Creates a user with an account and logs in. If the plan has mails, the address is confirmed.
    ///
    /// # Errors
    /// The registration or the login fails.
    pub async fn user(&self) -> Result<User> {
        User::register(&self.url(), self.inbox.as_ref()).await
    }

    /// Makes a user an administrator with the operator's command, and logs in again.
    ///
    /// # Errors
    /// The command or the login fails.
    pub async fn promote(&self, user: &mut User) -> Result<()> {
        let log = self.system.home.join("promotion.log");
        let launch = self.system.launch(Service::Auth)?.argument("user").argument("promote");
        let mut promotion = launch.argument(user.email.as_str()).start(&log, Lifetime::WithStarter)?;
        ensure!(promotion.succeeds().await?, "{}", std::fs::read_to_string(log)?);
        user.token = user.log_in().await?.error_for_status()?.text().await?;
        Ok(())
    }

    /// Everything that a service has logged so far.
    ///
    /// # Errors
    /// The plan left it out, or its log cannot be read.
    pub fn log(&self, service: Service) -> Result<String> {
        let running = self.services.get(&service);
        let running = running.with_context(|| format!("{} is not part of this", service.name()))?;
        std::fs::read_to_string(running.log()).context("could not read the log")
    }

    /// The end of every service's log, for a failed test's message.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for (service, running) in &self.services {
            text.push_str(service.name());
            text.push_str(":\n");
            text.push_str(&crate::servers::last_lines(running.log()));
            text.push('\n');
        }
        text
    }
}

impl Drop for Mixdown {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
    }
}
