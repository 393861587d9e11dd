//! What auth does, without HTTP.

use std::sync::Arc;
use std::time::Duration;

use contracts::{EmailAddress, JwkSet, UserId};
use secrecy::SecretString;

use crate::accounts::{Accounts, Registered};
use crate::error::Error;
use crate::hashing::Hasher;
use crate::keyring::Keyring;
use crate::password_hash::PasswordHash;
use crate::passwords::Password;
use crate::tokens::AccessToken;

/// An address and a password as they came; nothing is known of them yet.
pub(crate) struct Credentials {
    pub(crate) email: String,
    pub(crate) password: SecretString,
}

pub(crate) struct Service {
    pub(crate) accounts: Accounts,
    pub(crate) hasher: Hasher,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) access_token_lifetime: Duration,
}

impl Service {
    /// Makes an account; for an address that has one, does the same work and changes nothing.
    pub(crate) async fn register(&self, credentials: Credentials) -> Result<Registered, Error> {
        let email: EmailAddress = credentials.email.parse().map_err(|_| Error::BadEmail)?;
        let password = Password::parse(credentials.password).map_err(|_| Error::BadPassword)?;
        let hash = {
            let email = email.clone();
            let hash = move || {
                if password.is_common(&email) {
                    return Err(Error::CommonPassword);
                }
                PasswordHash::of(&password).map_err(Error::Hash)
            };
            self.hasher.run(hash).await??
        };
        let id = UserId::generate();
        let registered = self.accounts.register(id, &email, &hash).await?;
        match registered {
            Registered::Created => tracing::info!(user.id = %id, "registered"),
            Registered::Taken => tracing::info!("registered again; the account stays as it is"),
        }
        Ok(registered)
    }

    /// Checks a password and issues a token. Whether the address is known changes neither the answer nor the time.
    pub(crate) async fn log_in(&self, credentials: Credentials) -> Result<AccessToken, Error> {
        let keys = self.keyring.current()?;
        // What no account can have is refused without hashing: that says nothing about the accounts there are.
        let email: EmailAddress = credentials.email.parse().map_err(|_| Error::WrongCredentials)?;
        let password = Password::parse(credentials.password).map_err(|_| Error::WrongCredentials)?;

        let (id, hash) = match self.accounts.find(&email).await? {
            Some(account) => (Some(account.id), account.password_hash),
            None => (None, PasswordHash::of_nobody()),
        };
        let is_right = self.hasher.run(move || hash.matches(&password)).await?.map_err(Error::Hash)?;
        match id {
            Some(id) if is_right => {
                tracing::info!(user.id = %id, "logged in");
                keys.signing.issue(id, email, self.access_token_lifetime).map_err(Error::Sign)
            }
            Some(id) => {
                tracing::info!(user.id = %id, "wrong password");
                Err(Error::WrongCredentials)
            }
            None => Err(Error::WrongCredentials),
        }
    }

    /// The keys that verify our tokens.
    pub(crate) fn public_keys(&self) -> Result<JwkSet, Error> {
        Ok(self.keyring.current()?.published.clone())
    }
}
