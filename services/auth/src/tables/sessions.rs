//! The tables `sessions`, `refresh_tokens` and `revoked_sessions`.

use std::time::Duration;

use contracts::{Session, SessionId, UserId};
use sqlx::MySqlConnection;
use uuid::Uuid;

use crate::tables::database::micros;
use crate::tokens::opaque::TokenHash;

/// A session to create.
pub(crate) struct NewSession<'a> {
    pub(crate) id: SessionId,
    pub(crate) account: UserId,
    pub(crate) client: &'a str,
    pub(crate) lifetime: Duration,
}

/// The state of a refresh token when it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenState {
    /// Never issued, or expired.
    Unknown,
    /// Valid: it can be exchanged.
    Current,
    /// Exchanged within the grace: the answer may have been lost.
    InGrace,
    /// Exchanged earlier: a second party holds it.
    Reused,
}

pub(crate) async fn insert(
    connection: &mut MySqlConnection,
    session: &NewSession<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO sessions (id, account_id, client, created_at, last_used_at, expires_at)
         VALUES (?, ?, ?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND)",
        session.id.as_uuid(),
        session.account.as_uuid(),
        session.client,
        micros(session.lifetime),
    )
    .execute(connection)
    .await
    .map(drop)
}

pub(crate) async fn insert_token(
    connection: &mut MySqlConnection,
    session: SessionId,
    hash: &TokenHash,
    lifetime: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO refresh_tokens (hash, session_id, expires_at)
         VALUES (?, ?, UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND)",
        hash.as_bytes(),
        session.as_uuid(),
        micros(lifetime),
    )
    .execute(connection)
    .await
    .map(drop)
}

/// The session of a refresh token, even of an exchanged one.
pub(crate) async fn of_token(
    connection: &mut MySqlConnection,
    hash: &TokenHash,
) -> Result<Option<SessionId>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT session_id AS "session: Uuid" FROM refresh_tokens WHERE hash = ?"#,
        hash.as_bytes(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| row.session.into()))
}

/// The account of an unexpired session, which stays locked until the transaction ends.
pub(crate) async fn lock(
    connection: &mut MySqlConnection,
    id: SessionId,
) -> Result<Option<UserId>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT account_id AS "account: Uuid" FROM sessions WHERE id = ? AND expires_at > UTC_TIMESTAMP(6) FOR UPDATE"#,
        id.as_uuid(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| row.account.into()))
}

/// The state of a refresh token. The caller has locked its session.
pub(crate) async fn state_of_token(
    connection: &mut MySqlConnection,
    hash: &TokenHash,
    grace: Duration,
) -> Result<TokenState, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT replaced_at IS NULL AS "is_current!: bool",
                  COALESCE(replaced_at > UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND, FALSE) AS "is_in_grace!: bool"
           FROM refresh_tokens WHERE hash = ? AND expires_at > UTC_TIMESTAMP(6) FOR UPDATE"#,
        micros(grace),
        hash.as_bytes(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(match row {
        None => TokenState::Unknown,
        Some(row) if row.is_current => TokenState::Current,
        Some(row) if row.is_in_grace => TokenState::InGrace,
        Some(_) => TokenState::Reused,
    })
}

/// Marks every refresh token of the session as exchanged: a later use, after the grace, is a reuse.
pub(crate) async fn replace_tokens(
    connection: &mut MySqlConnection,
    id: SessionId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE refresh_tokens SET replaced_at = UTC_TIMESTAMP(6) WHERE session_id = ? AND replaced_at IS NULL",
        id.as_uuid(),
    )
    .execute(connection)
    .await
    .map(drop)
}

pub(crate) async fn touch(connection: &mut MySqlConnection, id: SessionId) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE sessions SET last_used_at = UTC_TIMESTAMP(6) WHERE id = ?", id.as_uuid())
        .execute(connection)
        .await
        .map(drop)
}

/// The account's latest hundred sessions. The caller marks its own.
pub(crate) async fn list(
    connection: &mut MySqlConnection,
    account: UserId,
) -> Result<Vec<Session>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT id AS "id: Uuid", client, created_at, last_used_at FROM sessions
           WHERE account_id = ? AND expires_at > UTC_TIMESTAMP(6) ORDER BY last_used_at DESC, id DESC LIMIT 100"#,
        account.as_uuid(),
    )
    .fetch_all(connection)
    .await?;
    let sessions = rows.into_iter().map(|row| Session {
        id: row.id.into(),
        created_at: row.created_at.assume_utc(),
        last_used_at: row.last_used_at.assume_utc(),
        client: row.client,
        is_current: false,
    });
    Ok(sessions.collect())
}

/// Whether the session was created within this time.
pub(crate) async fn created_within(
    connection: &mut MySqlConnection,
    id: SessionId,
    time: Duration,
) -> Result<bool, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT 1 AS one FROM sessions WHERE id = ? AND created_at > UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND",
        id.as_uuid(),
        micros(time),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.is_some())
}

/// Ends a session: its refresh tokens at once, its access tokens as soon as the gateways hear of it.
pub(crate) async fn revoke(
    connection: &mut MySqlConnection,
    account: UserId,
    id: SessionId,
) -> Result<bool, sqlx::Error> {
    sqlx::query!(
        "INSERT IGNORE INTO revoked_sessions (session_id, revoked_at)
         SELECT id, UTC_TIMESTAMP(6) FROM sessions WHERE id = ? AND account_id = ?",
        id.as_uuid(),
        account.as_uuid(),
    )
    .execute(&mut *connection)
    .await?;
    let deleted = sqlx::query!(
        "DELETE FROM sessions WHERE id = ? AND account_id = ?",
        id.as_uuid(),
        account.as_uuid(),
    )
    .execute(connection)
    .await?;
    Ok(deleted.rows_affected() == 1)
}

/// Ends every session of the account.
pub(crate) async fn revoke_all(connection: &mut MySqlConnection, account: UserId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT IGNORE INTO revoked_sessions (session_id, revoked_at)
         SELECT id, UTC_TIMESTAMP(6) FROM sessions WHERE account_id = ?",
        account.as_uuid(),
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!("DELETE FROM sessions WHERE account_id = ?", account.as_uuid())
        .execute(connection)
        .await
        .map(drop)
}

/// The sessions that ended within this time.
pub(crate) async fn revoked_within(
    connection: &mut MySqlConnection,
    time: Duration,
) -> Result<Vec<SessionId>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT session_id AS "id: Uuid" FROM revoked_sessions
           WHERE revoked_at > UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND"#,
        micros(time),
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| row.id.into()).collect())
}

/// Deletes expired rows. `revoked_for`: how long the gateways hear of ended sessions.
pub(crate) async fn purge(
    connection: &mut MySqlConnection,
    revoked_for: Duration,
) -> Result<u64, sqlx::Error> {
    let sessions = sqlx::query!("DELETE FROM sessions WHERE expires_at < UTC_TIMESTAMP(6) LIMIT 1000")
        .execute(&mut *connection)
        .await?;
    let tokens = sqlx::query!("DELETE FROM refresh_tokens WHERE expires_at < UTC_TIMESTAMP(6) LIMIT 1000")
        .execute(&mut *connection)
        .await?;
    let revoked = sqlx::query!(
        "DELETE FROM revoked_sessions WHERE revoked_at < UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND LIMIT 1000",
        micros(revoked_for),
    )
    .execute(connection)
    .await?;
    Ok(sessions.rows_affected() + tokens.rows_affected() + revoked.rows_affected())
}
