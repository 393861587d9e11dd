//! Accounts: as their owners and administrators see them, and between auth and the gateway.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{EmailAddress, Secret, SessionId, UserId};

/// What an account may do beside its own things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Nothing.
    User,
    /// See and change how the system is run.
    Admin,
}

impl Role {
    /// The name that JSON and the database use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }
}

/// Which mails about jobs an account wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct MailPreferences {
    /// When a video was accepted.
    pub submitted: bool,
    /// When a file is ready.
    pub finished: bool,
    /// When a video could not be converted.
    pub failed: bool,
}

impl Default for MailPreferences {
    fn default() -> Self {
        Self { submitted: false, finished: true, failed: true }
    }
}

/// The text is no known name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such role or scope")]
pub struct UnknownName;

impl FromStr for Role {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Self::User, Self::Admin].into_iter().find(|role| role.as_str() == text).ok_or(UnknownName)
    }
}

/// A token out of a mail.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct VerifyRequest {
    /// What follows `#token=` in the link.
    pub token: Secret,
}

/// An address to send a mail to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AddressRequest {
    /// The account's e-mail address.
    #[schema(format = Email, example = "ada@example.org")]
    pub email: String,
}

/// A new password, for whoever reads the account's mail.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ResetRequest {
    /// What follows `#token=` in the link.
    pub token: Secret,
    /// The new password: 8 to 128 characters.
    #[schema(format = Password, min_length = 8, max_length = 128)]
    pub password: Secret,
}

/// A new password, for whoever knows the old one.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PasswordChange {
    /// The password until now.
    #[schema(format = Password)]
    pub current_password: Secret,
    /// The password from now on: 8 to 128 characters.
    #[schema(format = Password, min_length = 8, max_length = 128)]
    pub new_password: Secret,
}

/// Another address for the account.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AddressChange {
    /// The new e-mail address.
    #[schema(format = Email, example = "ada@example.net")]
    pub email: String,
    /// The account's password.
    #[schema(format = Password)]
    pub password: Secret,
}

/// The end of an account.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ErasureRequest {
    /// The account's password. An account without one (it signs in elsewhere) must have signed in within the last
    /// quarter of an hour, and sends an empty text.
    #[schema(format = Password)]
    pub password: Secret,
}

/// Your account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// The account.
    pub id: UserId,
    /// Its address.
    pub email: EmailAddress,
    /// Whether you have confirmed it.
    pub email_verified: bool,
    /// What you may do beside your own things.
    pub role: Role,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Whether it has a password; one that signs in elsewhere need not.
    pub has_password: bool,
    /// An address that replaces the present one once you have confirmed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_email: Option<EmailAddress>,
    /// Which mails about jobs you get.
    pub mails: MailPreferences,
}

/// What is to be changed of your account.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MeChange {
    /// Which mails about jobs you get. Jobs that are under way keep what held when they were uploaded.
    pub mails: MailPreferencesChange,
}

/// Which mails are to be switched on or off; those left out stay as they are.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct MailPreferencesChange {
    /// When a video was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted: Option<bool>,
    /// When a file is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<bool>,
    /// When a video could not be converted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<bool>,
}

/// Ended sessions, erased accounts and changed addresses, from auth to the gateway.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Revocations {
    /// Sessions that ended within the lifetime of an access token.
    pub sessions: Vec<SessionId>,
    /// Accounts whose erasure was requested within the time that an upload may take.
    pub erased_accounts: Vec<UserId>,
    /// Accounts whose address changed within that time.
    #[serde(default)]
    pub moved_accounts: Vec<MovedAccount>,
}

/// An account and its current address.
#[derive(Debug, Serialize, Deserialize)]
pub struct MovedAccount {
    /// The account.
    pub account: UserId,
    /// Its address.
    pub email: EmailAddress,
}

/// Accounts whose jobs and files must be deleted, from auth to the gateway.
#[derive(Debug, Serialize, Deserialize)]
pub struct Erasures {
    /// The accounts, the oldest request first.
    pub accounts: Vec<UserId>,
}

/// An account, as an administrator sees it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AccountSummary {
    /// The account.
    pub id: UserId,
    /// Its address.
    pub email: EmailAddress,
    /// Whether its owner has confirmed it.
    pub email_verified: bool,
    /// What it may do beside its own things.
    pub role: Role,
    /// Whether it is closed.
    pub is_disabled: bool,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// A page of accounts.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AccountPage {
    /// The accounts, the latest first.
    pub users: Vec<AccountSummary>,
    /// The `cursor` of the next page; none on the last.
    pub next_cursor: Option<UserId>,
}

/// What an administrator changes of an account; what is left out stays.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct AccountChange {
    /// Its role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Whether it is closed: nobody can sign in, and all sessions end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_disabled: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown_by_debug() {
        let request: ResetRequest =
            serde_json::from_str(r#"{"token":"s3cret","password":"s3cret"}"#).unwrap();
        assert!(!format!("{request:?}").contains("s3cret"));
        assert!(serde_json::to_string(&request).unwrap().contains("s3cret"));
    }

    #[test]
    fn mails_of_jobs_from_before_are_wanted_as_they_were_sent() {
        let wanted: MailPreferences = serde_json::from_str("{}").unwrap();
        assert_eq!(wanted, MailPreferences { submitted: false, finished: true, failed: true });
    }
}
