//! The time limit of a conversion. It grows with the length of the audio found.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use contracts::FailureCode;
use tokio::time::{Instant, timeout_at};

use super::config::EngineConfig;
use super::error::ConversionError;

/// The limit of one conversion.
pub(super) struct TimeLimit<'a> {
    config: &'a EngineConfig,
    started: Instant,
    /// Seconds of audio found so far.
    found_seconds: AtomicU64,
}

impl<'a> TimeLimit<'a> {
    pub(super) fn begin(config: &'a EngineConfig) -> Self {
        Self { config, started: Instant::now(), found_seconds: AtomicU64::new(0) }
    }

    /// Records how much audio was found.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of seconds")]
    pub(super) fn note_found(&self, seconds: f64) {
        self.found_seconds.fetch_max(seconds as u64, Ordering::Relaxed);
    }

    /// Runs work whose time does not depend on the audio's length.
    pub(super) async fn within_longest<T>(
        &self,
        work: impl Future<Output = Result<T, ConversionError>>,
    ) -> Result<T, ConversionError> {
        timeout_at(self.longest(), work).await.unwrap_or_else(|_| Err(timed_out()))
    }

    /// Runs work within the time for its audio, whose length in seconds the file may declare.
    pub(super) async fn within<T>(
        &self,
        declared_seconds: Option<f64>,
        work: impl Future<Output = Result<T, ConversionError>>,
    ) -> Result<T, ConversionError> {
        let mut work = pin!(work);
        loop {
            let until = self.deadline(declared_seconds);
            match timeout_at(until, &mut work).await {
                Ok(done) => return done,
                // More audio was found meanwhile, so the deadline has moved.
                Err(_) if self.deadline(declared_seconds) > until => {}
                Err(_) => return Err(timed_out()),
            }
        }
    }

    fn longest(&self) -> Instant {
        self.started + self.config.max_conversion_time
    }

    fn deadline(&self, declared_seconds: Option<f64>) -> Instant {
        #[expect(clippy::cast_precision_loss, reason = "a second more or less is no matter")]
        let found = self.found_seconds.load(Ordering::Relaxed) as f64;
        let share = declared_seconds.map(|declared| declared.max(found) * self.config.conversion_time_factor);
        let share = share.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let time = share.map(|share| self.config.base_conversion_time.saturating_add(share));
        time.map_or(self.longest(), |time| self.longest().min(self.started + time))
    }
}

fn timed_out() -> ConversionError {
    ConversionError::failed(FailureCode::TimedOut, "the deadline has passed")
}
