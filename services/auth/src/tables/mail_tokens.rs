//! The table `mail_tokens`: what a mail's link proves.

use std::time::Duration;

use contracts::{EmailAddress, UserId};
use sqlx::MySqlConnection;
use uuid::Uuid;

use crate::tables::database::{micros, unexpected};
use crate::tokens::opaque::TokenHash;

stored_enum! {
    /// The purpose of a token in a mail.
    Purpose {
        /// Confirming the account's own address.
        Verify = "verify",
        /// Replacing a forgotten password.
        Reset = "reset",
        /// Moving the account to another address.
        Address = "address",
    }
}

/// The account, purpose and address of a token.
#[derive(Debug)]
pub(crate) struct MailToken {
    pub(crate) account: UserId,
    pub(crate) purpose: Purpose,
    pub(crate) email: EmailAddress,
}

pub(crate) async fn insert(
    connection: &mut MySqlConnection,
    hash: &TokenHash,
    token: &MailToken,
    lifetime: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO mail_tokens (hash, account_id, purpose, email, created_at, expires_at)
         VALUES (?, ?, ?, ?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND)",
        hash.as_bytes(),
        token.account.as_uuid(),
        token.purpose.as_str(),
        token.email.as_str(),
        micros(lifetime),
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Restarts the lifetime of a token whose mail is published again. A used token stays deleted.
pub(crate) async fn prolong(
    connection: &mut MySqlConnection,
    hash: &TokenHash,
    lifetime: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE mail_tokens SET expires_at = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND WHERE hash = ?",
        micros(lifetime),
        hash.as_bytes(),
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Deletes the tokens that would change the account's address to another one than this.
pub(crate) async fn delete_other_moves(
    connection: &mut MySqlConnection,
    account: UserId,
    email: &EmailAddress,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DELETE FROM mail_tokens WHERE account_id = ? AND purpose = 'address' AND email <> ?",
        account.as_uuid(),
        email.as_str(),
    )
    .execute(connection)
    .await
    .map(drop)
}

/// The token, if it has not expired. It stays until [`delete`].
pub(crate) async fn find(
    connection: &mut MySqlConnection,
    hash: &TokenHash,
) -> Result<Option<MailToken>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT account_id AS "account: Uuid", purpose, email FROM mail_tokens
           WHERE hash = ? AND expires_at > UTC_TIMESTAMP(6) FOR UPDATE"#,
        hash.as_bytes(),
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let purpose = Purpose::from_stored(&row.purpose)?;
    Ok(Some(MailToken {
        account: row.account.into(),
        purpose,
        email: row.email.parse().map_err(unexpected)?,
    }))
}

/// Deletes every token of the account for this purpose.
pub(crate) async fn delete(
    connection: &mut MySqlConnection,
    account: UserId,
    purpose: Purpose,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DELETE FROM mail_tokens WHERE account_id = ? AND purpose = ?",
        account.as_uuid(),
        purpose.as_str(),
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Deletes every token of the account.
pub(crate) async fn delete_all(connection: &mut MySqlConnection, account: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM mail_tokens WHERE account_id = ?", account.as_uuid())
        .execute(connection)
        .await
        .map(drop)
}

pub(crate) async fn purge(connection: &mut MySqlConnection) -> Result<u64, sqlx::Error> {
    let purged = sqlx::query!("DELETE FROM mail_tokens WHERE expires_at < UTC_TIMESTAMP(6) LIMIT 1000")
        .execute(connection)
        .await?;
    Ok(purged.rows_affected())
}

/// The new address that waits for confirmation.
pub(crate) async fn pending_email(
    connection: &mut MySqlConnection,
    account: UserId,
) -> Result<Option<EmailAddress>, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT email FROM mail_tokens WHERE account_id = ? AND purpose = 'address' AND expires_at > UTC_TIMESTAMP(6)
         ORDER BY created_at DESC LIMIT 1",
        account.as_uuid(),
    )
    .fetch_optional(connection)
    .await?;
    row.map(|row| row.email.parse().map_err(unexpected)).transpose()
}
