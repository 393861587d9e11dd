use std::str::FromStr as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::{MySql, MySqlConnection, MySqlPool};
use tokio::time::timeout;

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
    #[error("the database did not answer within {QUERY_TIMEOUT:?}")]
    TimedOut,
    /// It answered with something that no row of ours can be.
    #[error("the database holds something unexpected")]
    Unexpected(#[source] sqlx::Error),
}

/// Shorter than what a person waits for a login, longer than a failover within one data centre.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// Every statement here reads or writes a few rows by their key.
pub(crate) const QUERY_TIMEOUT: Duration = Duration::from_secs(3);

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
            .acquire_timeout(ACQUIRE_TIMEOUT)
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
        if let Ok(answer) = timeout(QUERY_TIMEOUT, question(&mut connection)).await {
            return Ok(answer?);
        }
        // Back in the pool it would first be pinged, without a deadline: ten of these, and the pool were empty
        // until TCP gives up on a host that vanished, a quarter of an hour later.
        drop(connection.detach());
        Err(DatabaseError::TimedOut)
    }

    /// Begins a transaction. [`transact!`] is how to use it.
    pub(crate) async fn begin(&self) -> Result<Transaction, DatabaseError> {
        let mut connection = Box::pin(self.pool.acquire()).await?;
        // As text: MySQL, other than MariaDB, prepares no such statement.
        let begun =
            timeout(QUERY_TIMEOUT, sqlx::raw_sql("START TRANSACTION").execute(&mut *connection)).await;
        let transaction = Transaction { connection: Some(connection) };
        begun.map_err(|_| DatabaseError::TimedOut)??;
        Ok(transaction)
    }

    /// Whether a transaction that failed like this is to be begun again: the server ends one of two that wait for each other.
    pub(crate) fn is_deadlock(error: &DatabaseError) -> bool {
        let DatabaseError::Unavailable(error) = error else { return false };
        // The SQL standard's state for it.
        error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code)
            .is_some_and(|state| state == "40001")
    }
}

/// Statements that all happen or none. Dropped in the middle, it takes its connection with it: the server rolls back, and
/// nobody waits for a connection of which nothing is known.
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

    /// Commits what was done, or takes it back if it failed.
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

/// Runs statements that all happen or none, and again where they deadlock: `transact!(database, |transaction| …)` is a future.
///
/// A macro, because the compiler can't tell of a closure that is run several times and borrows from around it that its future
/// may move between threads.
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
                        // Those that met here would meet again.
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

/// Of transactions that keep deadlocking something else is wrong.
pub(crate) const ATTEMPTS: u32 = 12;

/// Between attempts: growing, and different for each that waits, so that they come one after the other.
pub(crate) fn pause_after(attempt: u32) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // The nanoseconds of the clock are as good as dice here.
    let share = now.subsec_nanos() % 1000;
    Duration::from_millis(20) * attempt * share / 1000
}

/// A value in a row that none of ours can be.
pub(crate) fn unexpected(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

/// A time as the number that stands before `MICROSECOND`.
pub(crate) fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
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
