//! Registration, sessions and their tokens.

use std::time::Duration;

use contracts::{Audit, EmailAddress, IssuedTokens, LoginRequest, Secret, SessionId, UserId};
use serde::Deserialize;
use service_kit::audit;

use super::Service;
use crate::error::Error;
use crate::passwords::password::Password;
use crate::passwords::password_hash::PasswordHash;
use crate::tables::accounts::{self, Account, Registered};
use crate::tables::database::transact;
use crate::tables::login_failures::{self, Guess};
use crate::tables::outbox::{self, MailKind};
use crate::tables::sessions::{self, NewSession, TokenState};
use crate::tokens::opaque::{self, TokenHash};

/// An address and a password as they came, unchecked.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    pub(crate) email: String,
    pub(crate) password: Secret,
}

/// The result of exchanging a refresh token.
enum Exchange {
    Done(Account, SessionId),
    Unknown,
    /// It was exchanged before, so two parties hold it: the session is over.
    Reused(UserId, SessionId),
}

const MAX_CLIENT_CHARS: usize = 200;

impl Service {
    /// Creates an account. A taken address costs the same work and changes nothing. Both ways send a mail.
    pub(crate) async fn register(&self, credentials: Credentials) -> Result<Registered, Error> {
        let email: EmailAddress = credentials.email.parse().map_err(|_| Error::BadEmail)?;
        let hash = self.hash_new(credentials.password, email.clone()).await?;
        let id = UserId::generate();
        let registered = transact!(self.database, |transaction| {
            // The locking statement comes last: parallel registrations of this address wait for it.
            outbox::insert(transaction, MailKind::Registered, &email, Some(id)).await?;
            accounts::register(transaction, id, &email, &hash).await
        });
        let registered = registered.await?;
        self.relay.wake();
        match registered {
            Registered::Created => audit::record(Audit::Registered { user: id }),
            Registered::Taken => audit::record(Audit::RegisteredAgain),
        }
        Ok(registered)
    }

    /// Checks a password and begins a session. Unknown addresses get the same answer in the same time.
    pub(crate) async fn log_in(&self, request: LoginRequest) -> Result<IssuedTokens, Error> {
        // Fails before anything is written if no token can be signed.
        self.keyring.current()?;
        // Malformed input is refused without hashing. That reveals nothing about which accounts exist.
        let email: EmailAddress = request.email.parse().map_err(|_| Error::WrongCredentials)?;
        let password = Password::parse(request.password.into_inner()).map_err(|_| Error::WrongCredentials)?;

        let _turn = self.count_guess(Guess::SignIn(&email)).await?;
        let account = self.database.ask(async |connection| accounts::find(connection, &email).await).await?;
        let (account, hash) = match account {
            Some(account) => {
                let hash = account.password_hash.clone();
                (hash.is_some().then_some(account), hash.unwrap_or_else(PasswordHash::dummy))
            }
            None => (None, PasswordHash::dummy()),
        };
        let is_right = self.is_right(Guess::SignIn(&email), password, hash).await?;
        match account {
            Some(account) if is_right => {
                let issued = self.create_session(account.id, &request.client, request.is_short).await?;
                audit::record(Audit::SignedIn { user: account.id });
                self.database
                    .ask(async |connection| login_failures::delete(connection, Guess::SignIn(&email)).await)
                    .await?;
                Ok(issued)
            }
            account => {
                audit::record(Audit::SignInFailed { user: account.map(|account| account.id) });
                Err(Error::WrongCredentials)
            }
        }
    }

    /// Creates a session for a caller whose identity is proven.
    pub(super) async fn create_session(
        &self,
        account: UserId,
        client: &str,
        is_short: bool,
    ) -> Result<IssuedTokens, Error> {
        let (token, hash) = opaque::new_token()?;
        let id = SessionId::generate();
        let client = printable(client);
        let lifetime = if is_short { self.lifetimes.access_token } else { self.lifetimes.session };
        let begun = transact!(self.database, |transaction| {
            // Locked: a session must not slip in while the account is being closed.
            let Some(account) = accounts::lock(transaction, account).await? else { return Ok(None) };
            if account.is_erasing || account.is_disabled {
                return Ok(Some(account));
            }
            sessions::insert(transaction, &NewSession { id, account: account.id, client: &client, lifetime })
                .await?;
            if !is_short {
                sessions::insert_token(transaction, id, &hash, self.lifetimes.refresh_token).await?;
            }
            Ok(Some(account))
        });
        match begun.await? {
            None => Err(Error::WrongCredentials),
            Some(account) if account.is_erasing => Err(Error::WrongCredentials),
            Some(account) if account.is_disabled => Err(Error::Disabled),
            Some(account) => self.issue(&account, id, (!is_short).then_some(token)),
        }
    }

    /// Exchanges a refresh token for new tokens.
    pub(crate) async fn refresh(&self, token: &Secret) -> Result<IssuedTokens, Error> {
        self.keyring.current()?;
        let used = TokenHash::of(token.expose());
        let (token, hash) = opaque::new_token()?;
        let exchanged = transact!(self.database, |transaction| {
            let Some(id) = sessions::of_token(transaction, &used).await? else {
                return Ok(Exchange::Unknown);
            };
            let Some(owner) = sessions::lock(transaction, id).await? else { return Ok(Exchange::Unknown) };
            match sessions::state_of_token(transaction, &used, self.lifetimes.grace).await? {
                TokenState::Unknown => return Ok(Exchange::Unknown),
                TokenState::Reused => {
                    sessions::revoke(transaction, owner, id).await?;
                    return Ok(Exchange::Reused(owner, id));
                }
                // This also replaces the tokens issued beside it within the grace.
                TokenState::Current => sessions::replace_tokens(transaction, id).await?,
                TokenState::InGrace => {}
            }
            let Some(account) = accounts::of_session(transaction, id).await? else {
                return Ok(Exchange::Unknown);
            };
            sessions::insert_token(transaction, id, &hash, self.lifetimes.refresh_token).await?;
            sessions::touch(transaction, id).await?;
            Ok(Exchange::Done(account, id))
        });
        match exchanged.await? {
            Exchange::Done(account, session) => self.issue(&account, session, Some(token)),
            Exchange::Unknown => Err(Error::InvalidRefreshToken),
            Exchange::Reused(account, session) => {
                audit::record(Audit::RefreshTokenReused { user: account, session });
                metrics::counter!("mixdown_refresh_tokens_reused_total").increment(1);
                Err(Error::InvalidRefreshToken)
            }
        }
    }

    /// Ends the session of a refresh token, even of an exchanged one.
    pub(crate) async fn log_out(&self, token: &Secret) -> Result<(), Error> {
        let hash = TokenHash::of(token.expose());
        let ended = transact!(self.database, |transaction| {
            let Some(id) = sessions::of_token(transaction, &hash).await? else { return Ok(None) };
            let Some(account) = sessions::lock(transaction, id).await? else { return Ok(None) };
            sessions::revoke(transaction, account, id).await?;
            Ok(Some((account, id)))
        });
        if let Some((account, session)) = ended.await? {
            audit::record(Audit::SignedOut { user: account, session });
        }
        Ok(())
    }

    fn issue(
        &self,
        account: &Account,
        session: SessionId,
        refresh_token: Option<Secret>,
    ) -> Result<IssuedTokens, Error> {
        let keys = self.keyring.current()?;
        let lifetime = self.lifetimes.access_token;
        let issued = keys.signing.issue(account, session, lifetime).map_err(Error::Sign)?;
        let refresh_lifetime: Duration = self.lifetimes.refresh_token.min(self.lifetimes.session);
        Ok(IssuedTokens {
            access_token: issued.token,
            expires_in: issued.lifetime.as_secs(),
            refresh_token,
            refresh_expires_in: refresh_lifetime.as_secs(),
        })
    }
}

/// A client's name for itself, as one line of at most 200 characters.
fn printable(client: &str) -> String {
    client.chars().filter(|character| !contracts::is_hidden(*character)).take(MAX_CLIENT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_names_are_one_short_line() {
        assert_eq!(printable("curl/8\r\nSet-Cookie: a=b\0"), "curl/8Set-Cookie: a=b");
        assert_eq!(printable(&"ä".repeat(500)).chars().count(), 200);
    }
}
