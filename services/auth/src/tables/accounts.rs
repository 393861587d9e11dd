//! The table `accounts`.

use contracts::{AccountSummary, EmailAddress, MailPreferences, Me, Role, SessionId, UserId};
use sqlx::MySqlConnection;
use time::{OffsetDateTime, PrimitiveDateTime};
use uuid::Uuid;

use crate::passwords::password_hash::PasswordHash;
use crate::tables::database::unexpected;

/// An account.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) id: UserId,
    pub(crate) email: EmailAddress,
    /// `None` if the owner signs in with an identity provider only.
    pub(crate) password_hash: Option<PasswordHash>,
    pub(crate) is_verified: bool,
    pub(crate) role: Role,
    pub(crate) is_disabled: bool,
    /// Its erasure was requested.
    pub(crate) is_erasing: bool,
    pub(crate) mails: MailPreferences,
    pub(crate) created_at: OffsetDateTime,
}

/// Whether a registration created an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Registered {
    /// It did.
    Created,
    /// The address has an account already, which keeps its password.
    Taken,
}

#[expect(clippy::struct_excessive_bools, reason = "one for each column that is a yes or no")]
struct Row {
    id: Uuid,
    email: String,
    password_hash: Option<String>,
    is_verified: bool,
    role: String,
    is_disabled: bool,
    is_erasing: bool,
    mail_submitted: bool,
    mail_finished: bool,
    mail_failed: bool,
    created_at: PrimitiveDateTime,
}

macro_rules! select_accounts {
    ($tail:tt $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"SELECT accounts.id AS "id: Uuid", email, password_hash, role,
                      verified_at IS NOT NULL AS "is_verified!: bool", disabled_at IS NOT NULL AS "is_disabled!: bool",
                      erasing_at IS NOT NULL AS "is_erasing!: bool", mail_submitted AS "mail_submitted: bool",
                      mail_finished AS "mail_finished: bool", mail_failed AS "mail_failed: bool",
                      accounts.created_at
               FROM accounts "# + $tail
            $(, $argument)*
        )
    };
}

impl TryFrom<Row> for Account {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.id.into(),
            email: row.email.parse().map_err(unexpected)?,
            password_hash: row.password_hash.map(PasswordHash::from_stored),
            is_verified: row.is_verified,
            role: row.role.parse().map_err(unexpected)?,
            is_disabled: row.is_disabled,
            is_erasing: row.is_erasing,
            mails: MailPreferences {
                submitted: row.mail_submitted,
                finished: row.mail_finished,
                failed: row.mail_failed,
            },
            created_at: row.created_at.assume_utc(),
        })
    }
}

impl Account {
    /// The account as its owner sees it.
    pub(crate) fn me(&self, pending_email: Option<EmailAddress>) -> Me {
        Me {
            id: self.id,
            email: self.email.clone(),
            email_verified: self.is_verified,
            role: self.role,
            created_at: self.created_at,
            has_password: self.password_hash.is_some(),
            pending_email,
            mails: self.mails,
        }
    }

    /// The account as an administrator sees it.
    pub(crate) fn summary(&self) -> AccountSummary {
        AccountSummary {
            id: self.id,
            email: self.email.clone(),
            email_verified: self.is_verified,
            role: self.role,
            is_disabled: self.is_disabled,
            created_at: self.created_at,
        }
    }
}

/// Creates an account, unless the address has one.
///
/// A taken address is counted instead of refused. So both cases write and flush one row, and the time of the
/// answer does not reveal whether the address has an account: a refused insert would be a disk flush faster.
pub(crate) async fn register(
    connection: &mut MySqlConnection,
    id: UserId,
    email: &EmailAddress,
    password_hash: &PasswordHash,
) -> Result<Registered, sqlx::Error> {
    let written = sqlx::query!(
        "INSERT INTO accounts (id, email, password_hash, created_at) VALUES (?, ?, ?, UTC_TIMESTAMP(6))
         ON DUPLICATE KEY UPDATE repeated_registrations = repeated_registrations + 1",
        id.as_uuid(),
        email.as_str(),
        password_hash.as_str(),
    )
    .execute(connection)
    .await?;
    // One row for an insert, two for an update (MySQL 8.4 Reference Manual, 15.2.7.2).
    Ok(if written.rows_affected() == 1 { Registered::Created } else { Registered::Taken })
}

/// Creates an account whose address an identity provider has confirmed. Fails where the address has one.
pub(crate) async fn insert_verified(
    connection: &mut MySqlConnection,
    id: UserId,
    email: &EmailAddress,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO accounts (id, email, verified_at, created_at) VALUES (?, ?, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))",
        id.as_uuid(),
        email.as_str(),
    )
    .execute(connection)
    .await
    .map(drop)
}

/// The account of an address.
pub(crate) async fn find(
    connection: &mut MySqlConnection,
    email: &EmailAddress,
) -> Result<Option<Account>, sqlx::Error> {
    let row = select_accounts!("WHERE email = ?", email.as_str()).fetch_optional(connection).await?;
    row.map(Account::try_from).transpose()
}

/// The account, locked until the transaction ends.
pub(crate) async fn lock(
    connection: &mut MySqlConnection,
    id: UserId,
) -> Result<Option<Account>, sqlx::Error> {
    let row =
        select_accounts!("WHERE accounts.id = ? FOR UPDATE", id.as_uuid()).fetch_optional(connection).await?;
    row.map(Account::try_from).transpose()
}

/// The account of a session that has not ended, unless it is closed or being erased.
pub(crate) async fn of_session(
    connection: &mut MySqlConnection,
    session: SessionId,
) -> Result<Option<Account>, sqlx::Error> {
    let row = select_accounts!(
        "JOIN sessions ON sessions.account_id = accounts.id
         WHERE sessions.id = ? AND disabled_at IS NULL AND erasing_at IS NULL",
        session.as_uuid(),
    )
    .fetch_optional(connection)
    .await?;
    row.map(Account::try_from).transpose()
}

/// At most `limit` accounts before this one, the latest first, whose address contains `part`.
pub(crate) async fn page(
    connection: &mut MySqlConnection,
    part: &str,
    before: Option<UserId>,
    limit: u16,
) -> Result<Vec<Account>, sqlx::Error> {
    let before = before.map_or(Uuid::max(), UserId::as_uuid);
    let rows = select_accounts!(
        "WHERE INSTR(email, ?) > 0 AND accounts.id < ? ORDER BY accounts.id DESC LIMIT ?",
        part.to_ascii_lowercase(),
        before,
        limit,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(Account::try_from).collect()
}

/// Marks the address as confirmed, if the account still has it.
pub(crate) async fn mark_verified(
    connection: &mut MySqlConnection,
    id: UserId,
    email: &EmailAddress,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE accounts SET verified_at = COALESCE(verified_at, UTC_TIMESTAMP(6)) WHERE id = ? AND email = ?",
        id.as_uuid(),
        email.as_str(),
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Gives the account another, confirmed address. `false`: another account has it.
pub(crate) async fn set_email(
    connection: &mut MySqlConnection,
    id: UserId,
    email: &EmailAddress,
) -> Result<bool, sqlx::Error> {
    let changed = sqlx::query!(
        "UPDATE accounts SET email = ?, verified_at = UTC_TIMESTAMP(6) WHERE id = ?",
        email.as_str(),
        id.as_uuid(),
    )
    .execute(connection)
    .await;
    match changed {
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
        changed => changed.map(|_| true),
    }
}

/// Replaces or removes the password.
pub(crate) async fn set_password(
    connection: &mut MySqlConnection,
    id: UserId,
    password_hash: Option<&PasswordHash>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE accounts SET password_hash = ? WHERE id = ?",
        password_hash.map(PasswordHash::as_str),
        id.as_uuid(),
    )
    .execute(connection)
    .await
    .map(drop)
}

pub(crate) async fn set_mails(
    connection: &mut MySqlConnection,
    id: UserId,
    mails: MailPreferences,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE accounts SET mail_submitted = ?, mail_finished = ?, mail_failed = ? WHERE id = ?",
        mails.submitted,
        mails.finished,
        mails.failed,
        id.as_uuid(),
    )
    .execute(connection)
    .await
    .map(drop)
}

pub(crate) async fn set_role(
    connection: &mut MySqlConnection,
    id: UserId,
    role: Role,
) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE accounts SET role = ? WHERE id = ?", role.as_str(), id.as_uuid())
        .execute(connection)
        .await
        .map(drop)
}

/// Closes the account, or opens it again. Its sessions are revoked separately.
pub(crate) async fn set_disabled(
    connection: &mut MySqlConnection,
    id: UserId,
    is_disabled: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE accounts SET disabled_at = IF(?, COALESCE(disabled_at, UTC_TIMESTAMP(6)), NULL) WHERE id = ?",
        is_disabled,
        id.as_uuid(),
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Counts a mail that was requested without signing in. `false`: the limit of this hour is reached.
pub(crate) async fn may_mail(
    connection: &mut MySqlConnection,
    id: UserId,
    per_hour: u32,
) -> Result<bool, sqlx::Error> {
    // MySQL assigns from left to right: the count still sees the old window.
    let counted = sqlx::query!(
        "UPDATE accounts
         SET mails_in_window = IF(mail_window_at > UTC_TIMESTAMP(6) - INTERVAL 1 HOUR, mails_in_window + 1, 1),
             mail_window_at = IF(mail_window_at > UTC_TIMESTAMP(6) - INTERVAL 1 HOUR, mail_window_at, UTC_TIMESTAMP(6))
         WHERE id = ? AND (mail_window_at IS NULL OR mail_window_at <= UTC_TIMESTAMP(6) - INTERVAL 1 HOUR
                           OR mails_in_window < ?)",
        id.as_uuid(),
        per_hour,
    )
    .execute(connection)
    .await?;
    Ok(counted.rows_affected() == 1)
}
