use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::folder::StackFolder;
use crate::ledger::Ledger;
use crate::parts::Parts;
use test_kit::process::{Launch, Lifetime, Process, STACK_MARK, stop_strays};
use test_kit::project::Project;
use test_kit::servers::{self, Server, Site, last_lines};
use test_kit::services::{DRAIN_PATIENCE, Service};

/// A server may have much to write before it ends.
pub(crate) const SERVER_PATIENCE: Duration = Duration::from_mins(1);
// An interrupted migration continues by itself. Ending it in the middle could leave half a table.
const MIGRATION_PATIENCE: Duration = Duration::from_mins(1);
const MIGRATION: &str = "auth-migrate";

/// Starts the parts that do not run yet, waits until all are ready, and prints the addresses. A part that
/// runs with the current settings and build is left alone.
///
/// # Errors
/// A part is missing or does not become ready. Parts that were started before continue.
pub(crate) async fn up(project: &Project, folder: &StackFolder) -> Result<()> {
    folder.create()?;
    let _lock = folder.lock()?;
    let ledger = Ledger::open(folder)?;
    say!("Starting Mixdown natively, with everything it needs under {}", folder.path().display());
    clear_strays(folder, &ledger).await;

    let parts = Parts::settle(project, folder, &ledger)?;
    parts.system.write_secrets()?;
    let starter = Starter { folder, ledger: &ledger, parts: &parts };
    tokio::try_join!(
        starter.start_server(&parts.mysql),
        starter.start_server(&parts.mongodb),
        starter.start_server(&parts.rabbitmq),
        starter.start_server(&parts.mail),
    )?;
    starter.migrate().await?;
    tokio::try_join!(
        starter.start_service(Service::Auth),
        starter.start_service(Service::Gateway),
        starter.start_service(Service::Converter),
        starter.start_service(Service::Notification),
    )?;

    say!("\nMixdown is up.");
    say!("  app    {}", parts.system.public_url());
    say!("  inbox  {}   (every mail that Mixdown sends lands here)", parts.mail.inbox_url());
    say!("\n`make logs` follows the logs, `make down` stops it and keeps the data.");
    Ok(())
}

/// Stops the unrecorded processes of an interrupted start.
async fn clear_strays(folder: &StackFolder, ledger: &Ledger) {
    let migration = ledger.running(MIGRATION);
    if let Some(migration) = migration {
        say!("An earlier start was interrupted; waiting for its migration to end.");
        migration.identity.wait_for_end(MIGRATION_PATIENCE).await;
    }
    let strays = stop_strays(folder.path(), &ledger.all_running(), SERVER_PATIENCE).await;
    if strays > 0 {
        say!("An earlier start was interrupted; stopped {strays} processes that it had left.");
    }
}

struct Starter<'stack> {
    folder: &'stack StackFolder,
    ledger: &'stack Ledger,
    parts: &'stack Parts,
}

impl Starter<'_> {
    async fn start_server<S: Server>(&self, server: &S) -> Result<()> {
        let begin = Instant::now();
        let log = self.folder.log(S::NAME);
        let site = Site { home: self.folder.path(), log: &log, lifetime: Lifetime::Detached };
        let launch = site.mark(server.launch()?);
        let running = self.keep_current(S::NAME, &launch, SERVER_PATIENCE).await?;
        let was_running = running.is_some();
        let process = if let Some(process) = running {
            process
        } else {
            report(S::NAME, "starting");
            servers::prepare(server, site).await?;
            self.start(S::NAME, &launch)?
        };
        servers::wait_until_ready(server, &process, &log).await?;
        report_ready(S::NAME, was_running, begin);
        Ok(())
    }

    async fn start_service(&self, service: Service) -> Result<()> {
        let begin = Instant::now();
        let name = service.name();
        let launch = self.service_launch(service)?;
        let running = self.keep_current(name, &launch, DRAIN_PATIENCE).await?;
        let was_running = running.is_some();
        let process = running.map_or_else(|| self.start(name, &launch), Ok)?;
        self.parts.system.wait_until_ready(service, &process, &self.folder.log(name)).await?;
        report_ready(name, was_running, begin);
        Ok(())
    }

    fn service_launch(&self, service: Service) -> Result<Launch> {
        Ok(self.parts.system.launch(service)?.variable(STACK_MARK, self.folder.path().display().to_string()))
    }

    /// The part's process if it is up to date. One with other settings or an older build is stopped.
    async fn keep_current(&self, part: &str, launch: &Launch, patience: Duration) -> Result<Option<Process>> {
        let Some(entry) = self.ledger.running(part) else { return Ok(None) };
        if entry.is_current(launch) {
            return Ok(Some(Process::adopted(entry.identity)));
        }
        report(part, "stopping: its settings or its build have changed");
        entry.identity.stop(patience).await;
        self.ledger.stopped(part)?;
        Ok(None)
    }

    fn start(&self, part: &str, launch: &Launch) -> Result<Process> {
        let process = launch.start(&self.folder.log(part), Lifetime::Detached)?;
        self.ledger.started(part, process.identity(), launch)?;
        Ok(process)
    }

    /// Migrates the accounts' tables, unless the auth service already runs on them.
    async fn migrate(&self) -> Result<()> {
        let auth = self.service_launch(Service::Auth)?;
        if self.ledger.running(Service::Auth.name()).is_some_and(|entry| entry.is_current(&auth)) {
            return Ok(());
        }
        let migration = auth.argument("migrate");
        let log = self.folder.log(MIGRATION);
        let mut process = self.start(MIGRATION, &migration)?;
        let succeeded = tokio::time::timeout(MIGRATION_PATIENCE, process.succeeds()).await;
        if !succeeded.context("the migration of the accounts' database did not end")?? {
            bail!("the migration of the accounts' database failed; {}:\n{}", log.display(), last_lines(&log));
        }
        self.ledger.stopped(MIGRATION)?;
        report(Service::Auth.name(), "database is up to date");
        Ok(())
    }
}

fn report(part: &str, what: &str) {
    say!("  {part:<13} {what}");
}

fn report_ready(part: &str, was_running: bool, begin: Instant) {
    if was_running {
        report(part, "runs already");
    } else {
        report(part, &format!("ready after {:.1} s", begin.elapsed().as_secs_f64()));
    }
}
