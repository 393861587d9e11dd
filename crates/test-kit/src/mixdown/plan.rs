use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::try_join_all;
use tempfile::TempDir;
use tokio::process::Command;

use super::{Home, Mixdown};
use crate::inbox::Inbox;
use crate::process::{Lifetime, STACK_MARK};
use crate::project::find_program;
use crate::servers::last_lines;
use crate::services::{RunningService, Service, ServicePorts, System};
use crate::{shared, unique_name};

const MIGRATION_DEADLINE: Duration = Duration::from_mins(2);

/// The servers and settings of a Mixdown before it starts. Delays are short, and limits are high.
#[derive(Debug, Clone)]
pub struct Plan {
    prefix: String,
    services: Vec<Service>,
    mysql_url: String,
    mongodb_url: String,
    rabbitmq_url: String,
    smtp_url: String,
    variables: BTreeMap<String, String>,
    inbox: Option<Inbox>,
}

impl Plan {
    /// A whole Mixdown on the shared servers, with its own databases and queues.
    ///
    /// # Panics
    /// Outside `stack run`.
    #[must_use]
    pub fn new() -> Self {
        let servers = shared();
        let plan = Self {
            prefix: format!("{}_", unique_name("mx")),
            services: Service::ALL.to_vec(),
            mysql_url: servers.mysql_url.clone(),
            mongodb_url: servers.mongodb_url.clone(),
            rabbitmq_url: servers.rabbitmq_url.clone(),
            smtp_url: servers.smtp_url.clone(),
            variables: BTreeMap::new(),
            inbox: Some(Inbox::shared()),
        };
        let prefix = plan.prefix.clone();
        plan.with("MONGODB_DATABASE_PREFIX", &prefix)
            .with("RABBITMQ_QUEUE_PREFIX", &prefix)
            .with("RETRY_DELAYS", "200ms,1s,2s")
            .with("LEASE", "3s")
            .with("UNANNOUNCED_AFTER", "1s")
            .with("RECONCILE_INTERVAL", "500ms")
            .with("SWEEP_INTERVAL", "1s")
            .with("CREDENTIALS_PER_MINUTE", "100000")
            .with("UPLOADS_PER_MINUTE", "100000")
            .with("REQUESTS_PER_MINUTE", "1000000")
            .with("REVOCATION_INTERVAL", "500ms")
            .with("ERASURE_INTERVAL", "1s")
            .with("SIGNING_KEY_REFRESH", "500ms")
            .with("SIGNING_KEY_ANNOUNCEMENT", "0s")
    }

    /// Sets a variable for every service.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Starts only these services.
    #[must_use]
    pub fn only(mut self, services: &[Service]) -> Self {
        self.services = services.to_vec();
        if services.contains(&Service::Notification) { self } else { self.without_mails() }
    }

    /// Uses another MySQL than the shared one. The account may create databases.
    #[must_use]
    pub fn on_mysql(mut self, url: &str) -> Self {
        url.clone_into(&mut self.mysql_url);
        self
    }

    /// Uses another MongoDB than the shared one.
    #[must_use]
    pub fn on_mongodb(mut self, url: &str) -> Self {
        url.clone_into(&mut self.mongodb_url);
        self
    }

    /// Uses another RabbitMQ than the shared one.
    #[must_use]
    pub fn on_rabbitmq(mut self, url: &str) -> Self {
        url.clone_into(&mut self.rabbitmq_url);
        self
    }

    /// Sends mails to another server than the shared one.
    #[must_use]
    pub fn on_smtp(mut self, url: &str) -> Self {
        url.clone_into(&mut self.smtp_url);
        self
    }

    /// Without mails: users need not confirm their address.
    #[must_use]
    pub fn without_mails(mut self) -> Self {
        self.inbox = None;
        self.with("REQUIRE_VERIFIED_ADDRESS", "false")
    }

    /// Starts everything and waits until each service is ready.
    ///
    /// # Errors
    /// A service is not built or does not become ready.
    pub async fn start(self) -> Result<Mixdown> {
        // In the folder of `stack run`, which is removed after the run: a killed test cannot remove its own
        // folder.
        let parent = std::env::var_os(STACK_MARK).map_or_else(std::env::temp_dir, PathBuf::from);
        let home = TempDir::with_prefix_in("mixdown-", parent).context("no temporary folder")?;
        let database = self.prefix.trim_end_matches('_');
        create_database(&self.mysql_url, database).await?;
        let system = System {
            home: home.path().to_path_buf(),
            database_url: format!("{}/{database}", self.mysql_url),
            mongodb_url: self.mongodb_url,
            rabbitmq_url: self.rabbitmq_url,
            smtp_url: self.smtp_url,
            ports: ServicePorts::free()?,
            variables: self.variables,
        };
        system.write_secrets()?;
        migrate(&system).await?;
        let started = self.services.iter().map(async |service| {
            Ok::<_, anyhow::Error>((*service, RunningService::start(&system, *service).await?))
        });
        let services = try_join_all(started).await?.into_iter().collect();
        Ok(Mixdown { services, system, prefix: self.prefix, inbox: self.inbox, _home: Home(home) })
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self::new()
    }
}

/// Created with the server's own client, because this crate has no MySQL driver.
async fn create_database(url: &str, database: &str) -> Result<()> {
    let (account, server) = url
        .strip_prefix("mysql://")
        .and_then(|url| url.split_once('@'))
        .context("the URL of MySQL names no account")?;
    let (user, password) = account.split_once(':').context("the URL of MySQL has no password")?;
    let (host, port) = server.split_once(':').context("the URL of MySQL has no port")?;
    let created = Command::new(find_program("mariadb").or_else(|_| find_program("mysql"))?)
        .args(["--no-defaults", "--protocol=tcp", "--host", host, "--port", port, "--user", user])
        .args(["--execute", &format!("CREATE DATABASE `{database}` CHARACTER SET utf8mb4")])
        .env("MYSQL_PWD", password)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("could not start the client of MySQL")?;
    ensure!(created.status.success(), "MySQL says: {}", String::from_utf8_lossy(&created.stderr));
    Ok(())
}

async fn migrate(system: &System) -> Result<()> {
    let log = system.home.join("migration.log");
    let mut migration =
        system.launch(Service::Auth)?.argument("migrate").start(&log, Lifetime::WithStarter)?;
    let succeeded = tokio::time::timeout(MIGRATION_DEADLINE, migration.succeeds()).await;
    if !succeeded.context("the migration of the accounts' database did not end")?? {
        bail!("the migration of the accounts' database failed:\n{}", last_lines(&log));
    }
    Ok(())
}
