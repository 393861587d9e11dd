//! The embedded migrations, and sqlx's table of the applied ones.

use std::time::Duration;

use anyhow::Context as _;
use backon::{ExponentialBuilder, Retryable as _};
use sqlx::Connection as _;
use sqlx::migrate::{Migrate as _, MigrateError, Migrator};
use sqlx::mysql::MySqlConnection;

use crate::DatabaseConfig;
use crate::tables::database::{self, Database, DatabaseError};

/// The migrations of this build. Unknown migrations in the database come from a later build and are no error:
/// after a rollback the old build must start, and its `auth migrate` must do nothing.
fn migrations() -> Migrator {
    let mut migrations = sqlx::migrate!();
    migrations.set_ignore_missing(true);
    migrations
}

/// sqlx's default name for the table of applied migrations.
const MIGRATIONS_TABLE: &str = "_sqlx_migrations";

/// A database that starts at the same time, in a container or a pod, needs half a minute on a slow machine.
const START_TIMEOUT: Duration = Duration::from_mins(1);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Long enough to rebuild a table of a million accounts, short enough that a lock held for ever is noticed.
const MIGRATION_TIMEOUT: Duration = Duration::from_mins(10);

/// The database lacks migrations that this build needs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchemaError {
    #[error("could not read which migrations were applied")]
    Read(#[source] DatabaseError),
    #[error("the schema is not up to date; run `auth migrate`")]
    Outdated,
}

/// Whether every migration of this build was applied.
pub(crate) async fn check(database: &Database) -> Result<(), SchemaError> {
    let read = async |connection: &mut MySqlConnection| {
        let applied = connection.list_applied_migrations(MIGRATIONS_TABLE).await;
        let dirty = connection.dirty_version(MIGRATIONS_TABLE).await;
        Ok((applied.map_err(into_sqlx)?, dirty.map_err(into_sqlx)?))
    };
    let (applied, dirty) = database.ask(read).await.map_err(SchemaError::Read)?;
    let is_applied = |version| applied.iter().any(|migration| migration.version == version);
    if dirty.is_none() && migrations().iter().all(|migration| is_applied(migration.version)) {
        Ok(())
    } else {
        Err(SchemaError::Outdated)
    }
}

fn into_sqlx(error: MigrateError) -> sqlx::Error {
    match error {
        MigrateError::Execute(error) => error,
        error => sqlx::Error::Migrate(Box::new(error)),
    }
}

/// Brings the schema up to date and reports its state. Waits up to a minute for a database that is starting.
///
/// # Errors
/// The database is away or refuses the login, a migration fails, or an applied one differs from this build's.
pub async fn migrate(config: &DatabaseConfig) -> anyhow::Result<String> {
    let mut connection = connect(config).await.context("could not connect to the database")?;
    tokio::time::timeout(MIGRATION_TIMEOUT, apply(&mut connection))
        .await
        .context("the migrations took too long; is another one stuck?")?
        .context("could not migrate the database")?;
    connection.close().await.context("could not close the connection")?;
    Ok(format!("the schema is up to date: {} migrations", migrations().iter().count()))
}

async fn apply(connection: &mut MySqlConnection) -> anyhow::Result<()> {
    lock(connection).await?;
    connection.ensure_migrations_table(MIGRATIONS_TABLE).await?;
    // A migration that was killed half-way. The migrator would stop here, but ours can all run again.
    sqlx::query("DELETE FROM _sqlx_migrations WHERE success = FALSE").execute(&mut *connection).await?;
    // The connection's end releases the lock.
    migrations().run(&mut *connection).await?;
    Ok(())
}

/// Lets one `auth migrate` run at a time; the others wait here. The migrator's own lock fails on MariaDB: it
/// asks for a wait of -1 s, which is for ever in MySQL and not at all in MariaDB, and ignores the answer.
async fn lock(connection: &mut MySqlConnection) -> anyhow::Result<()> {
    // A lock's name has at most 64 characters, and all databases of a server share the names.
    let is_locked: Option<bool> = sqlx::query_scalar(
        "SELECT GET_LOCK(CONCAT('auth migrate ', LEFT(SHA2(DATABASE(), 256), 32)), ?) = 1",
    )
    .bind(MIGRATION_TIMEOUT.as_secs())
    .fetch_one(connection)
    .await?;
    anyhow::ensure!(is_locked == Some(true), "the lock against another `auth migrate` was not granted");
    Ok(())
}

async fn connect(config: &DatabaseConfig) -> anyhow::Result<MySqlConnection> {
    let options = database::connect_options(&config.mysql_url)?;
    let connect = || async {
        tokio::time::timeout(CONNECT_TIMEOUT, MySqlConnection::connect_with(&options))
            .await
            .unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
    };
    let backoff = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(2))
        .without_max_times()
        .with_total_delay(Some(START_TIMEOUT));
    let connection = connect
        .retry(backoff)
        .when(may_be_starting)
        .notify(|error, _| eprintln!("waiting for the database: {error}"))
        .await?;
    Ok(connection)
}

/// A wrong password or database name does not heal by waiting.
fn may_be_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        // Connection exceptions: too many connections, shutting down.
        sqlx::Error::Database(error) => error.code().is_some_and(|state| state.starts_with("08")),
        _ => false,
    }
}
