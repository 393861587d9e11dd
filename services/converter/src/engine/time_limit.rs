//! The time that a conversion may take: the longer its sound turns out to be, the more.

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
    /// How many seconds of sound were found so far.
    found_seconds: AtomicU64,
}

impl<'a> TimeLimit<'a> {
    pub(super) fn begin(config: &'a EngineConfig) -> Self {
        Self { config, started: Instant::now(), found_seconds: AtomicU64::new(0) }
    }

    /// Notes that so much sound was found.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of seconds")]
    pub(super) fn note_found(&self, seconds: f64) {
        self.found_seconds.fetch_max(seconds as u64, Ordering::Relaxed);
    }

    /// Does work that does not depend on the sound's length.
    pub(super) async fn within_longest<T>(
        &self,
        work: impl Future<Output = Result<T, ConversionError>>,
    ) -> Result<T, ConversionError> {
        timeout_at(self.longest(), work).await.unwrap_or_else(|_| Err(timed_out()))
    }

    /// Does the work within the time that its sound takes, of which the file
    /// may declare the length in seconds.
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
                // More sound was found meanwhile.
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
