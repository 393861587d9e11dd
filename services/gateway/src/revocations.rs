//! Which sessions have ended before their access tokens expired. Auth is asked every few seconds; while it is away, what it
//! said last holds.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use contracts::{AccessClaims, ProblemCode, SessionId, UserId};

use crate::Gateway;
use crate::accounts::Accounts;
use crate::background::every;
use crate::error::Error;

#[derive(Default)]
struct Ended {
    sessions: HashSet<SessionId>,
    accounts: HashSet<UserId>,
}

/// What auth said last; nothing before it said anything.
#[derive(Default)]
pub(crate) struct Revocations(RwLock<Option<Ended>>);

impl Revocations {
    /// Refuses a token whose session or account has ended.
    pub(crate) async fn check(&self, accounts: &Accounts, claims: &AccessClaims) -> Result<(), Error> {
        if !self.is_loaded() {
            // Just started: a token that was revoked before must not work for a moment.
            self.refresh(accounts).await?;
        }
        let ended = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let is_over = ended
            .as_ref()
            .is_none_or(|ended| ended.sessions.contains(&claims.sid) || ended.accounts.contains(&claims.sub));
        if is_over { Err(ProblemCode::InvalidToken.into()) } else { Ok(()) }
    }

    /// Whether the account is being erased, or was within the time that an upload may take.
    pub(crate) fn is_erased(&self, account: UserId) -> bool {
        let ended = self.0.read().unwrap_or_else(PoisonError::into_inner);
        ended.as_ref().is_some_and(|ended| ended.accounts.contains(&account))
    }

    /// Asks auth now: whoever ends a session here sees it ended with the next request.
    pub(crate) async fn refresh(&self, accounts: &Accounts) -> Result<(), Error> {
        let answer = accounts.revocations().await?;
        let ended = Ended {
            sessions: answer.sessions.into_iter().collect(),
            accounts: answer.erased_accounts.into_iter().collect(),
        };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(ended);
        Ok(())
    }

    fn is_loaded(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

/// Asks auth again and again until the end.
pub(crate) async fn keep_current(gateway: Arc<Gateway>, interval: Duration) {
    let failure = "could not ask which sessions have ended; the last answer holds";
    every(interval, &gateway.shutdown, failure, || gateway.revocations.refresh(&gateway.accounts)).await;
}
