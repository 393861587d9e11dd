//! Space on the two disks that a conversion fills: the scratch folder's and MongoDB's. A job that finds too
//! little waits, and this does not count as an attempt.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use contracts::FailureCode;
use metrics::{Gauge, gauge};
use service_kit::Chain;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::attempt_error::{AttemptError, StoreFull};
use crate::conversions::Conversions;
use crate::engine::{ConversionError, Scratch, is_of_a_full_disk};
use crate::transfer::TransferError;

const MEASURE_EVERY: Duration = Duration::from_secs(5);

impl Conversions {
    /// Whether MongoDB has space for an audio file of that many bytes.
    ///
    /// If the server does not report its disk or does not answer, this assumes that there is space. If there
    /// is none, storing fails.
    pub(crate) async fn find_room_in_store(&self, bytes: u64) -> Result<(), StoreFull> {
        let Ok(Some(room)) = self.mp3s.room().await else { return Ok(()) };
        // Uploads stay out of the whole reserve. Half of it is for the audio files, whose commit allows their
        // videos to be deleted.
        let usable = room.usable_bytes(room.reserve(self.config.mongodb_reserve_bytes) / 2);
        if usable == 0 || bytes > usable { Err(StoreFull { usable, needed: bytes }) } else { Ok(()) }
    }

    /// Finds out whether a job that met a full disk filled it itself.
    pub(crate) fn judge_full_disk(&self, error: AttemptError, scratch: &Scratch) -> AttemptError {
        if !error.is_of_a_full_disk() || !self.scratch.is_filled_by(scratch).unwrap_or(false) {
            return error;
        }
        ConversionError::failed(FailureCode::FileTooLarge, Chain(&error).to_string()).into()
    }

    fn measure(&self) -> io::Result<()> {
        let (free, size) = self.scratch.free_and_size()?;
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        let set = |gauge: Gauge, bytes: u64| gauge.set(bytes as f64);
        set(gauge!("mixdown_storage_free_bytes", "store" => "scratch"), free);
        set(gauge!("mixdown_storage_size_bytes", "store" => "scratch"), size);
        Ok(())
    }
}

impl AttemptError {
    /// Whether the scratch folder's disk was full.
    pub(crate) fn is_of_a_full_disk(&self) -> bool {
        match self {
            Self::Convert(error) => error.is_of_a_full_disk(),
            Self::Transfer(TransferError::Scratch(error)) => is_of_a_full_disk(error),
            Self::Transfer(TransferError::Missing(_) | TransferError::Store(_))
            | Self::NoRoom(_)
            | Self::StoreFull(_)
            | Self::Stopped
            | Self::LeaseLost(_) => false,
        }
    }
}

/// Reports to the metrics how full the scratch folder's disk is.
pub(crate) async fn keep_measuring(conversions: Arc<Conversions>, drain: CancellationToken) {
    let mut ticks = interval(MEASURE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while drain.run_until_cancelled(ticks.tick()).await.is_some() {
        let conversions = Arc::clone(&conversions);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || conversions.measure()).await {
            tracing::warn!(%error, "could not look at the scratch folder's disk");
        }
    }
}
