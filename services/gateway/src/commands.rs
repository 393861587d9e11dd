//! The operator's commands that work on the databases directly: backups of MongoDB.

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use backup::{BackupError, Summary};
use clap::Args;
use databases::{Databases, MongoConfig};
use service_kit::Chain;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::timeout;

/// Settings of `gateway backup` and `gateway restore`: none of the brokers' or of auth's.
#[derive(Debug, Clone, Args)]
pub struct StoreConfig {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would replace the flattened ones in --help")]
    pub mongodb: MongoConfig,
}

/// Writes a backup of MongoDB to the standard output, and says what is in it.
pub async fn back_up(config: &StoreConfig) -> anyhow::Result<String> {
    ensure!(
        !io::stdout().is_terminal(),
        "a backup is no text: let it go into a file, `gateway backup >FILE`"
    );
    let databases = Databases::connect(&config.mongodb).await?;
    let summary = backup::back_up(&databases, raw(io::stdout())?).await.context("no backup was taken")?;
    Ok(format!("backed up {}", told(summary)))
}

/// Proves that the standard input is a complete backup.
pub async fn check_backup() -> anyhow::Result<String> {
    let summary = backup::check(input()?).await?;
    Ok(format!("whole: {}", told(summary)))
}

/// Replaces what MongoDB holds with the backup on the standard input.
pub async fn restore(config: &StoreConfig) -> anyhow::Result<String> {
    let input = input()?;
    let databases = Databases::connect(&config.mongodb).await?;
    match backup::restore(&databases, input).await {
        Ok(summary) => Ok(format!("restored {}", told(summary))),
        Err(error) => {
            let left = match backup::is_half_restored(&databases).await {
                Ok(false) => "nothing was changed",
                // If MongoDB does not answer, it may be half-restored.
                Ok(true) | Err(_) => "restore again before a service starts",
            };
            Err(anyhow::Error::new(error).context(format!("the restore failed; {left}")))
        }
    }
}

fn input() -> anyhow::Result<tokio::fs::File> {
    ensure!(!io::stdin().is_terminal(), "the backup comes from the standard input: `<FILE`");
    raw(io::stdin())
}

/// Without the line buffer of the standard streams.
fn raw(stream: impl AsFd) -> anyhow::Result<tokio::fs::File> {
    let descriptor = stream.as_fd().try_clone_to_owned().context("a standard stream is closed")?;
    Ok(tokio::fs::File::from_std(File::from(descriptor)))
}

fn told(Summary { documents, bytes, as_of }: Summary) -> String {
    let as_of =
        OffsetDateTime::from_unix_timestamp(as_of.into()).ok().and_then(|at| at.format(&Rfc3339).ok());
    format!("{documents} documents, {bytes} bytes, as of {}", as_of.unwrap_or_default())
}

/// Refuses to start on a half-restored store: the gateway would sweep files whose jobs are not restored yet.
pub(crate) async fn refuse_a_half_restored_store(databases: &Databases) -> anyhow::Result<()> {
    /// Short, because MongoDB may start later than the gateway.
    const GLANCE: Duration = Duration::from_secs(5);

    match timeout(GLANCE, backup::is_half_restored(databases)).await {
        Ok(Ok(true)) => bail!(BackupError::HalfRestored),
        Ok(Ok(false)) => Ok(()),
        Ok(Err(error)) => {
            tracing::warn!(error = %Chain(&error), "could not ask MongoDB whether a restore was interrupted");
            Ok(())
        }
        Err(_) => {
            tracing::warn!("could not ask MongoDB in time whether a restore was interrupted");
            Ok(())
        }
    }
}
