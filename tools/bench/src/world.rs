//! The whole system, on the servers of `stack run`, with data of its own.

use std::path::Path;

use anyhow::{Context, Result};
use mongodb::Database;
use tempfile::TempDir;
use test_kit::mixdown::{Mixdown, Plan, User};
use test_kit::process::{STACK_MARK, strays};
use test_kit::services::Service;
use test_kit::shared;

use crate::room;

pub(crate) struct World {
    mixdown: Mixdown,
    client: mongodb::Client,
    scratch: TempDir,
}

impl World {
    /// Call it on the main thread: the services die with the thread that started them.
    pub(crate) async fn start() -> Result<Self> {
        let scratch = scratch()?;
        room::look_first(scratch.path())?;
        let mixdown = Plan::new()
            // As they are in use; a plan for tests has them short.
            .with("LEASE", "30s")
            .with("UNANNOUNCED_AFTER", "30s")
            .with("RECONCILE_INTERVAL", "15s")
            .with("SWEEP_INTERVAL", "5m")
            // On a slow machine a part takes longer than the 15 minutes that tokens last.
            .with("ACCESS_TOKEN_LIFETIME", "1h")
            .start()
            .await?;
        let client = mongodb::Client::with_uri_str(&shared().mongodb_url).await?;
        room::forget_the_past(&client).await?;
        Ok(Self { mixdown, client, scratch })
    }

    /// A new user, who can confirm their address while there is a service that sends mails.
    pub(crate) async fn user(&self) -> Result<User> {
        self.mixdown.user().await
    }

    pub(crate) fn url(&self) -> String {
        self.mixdown.url()
    }

    /// Where the videos and the plain tools' output go.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// One of the services' databases by its usual name.
    pub(crate) fn database(&self, name: &str) -> Database {
        self.client.database(&format!("{}{name}", self.mixdown.prefix()))
    }

    /// Has the room of what was deleted used again; an error where the disk fills up nevertheless.
    pub(crate) async fn reclaim(&self) -> Result<()> {
        room::reclaim(&self.client, self.scratch()).await
    }

    pub(crate) async fn stop(&mut self, service: Service) -> Result<()> {
        self.mixdown.service(service)?.stop().await;
        Ok(())
    }

    /// Replaces a service's process by a new one, whose memory nothing has used yet.
    pub(crate) async fn restart(&mut self, service: Service) -> Result<()> {
        self.mixdown.service(service)?.restart().await
    }

    /// The number of a service's process.
    pub(crate) fn pid(&self, service: Service) -> Result<u32> {
        strays(&self.mixdown.system().home, &[])
            .into_iter()
            .map(|process| process.pid)
            .find(|pid| program_name(*pid).is_some_and(|name| name == service.name()))
            .with_context(|| format!("{} does not run", service.name()))
    }
}

fn program_name(pid: u32) -> Option<String> {
    Some(std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_owned())
}

/// Inside the folder of `stack run`, which is removed even if this program is killed.
fn scratch() -> Result<TempDir> {
    let run = std::env::var_os(STACK_MARK).map_or_else(std::env::temp_dir, Into::into);
    tempfile::Builder::new().prefix("bench-").tempdir_in(run).context("no temporary folder")
}
