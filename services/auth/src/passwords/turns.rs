//! One try of a password at a time for each address: the next one sees what became of the one before.
//!
//! Without it, tries that are right would count against each other while they are under way. Across processes the count in the
//! database decides alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use crate::passwords::hashing::HashingError;
use crate::tokens::opaque::TokenHash;

/// How many may wait for one address: more than a person or a script has under way.
const QUEUE: usize = 64;

/// How long one may wait, as for hashing.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

type Doors = Arc<Mutex<HashMap<TokenHash, Arc<tokio::sync::Mutex<()>>>>>;

/// The turns of all addresses that are being tried now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns(Doors);

/// One try's turn, until it is dropped.
pub(crate) struct Turn {
    guard: Option<OwnedMutexGuard<()>>,
    doors: Doors,
    key: TokenHash,
}

impl Turns {
    /// Waits for the turn of a try.
    ///
    /// # Errors
    ///
    /// [`HashingError::Busy`] at once where too many wait, or after [`TURN_TIMEOUT`].
    pub(crate) async fn take(&self, key: TokenHash) -> Result<Turn, HashingError> {
        let door = {
            let mut doors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let door = doors.entry(key).or_default();
            if Arc::strong_count(door) > QUEUE {
                return Err(HashingError::Busy);
            }
            Arc::clone(door)
        };
        // Made before the wait: it clears up behind a wait that is given up, too.
        let mut turn = Turn { guard: None, doors: Arc::clone(&self.0), key };
        turn.guard = Some(timeout(TURN_TIMEOUT, door.lock_owned()).await.map_err(|_| HashingError::Busy)?);
        Ok(turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(self.guard.take());
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        if doors.get(&self.key).is_some_and(|door| Arc::strong_count(door) == 1) {
            doors.remove(&self.key);
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
