use std::str::FromStr as _;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::{MySqlConnection, MySqlPool};

/// `MYSQL_URL` is not one. Keeps quiet about what it is instead: it holds a password.
#[derive(Debug, thiserror::Error)]
#[error("MYSQL_URL is not of the form mysql://user:password@host:port/database")]
pub(crate) struct InvalidDatabaseUrl;

/// The database did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    /// It is away, full, starting, or has no schema yet: it may work a little later.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// It took the question and gave no answer.
    #[error("the database did not answer within {QUERY_PATIENCE:?}")]
    TimedOut,
    /// It answered with something that no row of ours can be.
    #[error("the database holds something unexpected")]
    Unexpected(#[source] sqlx::Error),
}

/// Shorter than what a person waits for a login, longer than a failover within one data centre.
const ACQUIRE_PATIENCE: Duration = Duration::from_secs(3);

/// Every statement here reads or writes one row by its key.
const QUERY_PATIENCE: Duration = Duration::from_secs(3);

/// Statements take a millisecond, so ten connections carry thousands of logins a second; hashing is the limit.
const CONNECTIONS: u32 = 10;

/// The pool, with a deadline on all that is asked of it.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pool: MySqlPool,
}

impl Database {
    /// Connects when it is first asked something: the service starts while the database is away.
    pub(crate) fn connect_lazily(url: &SecretString) -> Result<Self, InvalidDatabaseUrl> {
        let pool = MySqlPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_PATIENCE)
            .connect_lazy_with(connect_options(url)?);
        Ok(Self { pool })
    }

    /// Runs statements on a connection of the pool.
    pub(crate) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut MySqlConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, DatabaseError> {
        // Boxed, for it is a future of 18 KB that would be part of every request's.
        let mut connection = Box::pin(self.pool.acquire()).await?;
        if let Ok(answer) = tokio::time::timeout(QUERY_PATIENCE, question(&mut connection)).await {
            return Ok(answer?);
        }
        // Back in the pool it would first be pinged, without a deadline: ten of these, and the pool were empty
        // until TCP gives up on a host that vanished, a quarter of an hour later.
        drop(connection.detach());
        Err(DatabaseError::TimedOut)
    }
}

pub(crate) fn connect_options(url: &SecretString) -> Result<MySqlConnectOptions, InvalidDatabaseUrl> {
    let url = url.expose_secret();
    // The parser takes any scheme: it trusts a caller who chose it by the scheme.
    if !url.starts_with("mysql://") {
        return Err(InvalidDatabaseUrl);
    }
    let options = MySqlConnectOptions::from_str(url).map_err(|_| InvalidDatabaseUrl)?;
    if options.get_database().is_none() {
        return Err(InvalidDatabaseUrl);
    }
    Ok(options)
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::Decode(_)
            | sqlx::Error::Encode(_)
            | sqlx::Error::RowNotFound
            | sqlx::Error::TypeNotFound { .. } => Self::Unexpected(error),
            error => Self::Unavailable(error),
        }
    }
}
