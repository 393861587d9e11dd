//! The table `api_keys`.

use std::collections::BTreeSet;

use contracts::{ApiKey, ApiKeyHash, ApiKeyId, KeyHolder, MailPreferences, Scope, UserId};
use sqlx::MySqlConnection;
use time::PrimitiveDateTime;
use uuid::Uuid;

use crate::tables::database::unexpected;

/// A key to create.
pub(crate) struct NewKey<'a> {
    pub(crate) id: ApiKeyId,
    pub(crate) name: &'a str,
    pub(crate) scopes: &'a BTreeSet<Scope>,
    pub(crate) hash: ApiKeyHash,
    pub(crate) expires_in_days: Option<u16>,
}

pub(crate) async fn insert(
    connection: &mut MySqlConnection,
    account: UserId,
    key: &NewKey<'_>,
) -> Result<(), sqlx::Error> {
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    sqlx::query!(
        "INSERT INTO api_keys (id, account_id, name, scopes, hash, created_at, expires_at)
         VALUES (?, ?, ?, ?, ?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) + INTERVAL ? DAY)",
        key.id.as_uuid(),
        account.as_uuid(),
        key.name,
        scopes.join(","),
        key.hash.as_bytes(),
        key.expires_in_days,
    )
    .execute(connection)
    .await
    .map(drop)
}

/// The account's keys, the latest first.
pub(crate) async fn list(
    connection: &mut MySqlConnection,
    account: UserId,
) -> Result<Vec<ApiKey>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT id AS "id: Uuid", name, scopes, created_at, expires_at, last_used_at FROM api_keys
           WHERE account_id = ? ORDER BY id DESC"#,
        account.as_uuid(),
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(ApiKey {
                id: row.id.into(),
                name: row.name,
                scopes: parse_scopes(&row.scopes)?,
                created_at: row.created_at.assume_utc(),
                expires_at: row.expires_at.map(PrimitiveDateTime::assume_utc),
                last_used_at: row.last_used_at.map(PrimitiveDateTime::assume_utc),
            })
        })
        .collect()
}

pub(crate) async fn delete(
    connection: &mut MySqlConnection,
    account: UserId,
    id: ApiKeyId,
) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query!(
        "DELETE FROM api_keys WHERE id = ? AND account_id = ?",
        id.as_uuid(),
        account.as_uuid(),
    )
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected() == 1)
}

pub(crate) async fn delete_all(connection: &mut MySqlConnection, account: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM api_keys WHERE account_id = ?", account.as_uuid())
        .execute(connection)
        .await
        .map(drop)
}

/// The holder of a valid key. Records its use, at most once a minute.
pub(crate) async fn use_key(
    connection: &mut MySqlConnection,
    hash: ApiKeyHash,
) -> Result<Option<KeyHolder>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT api_keys.id AS "id: Uuid", account_id AS "account: Uuid", scopes, expires_at, email,
                  verified_at IS NOT NULL AS "is_verified!: bool", mail_submitted AS "mail_submitted: bool",
                  mail_finished AS "mail_finished: bool", mail_failed AS "mail_failed: bool",
                  COALESCE(last_used_at < UTC_TIMESTAMP(6) - INTERVAL 1 MINUTE, TRUE) AS "is_first_this_minute!: bool"
           FROM api_keys JOIN accounts ON accounts.id = account_id
           WHERE hash = ? AND disabled_at IS NULL AND erasing_at IS NULL
             AND (expires_at IS NULL OR expires_at > UTC_TIMESTAMP(6))"#,
        hash.as_bytes(),
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.is_first_this_minute {
        sqlx::query!("UPDATE api_keys SET last_used_at = UTC_TIMESTAMP(6) WHERE id = ?", row.id)
            .execute(connection)
            .await?;
    }
    Ok(Some(KeyHolder {
        key: row.id.into(),
        account: row.account.into(),
        email: row.email.parse().map_err(unexpected)?,
        email_verified: row.is_verified,
        mails: MailPreferences {
            submitted: row.mail_submitted,
            finished: row.mail_finished,
            failed: row.mail_failed,
        },
        scopes: parse_scopes(&row.scopes)?,
        expires_at: row.expires_at.map(|at| at.assume_utc().unix_timestamp()),
    }))
}

fn parse_scopes(stored: &str) -> Result<BTreeSet<Scope>, sqlx::Error> {
    stored.split(',').map(|scope| scope.parse().map_err(unexpected)).collect()
}
