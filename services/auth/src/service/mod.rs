//! What auth does, without HTTP.

mod account_settings;
pub(crate) mod administration;
mod api_keys;
mod erasure;
mod oidc;
mod sign_in;
mod verification;

use std::sync::Arc;
use std::time::Duration;

use contracts::{Audit, EmailAddress, JwkSet, Revocations, Secret};
use service_kit::audit;
use sqlx::MySqlConnection;

use crate::error::Error;
use crate::oidc::Oidc;
use crate::outbox_relay::RelayWaker;
use crate::passwords::hashing::Hasher;
use crate::passwords::password::Password;
use crate::passwords::password_hash::PasswordHash;
use crate::passwords::turns::{Turn, Turns};
use crate::purge::TOLD_FOR;
use crate::tables::accounts::{self, Account};
use crate::tables::database::{Database, transact};
use crate::tables::login_failures::{self, Guess};
use crate::tables::{address_changes, erasures, mail_tokens, sessions};
use crate::tokens::access_token::Refusal;
use crate::tokens::keyring::Keyring;

pub(crate) use account_settings::Caller;
pub(crate) use sign_in::Credentials;

/// The lifetimes of a session and of its tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lifetimes {
    pub(crate) access_token: Duration,
    pub(crate) refresh_token: Duration,
    pub(crate) session: Duration,
    /// How long an exchanged refresh token still works.
    pub(crate) grace: Duration,
}

impl Lifetimes {
    /// How long the gateways hear of an ended session: until its last access token has expired on every host.
    pub(crate) fn revocation(&self) -> Duration {
        self.access_token + CLOCK_MARGIN
    }
}

/// More than the clocks of two hosts differ by.
const CLOCK_MARGIN: Duration = Duration::from_mins(1);

pub(crate) struct Service {
    pub(crate) database: Database,
    pub(crate) hasher: Hasher,
    pub(crate) turns: Turns,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) relay: RelayWaker,
    pub(crate) oidc: Oidc,
}

impl Service {
    /// The keys that verify our tokens.
    pub(crate) fn public_keys(&self) -> Result<JwkSet, Error> {
        Ok(self.keyring.current()?.published.clone())
    }

    /// The sender of an access token, if their session has not ended.
    pub(crate) async fn caller(&self, token: &str) -> Result<Caller, Error> {
        let claims = self.keyring.current()?.verifying.verify(token).map_err(|refusal| match refusal {
            Refusal::Invalid => Error::InvalidToken,
            Refusal::Expired => Error::ExpiredToken,
        })?;
        let account =
            self.database.ask(async |connection| accounts::of_session(connection, claims.sid).await);
        let account = account.await?.ok_or(Error::InvalidToken)?;
        Ok(Caller { account, session: claims.sid })
    }

    /// Ended sessions, erased accounts and changed addresses, for the gateways.
    pub(crate) async fn revocations(&self) -> Result<Revocations, Error> {
        let revocation = self.lifetimes.revocation();
        let revocations = self.database.ask(async |connection| {
            Ok(Revocations {
                sessions: sessions::revoked_within(connection, revocation).await?,
                erased_accounts: erasures::requested_within(connection, TOLD_FOR).await?,
                moved_accounts: address_changes::changed_within(connection, TOLD_FOR).await?,
            })
        });
        Ok(revocations.await?)
    }

    /// Checks a new password against the rules, and hashes it.
    async fn hash_new(&self, password: Secret, email: EmailAddress) -> Result<PasswordHash, Error> {
        let password = Password::parse(password.into_inner()).map_err(|_| Error::BadPassword)?;
        let hash = move || {
            if password.is_common(&email) {
                return Err(Error::CommonPassword);
            }
            PasswordHash::of(&password).map_err(Error::Hash)
        };
        self.hasher.run(hash).await?
    }

    /// Checks the password of a signed-in user. Every route that asks for the current password uses this.
    async fn confirm(&self, account: &Account, password: Secret) -> Result<(), Error> {
        let password = Password::parse(password.into_inner()).map_err(|_| Error::WrongPassword)?;
        let hash = account.password_hash.clone().ok_or(Error::WrongPassword)?;
        let guess = Guess::Confirmation(account.id);
        let _turn = self.count_guess(guess).await?;
        if !self.is_right(guess, password, hash).await? {
            return Err(Error::WrongPassword);
        }
        self.database.ask(async |connection| login_failures::delete(connection, guess).await).await?;
        Ok(())
    }

    /// Counts or refuses a try, before anything is hashed. Hold the turn until the outcome is recorded.
    async fn count_guess(&self, guess: Guess<'_>) -> Result<Turn, Error> {
        let turn = self.turns.take(guess.hash()).await?;
        let delay = transact!(self.database, |transaction| login_failures::count(transaction, guess).await);
        let delay = delay.await?;
        if delay.is_zero() {
            return Ok(turn);
        }
        audit::record(Audit::SignInDelayed);
        Err(Error::TooManyTries(delay))
    }

    /// Compares a password whose try was counted. The count is taken back if the hashing queue is full.
    async fn is_right(
        &self,
        guess: Guess<'_>,
        password: Password,
        hash: PasswordHash,
    ) -> Result<bool, Error> {
        match self.hasher.run(move || hash.matches(&password)).await {
            Ok(matches) => matches.map_err(Error::Hash),
            Err(error) => {
                self.database
                    .ask(async |connection| login_failures::uncount(connection, guess).await)
                    .await?;
                Err(error.into())
            }
        }
    }
}

/// Hands an account over to the proven reader of its address, with this password. Ends all sessions and
/// invalidates all links sent before.
async fn hand_over(
    connection: &mut MySqlConnection,
    account: &Account,
    email: &EmailAddress,
    password_hash: Option<&PasswordHash>,
) -> Result<(), sqlx::Error> {
    let id = account.id;
    accounts::set_password(connection, id, password_hash).await?;
    sessions::revoke_all(connection, id).await?;
    mail_tokens::delete_all(connection, id).await?;
    if !account.is_verified {
        // The account's creator never proved that the address is theirs: their API keys must end.
        crate::tables::api_keys::delete_all(connection, id).await?;
    }
    accounts::mark_verified(connection, id, email).await
}
