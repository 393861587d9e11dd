use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::JobStatus;
use futures_util::TryStreamExt as _;
use mongodb::bson::{Bson, Document, doc};
use mongodb::{Client, Database};
use tempfile::TempDir;
use test_kit::media::Sample;
use test_kit::mixdown::{Form, Mixdown, Plan, User};
use test_kit::project::{Project, find_program};
use test_kit::services::Service;
use test_kit::unique_name;
use tokio::process::Command;

pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// A Mixdown, a MongoDB account with the roles that docs/OPERATIONS.md requires, and a folder for backups.
pub(crate) struct World {
    pub(crate) mixdown: Mixdown,
    pub(crate) folder: TempDir,
    pub(crate) mongodb_url: String,
    pub(crate) client: Client,
}

/// The end of a script or a subcommand.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) is_success: bool,
    /// Its output on both streams.
    pub(crate) said: String,
}

impl Ended {
    pub(crate) fn succeeded(self, what: &str) -> Result<String> {
        ensure!(self.is_success, "{what} failed: {}", self.said);
        Ok(self.said)
    }

    pub(crate) fn failed_with(&self, expected: &str) {
        assert!(!self.is_success, "it succeeded: {}", self.said);
        assert!(self.said.contains(expected), "it says nothing of {expected:?}: {}", self.said);
    }
}

impl World {
    pub(crate) async fn start() -> Result<Self> {
        Self::on(Plan::new()).await
    }

    pub(crate) async fn on(plan: Plan) -> Result<Self> {
        // Videos are kept, so that the backup is larger than the pipes can hold.
        let mixdown = plan.with("KEEP_VIDEO", "1h").with("WAITING_AFTER", "2s").start().await?;
        let client = Client::with_uri_str(&mixdown.system().mongodb_url).await?;
        let roles =
            ["mixdown", "videos", "mp3s"].map(|name| ("readWrite", format!("{}{name}", mixdown.prefix())));
        let mongodb_url = account(&client, &mixdown.system().mongodb_url, &roles).await?;
        Ok(Self { mixdown, folder: TempDir::with_prefix("mixdown-backup-")?, mongodb_url, client })
    }

    pub(crate) fn backup(&self) -> PathBuf {
        self.folder.path().join("backup")
    }

    pub(crate) fn databases(&self) -> [Database; 3] {
        ["mixdown", "videos", "mp3s"]
            .map(|name| self.client.database(&format!("{}{name}", self.mixdown.prefix())))
    }

    /// `scripts/NAME FOLDER` with an operator's settings.
    pub(crate) fn script(&self, name: &str, folder: &Path) -> Result<Command> {
        let mut command = Command::new(Project::locate()?.root().join("scripts").join(name));
        self.set_up(command.arg(folder));
        command
            .env("MYSQL_URL", &self.mixdown.system().database_url)
            .env("GATEWAY", Service::Gateway.program()?);
        Ok(command)
    }

    /// A subcommand of the gateway, without the service's own settings.
    pub(crate) fn gateway(&self, subcommand: &str) -> Result<Command> {
        let mut command = Command::new(Service::Gateway.program()?);
        self.set_up(command.arg(subcommand));
        Ok(command)
    }

    fn set_up(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("MONGODB_URL", &self.mongodb_url)
            .env("MONGODB_DATABASE_PREFIX", self.mixdown.prefix())
            .stdin(Stdio::null())
            .kill_on_drop(true);
    }

    pub(crate) async fn take_backup(&self) -> Result<String> {
        run(&mut self.script("backup.sh", &self.backup())?).await?.succeeded("the backup")
    }

    pub(crate) async fn restore(&self) -> Result<String> {
        run(&mut self.script("restore.sh", &self.backup())?).await?.succeeded("the restore")
    }

    pub(crate) async fn stop_services(&mut self) -> Result<()> {
        for service in Service::ALL {
            self.mixdown.service(service)?.stop().await;
        }
        Ok(())
    }

    pub(crate) async fn start_services(&mut self) -> Result<()> {
        for service in Service::ALL {
            self.mixdown.service(service)?.restart().await?;
        }
        Ok(())
    }

    /// Empties both databases, like a loss of their disks.
    pub(crate) async fn wipe(&self) -> Result<()> {
        for database in self.databases() {
            database.drop().await?;
        }
        let name = self.mixdown.prefix().trim_end_matches('_');
        self.mysql(&format!("DROP DATABASE `{name}`; CREATE DATABASE `{name}` CHARACTER SET utf8mb4"))
            .await?;
        Ok(())
    }

    /// Runs statements on the accounts' database. Returns the output of the server's client.
    pub(crate) async fn mysql(&self, statements: &str) -> Result<String> {
        let url = &self.mixdown.system().database_url;
        let (account, place) = url.trim_start_matches("mysql://").split_once('@').context("no account")?;
        let (user, password) = account.split_once(':').context("no password")?;
        let (server, database) = place.split_once('/').context("no database")?;
        let (host, port) = server.split_once(':').context("no port")?;
        let client = find_program("mariadb").or_else(|_| find_program("mysql"))?;
        let answer = Command::new(client)
            .args(["--no-defaults", "--protocol=tcp", "--skip-column-names", "--host", host, "--port", port])
            .args(["--user", user, "--execute", statements, database])
            .env("MYSQL_PWD", password)
            .stdin(Stdio::null())
            .output()
            .await?;
        ensure!(answer.status.success(), "MySQL says: {}", String::from_utf8_lossy(&answer.stderr));
        Ok(String::from_utf8(answer.stdout)?)
    }

    /// A fingerprint of every collection and table.
    pub(crate) async fn fingerprint(&self) -> Result<BTreeMap<String, String>> {
        let mut prints = BTreeMap::new();
        for database in self.databases() {
            let hash = database.run_command(doc! { "dbHash": 1 }).await?;
            for (name, print) in hash.get_document("collections")? {
                prints.insert(format!("{}.{name}", database.name()), print.to_string());
            }
        }
        let tables = self
            .mysql("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
            .await?;
        for table in tables.lines() {
            let sum = self.mysql(&format!("CHECKSUM TABLE `{table}`")).await?;
            prints.insert(format!("mysql.{table}"), sum);
        }
        Ok(prints)
    }

    /// The number of documents in the collections that a restore fills.
    pub(crate) async fn left_of_restores(&self) -> Result<u64> {
        let mut left = 0;
        for database in self.databases() {
            for name in database.list_collection_names().await? {
                if name.starts_with("restoring") {
                    left += 1 + database.collection::<Document>(&name).count_documents(doc! {}).await?;
                }
            }
        }
        Ok(left)
    }

    /// The ids of all documents in a collection.
    pub(crate) async fn ids(&self, database: usize, collection: &str) -> Result<Vec<Bson>> {
        let collection = self.databases()[database].collection::<Document>(collection);
        let documents: Vec<Document> =
            collection.find(doc! {}).sort(doc! { "_id": 1 }).await?.try_collect().await?;
        documents.iter().map(|document| document.get("_id").cloned().context("no _id")).collect()
    }
}

/// Creates a MongoDB account with these roles. Returns its URL.
pub(crate) async fn account(client: &Client, url: &str, roles: &[(&str, String)]) -> Result<String> {
    let name = unique_name("operator");
    let roles: Vec<Document> =
        roles.iter().map(|(role, database)| doc! { "role": role, "db": database }).collect();
    client
        .database("admin")
        .run_command(doc! { "createUser": &name, "pwd": "secret", "roles": roles })
        .await?;
    let (_, place) = url.split_once('@').context("the URL has no account")?;
    Ok(format!("mongodb://{name}:secret@{place}"))
}

pub(crate) async fn run(command: &mut Command) -> Result<Ended> {
    let output = tokio::time::timeout(PATIENCE, command.output()).await.context("it did not end")??;
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Ok(Ended { is_success: output.status.success(), said })
}

/// Uploads a short video and waits for its outcome.
pub(crate) async fn convert(user: &User) -> Result<(contracts::Job, Vec<u8>)> {
    let video = Sample::Mp4.bytes(Duration::from_secs(2)).await;
    let job = user.submit(Form::default().file("a.mp4", &video)).await?;
    let job = user.wait_for_outcome(job.id).await;
    assert_eq!(job.status, JobStatus::Converted);
    let audio = user.download(&job).await?;
    Ok((job, audio))
}

/// Signs in again.
pub(crate) async fn sign_in(user: &mut User) -> Result<()> {
    user.token = user.log_in().await?.error_for_status()?.text().await?;
    Ok(())
}

/// An executable script.
pub(crate) fn write_script(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;

    std::fs::write(path, format!("#!/bin/sh\n{text}\n"))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
    Ok(())
}
