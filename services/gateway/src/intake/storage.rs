//! Room on MongoDB's disk. MongoDB stops itself when it finds none, so uploads are refused before that.
//! Downloads, deletions and sweeps go on: the last two make room.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::Args;
use contracts::ProblemCode;
use media_store::{MediaStore, Room, StoreError};
use metrics::{Gauge, gauge};
use service_kit::{Problem, Shutdown, every};
use tokio::time::Instant;

/// How often the disk is checked. An upload fills a tenth of a gibibyte in that time.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// After this many checks without figures, in a row or not, a warning is logged. Not earlier: for a database
/// that does not exist yet MongoDB has no figures.
const LOOKS_IN_VAIN: u32 = 30;

/// Older figures are ignored: MongoDB is away or overloaded, and its own errors say so.
const BELIEVED_FOR: Duration = Duration::from_secs(30);

/// How many copies of a stored byte are on the disk: one in the file and, for a while, one in the oplog. The
/// journal has another until a checkpoint empties it; the reserve is for that one.
const COPIES: u64 = 2;

/// How long until MongoDB has written its next checkpoint. Until then the disk does not show all that MongoDB
/// has stored.
const SETTLES_IN: Duration = Duration::from_secs(70);

/// After this much of its journal at the latest, MongoDB writes a checkpoint.
const UNSETTLED_AT_MOST: u64 = 2 << 30;

/// The room that uploads leave.
#[derive(Debug, Clone, Copy, Args)]
pub struct StorageConfig {
    /// Room on MongoDB's disk that is kept free, at most an eighth of it: uploads that would take of it are refused (507), and
    /// conversions wait once they would take more than half of it. The same as converter's
    #[arg(long, env = "MONGODB_RESERVE_BYTES", default_value_t = 4 << 30)]
    mongodb_reserve_bytes: u64,
}

/// How much room there is, and how much of it is promised to uploads of this process.
pub(crate) struct Storage {
    reserve: u64,
    ledger: Mutex<Ledger>,
}

#[derive(Default)]
struct Ledger {
    seen: Option<(Instant, Room)>,
    /// What uploads in progress will take.
    promised: u64,
    /// What uploads that have just ended have taken.
    settling: VecDeque<(Instant, u64)>,
    looks_in_vain: u32,
    is_full: bool,
}

/// Room for one upload. Dropping it gives back what did not arrive.
#[must_use = "it is given back when it is dropped"]
pub(crate) struct Promise {
    storage: Arc<Storage>,
    bytes: u64,
    arrived: u64,
}

impl Storage {
    pub(crate) fn new(config: StorageConfig) -> Arc<Self> {
        Arc::new(Self { reserve: config.mongodb_reserve_bytes, ledger: Mutex::default() })
    }

    /// Whether this many more bytes would fit now.
    pub(crate) fn admit(&self, bytes: u64) -> Result<(), Problem> {
        self.ledger().admit(self.reserve, bytes)
    }

    /// Sets room aside for an upload whose bytes are about to arrive.
    pub(crate) fn promise(self: &Arc<Self>, bytes: u64) -> Result<Promise, Problem> {
        let mut ledger = self.ledger();
        ledger.admit(self.reserve, bytes)?;
        ledger.promised = ledger.promised.saturating_add(bytes);
        Ok(Promise { storage: Arc::clone(self), bytes, arrived: 0 })
    }

    /// Checks the disk every second, until the service drains.
    pub(crate) async fn keep_current(self: Arc<Self>, videos: MediaStore, shutdown: Shutdown) {
        let failure = "could not ask MongoDB how full its disk is";
        every(LOOK_EVERY, &shutdown, failure, || self.look(&videos)).await;
    }

    async fn look(&self, videos: &MediaStore) -> Result<(), StoreError> {
        let room = videos.room().await?;
        let mut ledger = self.ledger();
        ledger.seen = room.map(|room| (Instant::now(), room));
        let Some(room) = room else {
            ledger.looks_in_vain = ledger.looks_in_vain.saturating_add(1);
            if ledger.looks_in_vain == LOOKS_IN_VAIN {
                tracing::warn!("MongoDB does not say how full its disk is, so no upload is refused for that");
            }
            return Ok(());
        };
        let reserve = room.reserve(self.reserve);
        measure(&room, reserve);
        ledger.note(room.usable_bytes(reserve) == 0);
        Ok(())
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    fn note(&mut self, is_full: bool) {
        match (is_full, std::mem::replace(&mut self.is_full, is_full)) {
            (true, false) => tracing::error!("MongoDB's disk is almost full: uploads are refused"),
            (false, true) => tracing::info!("MongoDB's disk has room again: uploads are accepted"),
            (true, true) | (false, false) => {}
        }
    }

    fn room(&self) -> Option<Room> {
        self.seen.filter(|(when, _)| when.elapsed() < BELIEVED_FOR).map(|(_, room)| room)
    }

    fn admit(&mut self, reserve: u64, bytes: u64) -> Result<(), Problem> {
        let Some(room) = self.room() else { return Ok(()) };
        while self.settling.front().is_some_and(|(when, _)| when.elapsed() >= SETTLES_IN) {
            self.settling.pop_front();
        }
        let settling = self.settling.iter().fold(0, |sum: u64, (_, bytes)| sum.saturating_add(*bytes));
        let promised = bytes.saturating_add(self.promised).saturating_mul(COPIES);
        // Bytes that are settling count once: the journal already shows one of its copies.
        let taken = promised.saturating_add(settling.min(UNSETTLED_AT_MOST));
        let usable = room.usable_bytes(room.reserve(reserve));
        if usable == 0 || taken > usable { Err(no_room()) } else { Ok(()) }
    }
}

impl Promise {
    /// Counts bytes that have arrived.
    ///
    /// # Errors
    /// The disk fills up so quickly, for whatever reason, that this upload must end.
    pub(crate) fn arrived(&mut self, bytes: usize) -> Result<(), Problem> {
        self.arrived = self.arrived.saturating_add(bytes as u64);
        let ledger = self.storage.ledger();
        // Half of the reserve. New uploads are refused at the whole reserve already, so that those in
        // progress can finish.
        let is_over = ledger.room().is_some_and(|room| {
            let floor = room.reserve(self.storage.reserve) / 2;
            room.usable_bytes(floor) == 0
        });
        if is_over { Err(no_room()) } else { Ok(()) }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let mut ledger = self.storage.ledger();
        ledger.promised = ledger.promised.saturating_sub(self.bytes);
        if self.arrived > 0 {
            ledger.settling.push_back((Instant::now(), self.arrived));
        }
    }
}

/// The refusal for lack of room.
pub(crate) fn no_room() -> Problem {
    Problem::new(ProblemCode::InsufficientStorage)
}

fn measure(room: &Room, reserve: u64) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    let set = |gauge: Gauge, bytes: u64| gauge.set(bytes as f64);
    let free = room.free_bytes.saturating_add(room.reusable_bytes);
    set(gauge!("mixdown_storage_free_bytes", "store" => "mongodb"), free);
    set(gauge!("mixdown_storage_usable_bytes", "store" => "mongodb"), room.usable_bytes(reserve));
    set(gauge!("mixdown_storage_size_bytes", "store" => "mongodb"), room.total_bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn storage(free_bytes: u64) -> Arc<Storage> {
        let storage = Storage::new(StorageConfig { mongodb_reserve_bytes: 4 * GIB });
        let room = Room { free_bytes, reusable_bytes: 0, total_bytes: 100 * GIB };
        storage.ledger().seen = Some((Instant::now(), room));
        storage
    }

    #[test]
    fn promised_room_is_not_promised_again() {
        let storage = storage(10 * GIB);
        let first = storage.promise(2 * GIB).unwrap();
        assert_eq!(storage.admit(2 * GIB).unwrap_err().code(), ProblemCode::InsufficientStorage);
        assert!(storage.admit(GIB).is_ok());
        drop(first);
        assert!(storage.admit(3 * GIB).is_ok());
    }

    #[test]
    fn what_has_arrived_counts_until_the_disk_shows_it() {
        let storage = storage(10 * GIB);
        let mut upload = storage.promise(3 * GIB).unwrap();
        upload.arrived(2 << 30).unwrap();
        drop(upload);
        assert!(storage.admit(3 * GIB).is_err());
        let ended = Instant::now().checked_sub(SETTLES_IN).unwrap();
        storage.ledger().settling[0].0 = ended;
        assert!(storage.admit(3 * GIB).is_ok());
    }

    #[test]
    fn an_upload_under_way_goes_on_into_the_reserve_but_not_through_it() {
        let storage = storage(10 * GIB);
        let mut upload = storage.promise(GIB).unwrap();
        let fill = |free| storage.ledger().seen.as_mut().unwrap().1.free_bytes = free;
        fill(3 * GIB);
        assert!(storage.admit(0).is_err());
        assert!(upload.arrived(1).is_ok());
        fill(2 * GIB);
        assert!(upload.arrived(1).is_err());
    }

    #[test]
    fn nothing_is_refused_for_figures_that_are_old_or_missing() {
        let storage = storage(0);
        assert!(storage.admit(1).is_err());
        let seen = Instant::now().checked_sub(BELIEVED_FOR).unwrap();
        storage.ledger().seen.as_mut().unwrap().0 = seen;
        assert!(storage.admit(1).is_ok());
        storage.ledger().seen = None;
        assert!(storage.admit(u64::MAX).is_ok());
    }
}
