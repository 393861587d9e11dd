use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{EmailAddress, MESSAGE_VERSION, MailId, Secret};

/// Somebody is to get a mail about their account: what queue `account` carries.
///
/// Some of these mails carry a token. Whoever reads the queue can use it until it expires, so a message lives only from
/// the moment that its mail can be written to the moment that the mail server has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountMail {
    /// [`MESSAGE_VERSION`].
    pub version: u32,
    /// The mail: however often the message is delivered, it is sent once.
    pub mail_id: MailId,
    /// The address to write to.
    pub username: EmailAddress,
    /// What the mail is about.
    #[serde(flatten)]
    pub content: AccountMailContent,
}

/// What a mail about an account is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum AccountMailContent {
    /// A new account's address is to be confirmed.
    VerifyAddress {
        /// What confirms it.
        token: Secret,
        /// Until when.
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
    },
    /// Somebody wanted to register with an address that has an account, or to move an account to it.
    AddressTaken,
    /// A forgotten password is to be replaced.
    ResetPassword {
        /// What allows it.
        token: Secret,
        /// Until when.
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
    },
    /// An account is to move to this address.
    ConfirmAddress {
        /// What confirms it.
        token: Secret,
        /// Until when.
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
    },
    /// The account has moved away from this address.
    AddressChanged,
    /// The account has another password.
    PasswordChanged,
    /// A video was accepted, and its owner wants to be told.
    Submitted {
        /// The name that it was uploaded under.
        name: String,
    },
}

impl AccountMail {
    /// A message of this build.
    #[must_use]
    pub fn new(mail_id: MailId, username: EmailAddress, content: AccountMailContent) -> Self {
        Self { version: MESSAGE_VERSION, mail_id, username, content }
    }
}

impl AccountMailContent {
    /// A name for logs, metrics and Message-IDs.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::VerifyAddress { .. } => "verify_address",
            Self::AddressTaken => "address_taken",
            Self::ResetPassword { .. } => "reset_password",
            Self::ConfirmAddress { .. } => "confirm_address",
            Self::AddressChanged => "address_changed",
            Self::PasswordChanged => "password_changed",
            Self::Submitted { .. } => "submitted",
        }
    }

    /// When the mail has become pointless, if ever.
    #[must_use]
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        match self {
            Self::VerifyAddress { expires_at, .. }
            | Self::ResetPassword { expires_at, .. }
            | Self::ConfirmAddress { expires_at, .. } => Some(*expires_at),
            Self::AddressTaken | Self::AddressChanged | Self::PasswordChanged | Self::Submitted { .. } => {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    // Messages outlive the build that wrote them: a change of this snapshot is a change of the contract.
    #[test]
    fn messages_have_a_stable_json_form_and_hide_their_token_from_debug() {
        let content = AccountMailContent::ResetPassword {
            token: "s3cret".to_owned().into(),
            expires_at: datetime!(2026-03-01 12:00 UTC),
        };
        let mail_id = "0190a3c4-0000-7000-8000-000000000001".parse().unwrap();
        let mail = AccountMail::new(mail_id, "ada@example.org".parse().unwrap(), content);
        assert!(!format!("{mail:?}").contains("s3cret"));
        insta::assert_json_snapshot!(mail, @r#"
        {
          "version": 1,
          "mail_id": "0190a3c4-0000-7000-8000-000000000001",
          "username": "ada@example.org",
          "about": "reset_password",
          "token": "s3cret",
          "expires_at": "2026-03-01T12:00:00Z"
        }
        "#);
    }
}
