use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{EmailAddress, MESSAGE_VERSION, MailId, Secret};

/// A request for a mail about an account: the content of queue `account`.
///
/// Some of these mails carry a token, which any reader of the queue could use until it expires. So a message
/// exists only from its publication until the mail server has the mail.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountMail {
    /// [`MESSAGE_VERSION`].
    pub version: u32,
    /// The mail's id: however often the message is delivered, the mail is sent once.
    pub mail_id: MailId,
    /// The address to write to.
    pub username: EmailAddress,
    /// The mail's content.
    #[serde(flatten)]
    pub content: AccountMailContent,
}

/// The content of a mail about an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum AccountMailContent {
    /// Asks to confirm the address of a new account.
    VerifyAddress {
        /// The token that confirms it.
        token: Secret,
        /// The token's expiry.
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
    },
    /// Tells that a registration or an address change named this address, which has an account.
    AddressTaken,
    /// Offers to replace a forgotten password.
    ResetPassword {
        /// The token that allows it.
        token: Secret,
        /// The token's expiry.
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
    },
    /// Asks to confirm this address as the new one of an account.
    ConfirmAddress {
        /// The token that confirms it.
        token: Secret,
        /// The token's expiry.
        #[serde(with = "time::serde::rfc3339")]
        expires_at: OffsetDateTime,
    },
    /// Tells the previous address that the account has a new one.
    AddressChanged,
    /// Tells that the password was changed.
    PasswordChanged,
    /// Tells that a video was accepted.
    Submitted {
        /// The video's file name.
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

    /// When the mail becomes pointless; `None`: never.
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
