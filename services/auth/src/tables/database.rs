use std::str::FromStr as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::{MySql, MySqlConnection, MySqlPool};
use tokio::time::timeout;

/// `MYSQL_URL` is malformed. The message omits its value, which holds a password.
#[derive(Debug, thiserror::Error)]
#[error("MYSQL_URL is not of the form mysql://user:password@host:port/database")]
pub(crate) struct InvalidDatabaseUrl;

/// Why a database request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    /// The database is away, full, starting, or has no schema yet: a retry may succeed.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// It accepted the request and did not answer.
    #[error("the database did not answer within {QUERY_TIMEOUT:?}")]
    TimedOut,
    /// It answered with a row that auth cannot have written.
    #[error("the database holds something unexpected")]
    Unexpected(#[source] sqlx::Error),
}

/// Shorter than a user waits for a login, longer than a failover within one data centre.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// Every statement reads or writes a few rows by their key.
pub(crate) const QUERY_TIMEOUT: Duration = Duration::from_secs(3);

/// Statements take a millisecond, so ten connections carry thousands of logins a second.
const CONNECTIONS: u32 = 10;

/// The connection pool, with a timeout on every request.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pool: MySqlPool,
}

impl Database {
    /// Connects with the first request, so that the service starts while the database is away.
    pub(crate) fn connect_lazily(url: &SecretString) -> Result<Self, InvalidDatabaseUrl> {
        let pool = MySqlPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(connect_options(url)?);
        Ok(Self { pool })
    }

    /// Runs statements on a pooled connection.
    pub(crate) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut MySqlConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, DatabaseError> {
        // Boxed: its 18 KB would otherwise be part of every request's future.
        let mut connection = Box::pin(self.pool.acquire()).await?;
        if let Ok(answer) = timeout(QUERY_TIMEOUT, question(&mut connection)).await {
            return Ok(answer?);
        }
        // The pool pings a returned connection without a timeout. Ten connections to a vanished host would
        // empty the pool until TCP gives up, a quarter of an hour later.
        drop(connection.detach());
        Err(DatabaseError::TimedOut)
    }

    /// Begins a transaction. Use it through [`transact!`].
    pub(crate) async fn begin(&self) -> Result<Transaction, DatabaseError> {
        let mut connection = Box::pin(self.pool.acquire()).await?;
        // As text: MySQL, unlike MariaDB, cannot prepare this statement.
        let begun =
            timeout(QUERY_TIMEOUT, sqlx::raw_sql("START TRANSACTION").execute(&mut *connection)).await;
        let transaction = Transaction { connection: Some(connection) };
        begun.map_err(|_| DatabaseError::TimedOut)??;
        Ok(transaction)
    }

    /// Whether the transaction failed by a deadlock, of which the server ends one side: it must be repeated.
    pub(crate) fn is_deadlock(error: &DatabaseError) -> bool {
        let DatabaseError::Unavailable(error) = error else { return false };
        // The SQL standard's state for a deadlock.
        error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code)
            .is_some_and(|state| state == "40001")
    }
}

/// Statements of which all happen or none. Dropped before its end, it closes its connection: the server rolls
/// back, and no connection in an unknown state returns to the pool.
pub(crate) struct Transaction {
    connection: Option<PoolConnection<MySql>>,
}

impl Transaction {
    pub(crate) async fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut MySqlConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, DatabaseError> {
        match &mut self.connection {
            Some(connection) => Ok(work(connection).await?),
            None => Err(DatabaseError::TimedOut),
        }
    }

    /// Commits, or rolls back after an error.
    pub(crate) async fn end<T>(mut self, done: Result<T, DatabaseError>) -> Result<T, DatabaseError> {
        let Some(mut connection) = self.connection.take() else { return done };
        let statement = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = timeout(QUERY_TIMEOUT, sqlx::raw_sql(statement).execute(&mut *connection)).await;
        match ended {
            Ok(Ok(_)) => done,
            Ok(Err(error)) => {
                drop(connection.detach());
                done.and(Err(error.into()))
            }
            Err(_) => {
                drop(connection.detach());
                done.and(Err(DatabaseError::TimedOut))
            }
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}

/// A transaction, repeated after a deadlock: `transact!(database, |transaction| …)` is a future.
///
/// A macro, because the compiler cannot prove that a borrowing closure's future is `Send`.
macro_rules! transact {
    ($database:expr, |$transaction:ident| $work:expr) => {
        async {
            let mut attempt = 1;
            loop {
                let mut transaction = $database.begin().await?;
                let work = transaction.run(async |$transaction: &mut sqlx::MySqlConnection| $work);
                let done = match tokio::time::timeout(crate::tables::database::QUERY_TIMEOUT, work).await {
                    Ok(done) => transaction.end(done).await,
                    Err(_) => Err(crate::tables::database::DatabaseError::TimedOut),
                };
                match done {
                    Err(error)
                        if attempt < crate::tables::database::ATTEMPTS
                            && crate::tables::database::Database::is_deadlock(&error) =>
                    {
                        // Without a pause the same two transactions would meet again.
                        tokio::time::sleep(crate::tables::database::pause_after(attempt)).await;
                        attempt += 1;
                    }
                    done => break done,
                }
            }
        }
    };
}
pub(crate) use transact;

/// A transaction that deadlocks more often has another fault.
pub(crate) const ATTEMPTS: u32 = 12;

/// The pause between attempts: growing, and random, so that the attempts spread out.
pub(crate) fn pause_after(attempt: u32) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // The nanoseconds of the clock are as good as dice here.
    let share = now.subsec_nanos() % 1000;
    Duration::from_millis(20) * attempt * share / 1000
}

/// The error for a stored value that auth cannot have written.
pub(crate) fn unexpected(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

/// A duration as the number before `MICROSECOND`.
pub(crate) fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

pub(crate) fn connect_options(url: &SecretString) -> Result<MySqlConnectOptions, InvalidDatabaseUrl> {
    let url = url.expose_secret();
    // sqlx's parser accepts any scheme.
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
