//! The table `identities`: which account belongs to which identity at a provider.

use contracts::UserId;
use sqlx::MySqlConnection;
use uuid::Uuid;

pub(crate) async fn find(
    connection: &mut MySqlConnection,
    issuer: &str,
    subject: &str,
) -> Result<Option<UserId>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT account_id AS "account: Uuid" FROM identities WHERE issuer = ? AND subject = ?"#,
        issuer,
        subject,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| row.account.into()))
}

pub(crate) async fn insert(
    connection: &mut MySqlConnection,
    issuer: &str,
    subject: &str,
    account: UserId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO identities (issuer, subject, account_id, created_at) VALUES (?, ?, ?, UTC_TIMESTAMP(6))",
        issuer,
        subject,
        account.as_uuid(),
    )
    .execute(connection)
    .await
    .map(drop)
}
