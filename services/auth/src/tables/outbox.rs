//! The table `outbox`: requested mails that are not published yet.

use std::time::Duration;

use contracts::{EmailAddress, MailId, UserId};
use sqlx::MySqlConnection;
use uuid::Uuid;

use crate::tables::database::{micros, unexpected};

stored_enum! {
    /// The kind of a requested mail. Its content is decided when it is published.
    MailKind {
        /// A token that confirms the address, if its account still needs one.
        Verify = "verify",
        /// After a registration: a token if it created an account, otherwise a notice that the address has
        /// one.
        Registered = "registered",
        /// A token that replaces the password, if the address has an account.
        Reset = "reset",
        /// A token that changes the account's address to this one.
        NewAddress = "new_address",
        /// A notice to the previous address of an account.
        AddressChanged = "address_changed",
        /// A notice that the password was changed.
        PasswordChanged = "password_changed",
    }
}

stored_enum! {
    /// The content of a mail. It is decided once, in the transaction that stores its token and counts it, and
    /// kept in the row: a mail that is published again stays the same.
    Decision {
        VerifyAddress = "verify_address",
        AddressTaken = "address_taken",
        ResetPassword = "reset_password",
        ConfirmAddress = "confirm_address",
        AddressChanged = "address_changed",
        PasswordChanged = "password_changed",
    }
}

/// A requested mail.
#[derive(Debug)]
pub(crate) struct RequestedMail {
    pub(crate) id: MailId,
    pub(crate) kind: MailKind,
    pub(crate) email: EmailAddress,
    /// The account that changes to the address, or that the registration would have created.
    pub(crate) account: Option<UserId>,
}

/// Requests a mail, in the transaction that makes it necessary.
pub(crate) async fn insert(
    connection: &mut MySqlConnection,
    kind: MailKind,
    email: &EmailAddress,
    account: Option<UserId>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO outbox (id, kind, email, account_id, created_at) VALUES (?, ?, ?, ?, UTC_TIMESTAMP(6))",
        MailId::generate().as_uuid(),
        kind.as_str(),
        email.as_str(),
        account.map(UserId::as_uuid),
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Claims the oldest unclaimed mail, for this long.
pub(crate) async fn claim(
    connection: &mut MySqlConnection,
    lease: Duration,
) -> Result<Option<RequestedMail>, sqlx::Error> {
    let taker = Uuid::new_v4();
    let claimed = sqlx::query!(
        "UPDATE outbox SET taken_by = ?, taken_until = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND, tries = tries + 1
         WHERE taken_until IS NULL OR taken_until < UTC_TIMESTAMP(6) ORDER BY id LIMIT 1",
        taker,
        micros(lease),
    )
    .execute(&mut *connection)
    .await?;
    if claimed.rows_affected() == 0 {
        return Ok(None);
    }
    let row = sqlx::query!(
        r#"SELECT id AS "id: Uuid", kind, email, account_id AS "account: Uuid" FROM outbox WHERE taken_by = ?"#,
        taker,
    )
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let kind = MailKind::from_stored(&row.kind)?;
    let email = row.email.parse().map_err(unexpected)?;
    Ok(Some(RequestedMail { id: row.id.into(), kind, email, account: row.account.map(UserId::from) }))
}

/// The decision about a mail, locked until the transaction ends. `None`: the mail is gone.
pub(crate) async fn lock_decision(
    connection: &mut MySqlConnection,
    id: MailId,
) -> Result<Option<Option<Decision>>, sqlx::Error> {
    let row = sqlx::query!("SELECT decided FROM outbox WHERE id = ? FOR UPDATE", id.as_uuid())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let Some(decided) = row.decided else { return Ok(Some(None)) };
    Decision::from_stored(&decided).map(Some).map(Some)
}

/// Stores the decision, in the transaction that counts the mail and stores its token.
pub(crate) async fn decide(
    connection: &mut MySqlConnection,
    id: MailId,
    decision: Decision,
) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE outbox SET decided = ? WHERE id = ?", decision.as_str(), id.as_uuid())
        .execute(connection)
        .await
        .map(drop)
}

/// Postpones a mail that could not be published. The delay grows with its tries; others go first.
pub(crate) async fn postpone(
    connection: &mut MySqlConnection,
    id: MailId,
    longest: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE outbox SET taken_until = UTC_TIMESTAMP(6)
             + INTERVAL LEAST(1000000 * POW(2, LEAST(tries, 20) - 1), ?) MICROSECOND
         WHERE id = ?",
        micros(longest),
        id.as_uuid(),
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Deletes a mail: it is published, or nobody gets it.
pub(crate) async fn delete(connection: &mut MySqlConnection, id: MailId) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM outbox WHERE id = ?", id.as_uuid()).execute(connection).await.map(drop)
}

/// Deletes every mail of an account.
pub(crate) async fn delete_all(
    connection: &mut MySqlConnection,
    account: UserId,
    email: &EmailAddress,
) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM outbox WHERE account_id = ? OR email = ?", account.as_uuid(), email.as_str())
        .execute(connection)
        .await
        .map(drop)
}
