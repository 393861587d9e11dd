//! Hashes passwords off the async threads, a bounded number at once, with a bounded queue.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use metrics::{Gauge, gauge};
use tokio::sync::Semaphore;
use tokio::task::JoinError;
use tokio::time::timeout;

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HashingError {
    /// The queue is full, or a slot did not get free in time.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// A bug: the work panicked.
    #[error("hashing a password panicked")]
    Panicked(#[source] JoinError),
}

/// How many may wait for a slot: two cores hash as many in one or two seconds. A later request is refused at
/// once; waiting longer, it would outlast the gateway's timeout.
const QUEUE: usize = 64;

/// How long a request waits for a slot: it is answered even if the queue hardly moves.
const SLOT_TIMEOUT: Duration = Duration::from_secs(5);

/// Slots for hashing. A hash takes 19 MiB: without a bound, 200 parallel logins would need 4 GiB.
#[derive(Debug, Clone)]
pub(crate) struct Hasher {
    slots: Arc<Semaphore>,
    /// Slots and queue together.
    places: Arc<Semaphore>,
}

impl Hasher {
    /// A hasher with this many slots, by default one per core.
    pub(crate) fn new(slots: Option<NonZeroUsize>) -> Self {
        let slots = slots.or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        Self { slots: Arc::new(Semaphore::new(slots)), places: Arc::new(Semaphore::new(slots + QUEUE)) }
    }

    /// Runs the work in a slot, when one is free.
    ///
    /// # Errors
    /// [`HashingError::Busy`] at once where the queue is full, or after [`SLOT_TIMEOUT`].
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashingError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| HashingError::Busy)?;
        let slot = {
            let _waiting = Counted::in_gauge(gauge!("mixdown_password_hashing_waiting"));
            timeout(SLOT_TIMEOUT, Arc::clone(&self.slots).acquire_owned()).await
        };
        let Ok(Ok(slot)) = slot else { return Err(HashingError::Busy) };
        let hashing = tokio::task::spawn_blocking(move || {
            // The work itself holds the slot: when a client hangs up, the work goes on.
            let _held = (place, slot, Counted::in_gauge(gauge!("mixdown_password_hashing_running")));
            work()
        });
        hashing.await.map_err(HashingError::Panicked)
    }
}

/// Counts in a gauge until it is dropped.
struct Counted(Gauge);

impl Counted {
    fn in_gauge(gauge: Gauge) -> Self {
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    fn hasher(slots: usize) -> Hasher {
        Hasher::new(NonZeroUsize::new(slots))
    }

    #[tokio::test]
    async fn no_more_run_at_once_than_there_are_slots() {
        let hasher = hasher(3);
        let running = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let work = (0..60).map(|_| {
            let (hasher, running, most) = (hasher.clone(), Arc::clone(&running), Arc::clone(&most));
            tokio::spawn(async move {
                let work = move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                };
                hasher.run(work).await
            })
        });
        for work in work.collect::<Vec<_>>() {
            work.await.unwrap().unwrap();
        }
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_a_long_wait_ends_in_time() {
        let hasher = hasher(1);
        let (finish, finished) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let hasher = hasher.clone();
            async move { hasher.run(move || finished.recv()).await }
        });
        while hasher.slots.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let waiting: Vec<_> = (0..QUEUE)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.run(|| ()).await })
            })
            .collect();
        while hasher.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(hasher.run(|| ()).await, Err(HashingError::Busy)));
        assert!(!waiting.iter().any(tokio::task::JoinHandle::is_finished));

        for waiting in waiting {
            assert!(matches!(waiting.await.unwrap(), Err(HashingError::Busy)));
        }

        finish.send(()).unwrap();
        first.await.unwrap().unwrap().unwrap();
        hasher.run(|| ()).await.unwrap();
    }

    #[tokio::test]
    async fn a_slot_stays_taken_when_its_client_hangs_up() {
        let hasher = hasher(1);
        let (finish, finished) = mpsc::channel::<()>();
        let hung_up = tokio::spawn({
            let hasher = hasher.clone();
            async move { hasher.run(move || finished.recv()).await }
        });
        while hasher.slots.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        hung_up.abort();
        assert!(hung_up.await.unwrap_err().is_cancelled());
        assert_eq!(hasher.slots.available_permits(), 0);
        finish.send(()).unwrap();
        hasher.run(|| ()).await.unwrap();
    }
}
