//! Accounts that are being erased, and the table `erased_accounts`, which remembers them afterwards.

use std::time::Duration;

use contracts::UserId;
use sqlx::MySqlConnection;
use uuid::Uuid;

use crate::tables::database::micros;

/// Requests the erasure of an account, which is unusable from now on.
pub(crate) async fn request(connection: &mut MySqlConnection, id: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE accounts SET erasing_at = COALESCE(erasing_at, UTC_TIMESTAMP(6)) WHERE id = ?",
        id.as_uuid(),
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT IGNORE INTO erased_accounts (account_id, erased_at) VALUES (?, UTC_TIMESTAMP(6))",
        id.as_uuid(),
    )
    .execute(connection)
    .await
    .map(drop)
}

/// At most `limit` accounts that wait for their erasure, the oldest request first.
pub(crate) async fn list_pending(
    connection: &mut MySqlConnection,
    limit: u16,
) -> Result<Vec<UserId>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT id AS "id: Uuid" FROM accounts WHERE erasing_at IS NOT NULL ORDER BY erasing_at LIMIT ?"#,
        limit,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| row.id.into()).collect())
}

/// Deletes an account whose erasure was requested, with everything that belongs to it in auth.
pub(crate) async fn finish(connection: &mut MySqlConnection, id: UserId) -> Result<bool, sqlx::Error> {
    sqlx::query!(
        "DELETE FROM login_failures WHERE email_hash = (SELECT UNHEX(SHA2(email, 256)) FROM accounts WHERE id = ?)",
        id.as_uuid(),
    )
    .execute(&mut *connection)
    .await?;
    // Sessions, keys, tokens and identities are deleted with it: their foreign keys cascade.
    let erased = sqlx::query!("DELETE FROM accounts WHERE id = ? AND erasing_at IS NOT NULL", id.as_uuid())
        .execute(connection)
        .await?;
    Ok(erased.rows_affected() == 1)
}

/// Accounts whose erasure was requested within this time.
pub(crate) async fn requested_within(
    connection: &mut MySqlConnection,
    time: Duration,
) -> Result<Vec<UserId>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT account_id AS "id: Uuid" FROM erased_accounts WHERE erased_at > UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND"#,
        micros(time),
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| row.id.into()).collect())
}

/// Deletes older entries.
pub(crate) async fn purge(connection: &mut MySqlConnection, age: Duration) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "DELETE FROM erased_accounts WHERE erased_at < UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND",
        micros(age),
    )
    .execute(connection)
    .await?;
    Ok(forgotten.rows_affected())
}
