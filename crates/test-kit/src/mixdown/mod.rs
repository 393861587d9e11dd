//! One whole Mixdown for a test: our four programs as processes on real servers, driven over HTTP, killed and
//! restarted at will.

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

/// A running Mixdown; its processes die when it is dropped, or with the thread that started it.
#[derive(Debug)]
pub struct Mixdown {
    services: BTreeMap<Service, RunningService>,
    system: System,
    prefix: String,
    /// Where its people read their mails; none where they get none.
    inbox: Option<Inbox>,
    /// Last, so that it goes when nobody writes into it any more.
    _home: Home,
}

/// A system's folder, of which only the logs stay: `stack run` searches them when the run is over.
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
                // One that is lost is not searched, which is no reason to fail.
                let _ = std::fs::rename(&log, kept.join(log.file_name().unwrap_or_default()));
            }
        }
    }
}

impl Mixdown {
    /// What goes in front of the names of its queues and databases.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// How its services were started.
    #[must_use]
    pub fn system(&self) -> &System {
        &self.system
    }

    /// `http://127.0.0.1:port` of the gateway.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.system.ports.gateway)
    }

    /// One of its processes, to be killed, stopped or restarted.
    ///
    /// # Errors
    /// When the plan left it out.
    pub fn service(&mut self, service: Service) -> Result<&mut RunningService> {
        self.services.get_mut(&service).with_context(|| format!("{} is not part of this", service.name()))
    }

    /// One more process of a service, beside the one that it has; on ports of its own.
    ///
    /// # Errors
    /// When it doesn't come up.
    pub async fn start_another(&self, service: Service) -> Result<RunningService> {
        let mut system = self.system.clone();
        system.ports = ServicePorts { auth: system.ports.auth, ..ServicePorts::free()? };
        RunningService::start(&system, service).await
    }

    /// The files in its databases.
    ///
    /// # Errors
    /// When the URL of MongoDB is none.
    pub async fn grid_fs(&self) -> Result<GridFs> {
        GridFs::at(&self.system.mongodb_url, &self.prefix).await
    }

    /// A new person with an account, logged in. Where there are mails, they have confirmed their address.
    ///
    /// # Errors
    /// When the registration or the login fails.
    pub async fn user(&self) -> Result<User> {
        User::register(&self.url(), self.inbox.as_ref()).await
    }

    /// Makes somebody an administrator, as an operator does, and logs them in anew.
    ///
    /// # Errors
    /// When the command or the login fails.
    pub async fn promote(&self, user: &mut User) -> Result<()> {
        let log = self.system.home.join("promotion.log");
        let launch = self.system.launch(Service::Auth)?.argument("user").argument("promote");
        let mut promotion = launch.argument(user.email.as_str()).start(&log, Lifetime::WithStarter)?;
        ensure!(promotion.succeeds().await?, "{}", std::fs::read_to_string(log)?);
        user.token = user.log_in().await?.error_for_status()?.text().await?;
        Ok(())
    }

    /// All that a service has logged so far.
    ///
    /// # Errors
    /// When the plan left it out, or its log can't be read.
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
