//! What access tokens cannot know: which sessions have ended before the token expires, and which accounts
//! have a new address. Auth is asked every few seconds; while it is away, its last answer holds.

use std::collections::{HashMap, HashSet};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use contracts::{AccessClaims, EmailAddress, SessionId, UserId};
use jobs::JobStore;
use tokio::sync::{Mutex, watch};

use crate::error::Error;

#[derive(Default)]
struct Known {
    ended_sessions: HashSet<SessionId>,
    erased_accounts: HashSet<UserId>,
    addresses: HashMap<UserId, EmailAddress>,
}

/// Auth's last answer; empty before the first.
#[derive(Default)]
pub(crate) struct Revocations {
    known: RwLock<Option<Known>>,
    news: watch::Sender<()>,
}

impl Revocations {
    /// Waits until the token's session or account has ended.
    pub(crate) async fn revoked(&self, claims: &AccessClaims) {
        let mut news = self.news.subscribe();
        while !self.is_revoked(claims) && news.changed().await.is_ok() {}
    }

    /// Whether the token's session or account has ended.
    pub(crate) fn is_revoked(&self, claims: &AccessClaims) -> bool {
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

    /// Replaces the known state with auth's answer.
    pub(super) fn learn(&self, answer: contracts::Revocations) {
        let known = Known {
            ended_sessions: answer.sessions.into_iter().collect(),
            erased_accounts: answer.erased_accounts.into_iter().collect(),
            addresses: answer.moved_accounts.into_iter().map(|moved| (moved.account, moved.email)).collect(),
        };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
        self.news.send_replace(());
    }

    fn known(&self) -> RwLockReadGuard<'_, Option<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether auth has answered yet.
    pub(super) fn is_loaded(&self) -> bool {
        self.known().is_some()
    }
}

/// Updates the address in the jobs of accounts that changed it.
pub(super) struct MovedAccounts {
    jobs: JobStore,
    followed: Mutex<HashMap<UserId, EmailAddress>>,
}

impl MovedAccounts {
    pub(super) fn new(jobs: JobStore) -> Self {
        Self { jobs, followed: Mutex::default() }
    }

    /// Updates the jobs of each account whose address is not the same as in the round before.
    pub(super) async fn follow(&self, revocations: &Revocations) -> Result<(), Error> {
        let addresses = revocations.new_addresses();
        let mut followed = self.followed.lock().await;
        for (account, email) in &addresses {
            if followed.get(account) != Some(email) {
                self.jobs.change_address(*account, email).await?;
            }
        }
        *followed = addresses;
        Ok(())
    }
}
