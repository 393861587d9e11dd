//! The whole system on the servers of `stack run`, with its own data.

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
    /// Call it on the main thread: the services end with the thread that started them.
    pub(crate) async fn start() -> Result<Self> {
        let scratch = scratch()?;
        room::look_first(scratch.path())?;
        let mixdown = Plan::new()
            // The real value. A plan for tests has a short one.
            .with("LEASE", "30s")
            .with("UNANNOUNCED_AFTER", "30s")
            .with("RECONCILE_INTERVAL", "15s")
            .with("SWEEP_INTERVAL", "5m")
            // On a slow machine, a part takes longer than a token's usual 15 minutes.
            .with("ACCESS_TOKEN_LIFETIME", "1h")
            .start()
            .await?;
        let client = mongodb::Client::with_uri_str(&shared().mongodb_url).await?;
        room::forget_the_past(&client).await?;
        Ok(Self { mixdown, client, scratch })
    }

    /// A new user. A service must be running that sends the mail to confirm the address.
    pub(crate) async fn user(&self) -> Result<User> {
        self.mixdown.user().await
    }

    pub(crate) fn url(&self) -> String {
        self.mixdown.url()
    }

    /// The folder for the videos and the plain tools' output.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// One of the services' databases by its usual name.
    pub(crate) fn database(&self, name: &str) -> Database {
        self.client.database(&format!("{}{name}", self.mixdown.prefix()))
    }

    /// Makes MongoDB reuse the space of deleted files. Fails if the disk becomes full nevertheless.
    pub(crate) async fn reclaim(&self) -> Result<()> {
        room::reclaim(&self.client, self.scratch()).await
    }

    pub(crate) async fn stop(&mut self, service: Service) -> Result<()> {
        self.mixdown.service(service)?.stop().await;
        Ok(())
    }

    /// Replaces a service's process with a new one, whose memory is unused.
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
