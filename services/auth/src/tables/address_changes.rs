//! The table `address_changes`.

use std::time::Duration;

use contracts::{MovedAccount, UserId};
use sqlx::MySqlConnection;
use uuid::Uuid;

use crate::tables::database::{micros, unexpected};

/// Records that the account's address has changed.
pub(crate) async fn record(connection: &mut MySqlConnection, account: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO address_changes (account_id, changed_at) VALUES (?, UTC_TIMESTAMP(6))
         ON DUPLICATE KEY UPDATE changed_at = UTC_TIMESTAMP(6)",
        account.as_uuid(),
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Accounts whose address changed within this time, with the new address.
pub(crate) async fn changed_within(
    connection: &mut MySqlConnection,
    time: Duration,
) -> Result<Vec<MovedAccount>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT accounts.id AS "id: Uuid", email
           FROM address_changes JOIN accounts ON accounts.id = address_changes.account_id
           WHERE changed_at > UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND"#,
        micros(time),
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| Ok(MovedAccount { account: row.id.into(), email: row.email.parse().map_err(unexpected)? }))
        .collect()
}

/// Deletes older changes.
pub(crate) async fn purge(connection: &mut MySqlConnection, age: Duration) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "DELETE FROM address_changes WHERE changed_at < UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND",
        micros(age),
    )
    .execute(connection)
    .await?;
    Ok(forgotten.rows_affected())
}
