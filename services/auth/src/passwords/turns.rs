//! One try of a password at a time for each address: the next try sees the result of the one before.
//!
//! Without turns, parallel correct tries would count against each other. Processes share only the count.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use crate::passwords::hashing::HashingError;
use crate::tokens::opaque::TokenHash;

/// How many may wait for one address: more than a user or a script has under way.
const QUEUE: usize = 64;

/// How long a try waits for its turn, as for hashing.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

type Locks = Arc<Mutex<HashMap<TokenHash, Arc<tokio::sync::Mutex<()>>>>>;

/// The turns of all addresses with a try under way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(Locks);

/// The turn of one try, until it is dropped.
pub(crate) struct Turn {
    guard: Option<OwnedMutexGuard<()>>,
    locks: Locks,
    key: TokenHash,
}

impl Turns {
    /// Waits for the turn of a try.
    ///
    /// # Errors
    /// [`HashingError::Busy`] at once where too many wait, or after [`TURN_TIMEOUT`].
    pub(crate) async fn take(&self, key: TokenHash) -> Result<Turn, HashingError> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let lock = locks.entry(key).or_default();
            if Arc::strong_count(lock) > QUEUE {
                return Err(HashingError::Busy);
            }
            Arc::clone(lock)
        };
        // Created before the wait, so that its `Drop` also cleans up after a wait that is given up.
        let mut turn = Turn { guard: None, locks: Arc::clone(&self.0), key };
        turn.guard = Some(timeout(TURN_TIMEOUT, lock.lock_owned()).await.map_err(|_| HashingError::Busy)?);
        Ok(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(self.guard.take());
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if locks.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            locks.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_address_has_one_turn_at_a_time_and_no_lock_stays_behind() {
        let turns = Turns::default();
        let (ada, eve) = (TokenHash::of("ada"), TokenHash::of("eve"));
        let first = turns.take(ada).await.unwrap();
        let _another = turns.take(eve).await.unwrap();
        let mut second = Box::pin(turns.take(ada));
        assert!(timeout(Duration::from_millis(20), &mut second).await.is_err());
        drop(first);
        drop(second.await.unwrap());
        assert_eq!(turns.0.lock().unwrap().len(), 1);
    }
}
