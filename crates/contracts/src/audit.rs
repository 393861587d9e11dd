use std::net::IpAddr;

use crate::{ApiKeyId, Queue, SessionId, UserId};

/// A security event. It holds identifiers of ours alone: no e-mail addresses, names, tokens or passwords.
///
/// `user` is the account that acted, or whose credentials were used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the identifiers that their names say")]
pub enum Audit<'a> {
    /// An account was created.
    Registered { user: UserId },
    /// A registration named an address that has an account.
    RegisteredAgain,
    /// A session began, with a password.
    SignedIn { user: UserId },
    /// A session began, with an identity provider.
    SignedInWithProvider { user: UserId, provider: &'a str },
    /// The password was wrong, or there is no such account.
    SignInFailed { user: Option<UserId> },
    /// After too many wrong passwords the next one was refused unread.
    SignInDelayed,
    /// The owner ended a session.
    SignedOut { user: UserId, session: SessionId },
    /// The owner ended all sessions.
    SignedOutEverywhere { user: UserId },
    /// A refresh token was used twice, which ended its session.
    RefreshTokenReused { user: UserId, session: SessionId },
    /// An address was confirmed.
    AddressConfirmed { user: UserId },
    /// A forgotten password was replaced.
    PasswordReset { user: UserId },
    /// A password was changed.
    PasswordChanged { user: UserId },
    /// The owner asked for the account to be erased.
    ErasureRequested { user: UserId },
    /// The account is gone.
    Erased { user: UserId },
    /// An API key was created.
    ApiKeyCreated { user: UserId, key: ApiKeyId },
    /// An API key was deleted.
    ApiKeyDeleted { user: UserId, key: ApiKeyId },
    /// An API key was used. The gateway keeps the answer for a while, so not every use is recorded.
    ApiKeyUsed { user: UserId },
    /// An API key lacked the scope for a request.
    ApiKeyRefused { user: UserId },
    /// An administrator changed an account.
    AccountChanged { user: UserId, account: UserId },
    /// An administrator put dead letters back into a queue.
    DeadLettersReplayed { user: UserId, queue: Queue },
    /// A user without the role tried to use an administrator's route.
    AdminRefused { user: UserId },
    /// A request with a password or a mail's token, or about an account: its status and the client's address.
    AccountRequest { status: u16, client: IpAddr },
}

/// What the log line of a security event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// The event's stable name.
    pub name: &'static str,
    /// The account that acted.
    pub user: Option<UserId>,
    /// Which session, key, account or queue; or the outcome.
    pub detail: Option<String>,
}

impl Audit<'_> {
    /// The event as a log line.
    #[must_use]
    pub fn line(self) -> AuditLine {
        let (name, user, detail) = match self {
            Self::Registered { user } => ("registered", Some(user), None),
            Self::RegisteredAgain => ("registered_again", None, None),
            Self::SignedIn { user } => ("signed_in", Some(user), None),
            Self::SignedInWithProvider { user, provider } => {
                ("signed_in_elsewhere", Some(user), Some(provider.to_owned()))
            }
            Self::SignInFailed { user } => ("sign_in_failed", user, None),
            Self::SignInDelayed => ("sign_in_delayed", None, None),
            Self::SignedOut { user, session } => ("signed_out", Some(user), Some(session.to_string())),
            Self::SignedOutEverywhere { user } => ("signed_out_everywhere", Some(user), None),
            Self::RefreshTokenReused { user, session } => {
                ("refresh_token_reused", Some(user), Some(session.to_string()))
            }
            Self::AddressConfirmed { user } => ("address_confirmed", Some(user), None),
            Self::PasswordReset { user } => ("password_reset", Some(user), None),
            Self::PasswordChanged { user } => ("password_changed", Some(user), None),
            Self::ErasureRequested { user } => ("erasure_begun", Some(user), None),
            Self::Erased { user } => ("erased", Some(user), None),
            Self::ApiKeyCreated { user, key } => ("api_key_made", Some(user), Some(key.to_string())),
            Self::ApiKeyDeleted { user, key } => ("api_key_deleted", Some(user), Some(key.to_string())),
            Self::ApiKeyUsed { user } => ("api_key_used", Some(user), None),
            Self::ApiKeyRefused { user } => ("api_key_refused", Some(user), None),
            Self::AccountChanged { user, account } => {
                ("account_changed", Some(user), Some(account.to_string()))
            }
            Self::DeadLettersReplayed { user, queue } => {
                ("dead_letters_replayed", Some(user), Some(queue.to_string()))
            }
            Self::AdminRefused { user } => ("admin_refused", Some(user), None),
            Self::AccountRequest { status, client } => {
                ("account_request", None, Some(format!("{status} from {client}")))
            }
        };
        AuditLine { name, user, detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_stable_name_the_user_and_the_detail() {
        let (user, client) = (UserId::generate(), [192, 0, 2, 1].into());
        let line = Audit::DeadLettersReplayed { user, queue: Queue::Mp3 }.line();
        assert_eq!((line.name, line.user), ("dead_letters_replayed", Some(user)));
        assert_eq!(line.detail.as_deref(), Some("mp3"));
        let line = Audit::AccountRequest { status: 401, client }.line();
        assert_eq!((line.name, line.user), ("account_request", None));
        assert_eq!(line.detail.as_deref(), Some("401 from 192.0.2.1"));
    }
}
