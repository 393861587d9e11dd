//! The table `outbox`: requested mails that are not published yet.

use std::time::Duration;

use contracts::{EmailAddress, MailId, UserId};
use sqlx::MySqlConnection;
use uuid::Uuid;

use crate::tables::database::{micros, unexpected};

/// The kind of a requested mail. Its content is decided when it is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MailKind {
    /// A token that confirms the address, if its account still needs one.
    Verify,
    /// After a registration: a token if it created an account, otherwise a notice that the address has one.
    Registered,
    /// A token that replaces the password, if the address has an account.
    Reset,
    /// A token that changes the account's address to this one.
    NewAddress,
    /// A notice to the previous address of an account.
    AddressChanged,
    /// A notice that the password was changed.
    PasswordChanged,
}

const KINDS: [MailKind; 6] = [
    MailKind::Verify,
    MailKind::Registered,
    MailKind::Reset,
    MailKind::NewAddress,
    MailKind::AddressChanged,
    MailKind::PasswordChanged,
];

impl MailKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Registered => "registered",
            Self::Reset => "reset",
            Self::NewAddress => "new_address",
            Self::AddressChanged => "address_changed",
            Self::PasswordChanged => "password_changed",
        }
    }
}

/// The content of a mail. It is decided once, in the transaction that stores its token and counts it, and
/// kept in the row: a mail that is published again stays the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    VerifyAddress,
    AddressTaken,
    ResetPassword,
    ConfirmAddress,
    AddressChanged,
    PasswordChanged,
}

const DECISIONS: [Decision; 6] = [
    Decision::VerifyAddress,
    Decision::AddressTaken,
    Decision::ResetPassword,
    Decision::ConfirmAddress,
    Decision::AddressChanged,
    Decision::PasswordChanged,
];

impl Decision {
    fn as_str(self) -> &'static str {
        match self {
            Self::VerifyAddress => "verify_address",
            Self::AddressTaken => "address_taken",
            Self::ResetPassword => "reset_password",
            Self::ConfirmAddress => "confirm_address",
            Self::AddressChanged => "address_changed",
            Self::PasswordChanged => "password_changed",
        }
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
    let kind = KINDS.into_iter().find(|kind| kind.as_str() == row.kind).ok_or(sqlx::Error::RowNotFound)?;
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
    let decision = DECISIONS.into_iter().find(|decision| decision.as_str() == decided);
    decision.map(Some).map(Some).ok_or(sqlx::Error::RowNotFound)
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

/// Postpones a mail that could not be published, with a delay that grows with its tries. Others go first
/// meanwhile.
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
