//! What access tokens cannot know: which sessions have ended before them, and whose address is another now. Auth is asked
//! every few seconds; while it is away, what it said last holds.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use contracts::{AccessClaims, EmailAddress, ProblemCode, SessionId, UserId};
use tokio::sync::{Mutex, watch};

use crate::Gateway;
use crate::background::every;
use crate::error::Error;
use crate::identity::auth_client::AuthClient;

#[derive(Default)]
struct Known {
    ended_sessions: HashSet<SessionId>,
    erased_accounts: HashSet<UserId>,
    addresses: HashMap<UserId, EmailAddress>,
}

/// What auth said last; nothing before it said anything.
#[derive(Default)]
pub(crate) struct Revocations {
    known: RwLock<Option<Known>>,
    news: watch::Sender<()>,
}

impl Revocations {
    /// Refuses a token whose session or account has ended.
    pub(crate) async fn check(&self, accounts: &AuthClient, claims: &AccessClaims) -> Result<(), Error> {
        if !self.is_loaded() {
            // Just started: a token that was revoked before must not work for a moment.
            self.refresh(accounts).await?;
        }
        if self.is_revoked(claims) { Err(ProblemCode::InvalidToken.into()) } else { Ok(()) }
    }

    /// Waits until the token's session or account has ended.
    pub(crate) async fn revoked(&self, claims: &AccessClaims) {
        let mut news = self.news.subscribe();
        while !self.is_revoked(claims) && news.changed().await.is_ok() {}
    }

    fn is_revoked(&self, claims: &AccessClaims) -> bool {
        self.known().as_ref().is_none_or(|known| {
            known.ended_sessions.contains(&claims.sid) || known.erased_accounts.contains(&claims.sub)
        })
    }

    /// Whether the account is being erased, or was within the time that an upload may take.
    pub(crate) fn is_erased(&self, account: UserId) -> bool {
        self.known().as_ref().is_some_and(|known| known.erased_accounts.contains(&account))
    }

    /// The address that the account has now, if it changed within the time that an upload may take.
    pub(crate) fn new_address(&self, account: UserId) -> Option<EmailAddress> {
        self.known().as_ref()?.addresses.get(&account).cloned()
    }

    fn new_addresses(&self) -> HashMap<UserId, EmailAddress> {
        self.known().as_ref().map(|known| known.addresses.clone()).unwrap_or_default()
    }

    /// Asks auth now: whoever ends a session here sees it ended with the next request.
    pub(crate) async fn refresh(&self, accounts: &AuthClient) -> Result<(), Error> {
        let answer = accounts.revocations().await?;
        let known = Known {
            ended_sessions: answer.sessions.into_iter().collect(),
            erased_accounts: answer.erased_accounts.into_iter().collect(),
            addresses: answer.moved_accounts.into_iter().map(|moved| (moved.account, moved.email)).collect(),
        };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
        self.news.send_replace(());
        Ok(())
    }

    fn known(&self) -> RwLockReadGuard<'_, Option<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_loaded(&self) -> bool {
        self.known().is_some()
    }
}

/// Asks auth again and again until the end, and has the jobs of those who moved follow.
pub(crate) async fn keep_current(gateway: Arc<Gateway>, interval: Duration) {
    let followed = Mutex::new(HashMap::new());
    let failure = "could not ask which sessions have ended, or change jobs' addresses; the last answer holds";
    every(interval, &gateway.shutdown, failure, async || {
        gateway.revocations.refresh(&gateway.accounts).await?;
        follow(&gateway, &followed).await
    })
    .await;
}

/// Gives the jobs of each account whose address is not the one that they were given before the one that it has.
async fn follow(gateway: &Gateway, followed: &Mutex<HashMap<UserId, EmailAddress>>) -> Result<(), Error> {
    let addresses = gateway.revocations.new_addresses();
    let mut followed = followed.lock().await;
    for (account, email) in &addresses {
        if followed.get(account) != Some(email) {
            gateway.jobs.change_address(*account, email).await?;
        }
    }
    *followed = addresses;
    Ok(())
}
