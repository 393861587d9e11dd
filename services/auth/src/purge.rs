//! Deletes expired rows.

use std::time::Duration;

use service_kit::Chain;
use tokio_util::sync::CancellationToken;

use crate::tables::database::{Database, DatabaseError};
use crate::tables::{address_changes, erasures, login_failures, mail_tokens, sessions};

const EVERY: Duration = Duration::from_mins(5);

/// How long the gateways hear of erased accounts and changed addresses: longer than any upload takes.
pub(crate) const TOLD_FOR: Duration = Duration::from_hours(48);

/// Purges until `end` is cancelled. Every replica does: deleting a row twice does no harm.
pub(crate) async fn run(database: &Database, revoked_for: Duration, end: &CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    while end.run_until_cancelled(ticks.tick()).await.is_some() {
        match end.run_until_cancelled(purge(database, revoked_for)).await {
            Some(Ok(0)) | None => {}
            Some(Ok(rows)) => tracing::info!(rows, "purged"),
            Some(Err(error)) => tracing::warn!(error = %Chain(&error), "could not purge"),
        }
    }
}

async fn purge(database: &Database, revoked_for: Duration) -> Result<u64, DatabaseError> {
    let sessions = database.ask(async |connection| sessions::purge(connection, revoked_for).await).await?;
    let tokens = database.ask(async |connection| mail_tokens::purge(connection).await).await?;
    let failures = database.ask(async |connection| login_failures::purge(connection).await).await?;
    let erased = database.ask(async |connection| erasures::purge(connection, TOLD_FOR).await).await?;
    let moved = database.ask(async |connection| address_changes::purge(connection, TOLD_FOR).await).await?;
    Ok(sessions + tokens + failures + erased + moved)
}
