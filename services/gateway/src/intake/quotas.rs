//! The quotas of a user.

use std::num::NonZeroU64;

use axum::http::HeaderValue;
use axum::http::header::RETRY_AFTER;
use clap::Args;
use contracts::{ProblemCode, UserId};
use jobs::{JobStore, Usage};
use media_store::MediaStore;
use serde::Serialize;
use service_kit::Problem;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::error::Error;

/// The quotas of every user.
#[derive(Debug, Clone, Copy, Args)]
#[expect(clippy::struct_field_names, reason = "the names of the settings")]
pub struct QuotaConfig {
    /// How many bytes of videos and audio files one user may have stored
    #[arg(long, env = "MAX_STORED_BYTES", default_value_t = 20 << 30)]
    max_stored_bytes: u64,

    /// How many minutes of sound are converted for one user in a day (UTC)
    #[arg(long, env = "MAX_MINUTES_PER_DAY", default_value = "1440")]
    max_minutes_per_day: NonZeroU64,

    /// How many jobs of one user may be waiting or running
    #[arg(long, env = "MAX_UNFINISHED_JOBS", default_value_t = 1000)]
    max_unfinished_jobs: u64,
}

/// Checks the usage of users against their quotas.
pub(crate) struct Quotas {
    config: QuotaConfig,
    jobs: JobStore,
    videos: MediaStore,
}

/// A user's usage beside their quotas.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuotaReport {
    /// Bytes of videos and audio files, and what unfinished resumable uploads will have.
    stored_bytes: u64,
    max_stored_bytes: u64,
    /// Minutes of sound that were converted since midnight (UTC).
    minutes_today: f64,
    max_minutes_per_day: u64,
    /// Jobs that wait or run.
    unfinished_jobs: u64,
    max_unfinished_jobs: u64,
}

impl Quotas {
    pub(crate) fn new(config: QuotaConfig, jobs: JobStore, videos: MediaStore) -> Self {
        Self { config, jobs, videos }
    }

    /// Whether a user may have one more job, with this many bytes more than are stored or in progress.
    pub(crate) async fn check(&self, user: UserId, bytes: u64) -> Result<(), Error> {
        Ok(self.config.judge(self.usage(user).await?, bytes, OffsetDateTime::now_utc())?)
    }

    /// A user's usage beside their quotas; zeroes for an unknown user.
    pub(crate) async fn report(&self, user: UserId) -> Result<QuotaReport, Error> {
        let usage = self.usage(user).await?;
        Ok(QuotaReport {
            stored_bytes: usage.stored_bytes,
            max_stored_bytes: self.config.max_stored_bytes,
            minutes_today: usage.seconds_today / 60.0,
            max_minutes_per_day: self.config.max_minutes_per_day.get(),
            unfinished_jobs: usage.unfinished_jobs,
            max_unfinished_jobs: self.config.max_unfinished_jobs,
        })
    }

    async fn usage(&self, user: UserId) -> Result<Usage, Error> {
        let mut usage = self.jobs.usage(user).await?;
        // An upload's bytes count from its beginning on.
        usage.stored_bytes += self.videos.draft_bytes(&user.to_string()).await?;
        usage.stored_bytes += self.videos.pending_bytes(&jobs::pseudonym(user)).await?;
        Ok(usage)
    }
}

impl QuotaConfig {
    fn judge(&self, usage: Usage, bytes: u64, now: OffsetDateTime) -> Result<(), Problem> {
        #[expect(clippy::cast_precision_loss, reason = "2^52 minutes are eight billion years")]
        let seconds = self.max_minutes_per_day.get() as f64 * 60.0;
        if usage.unfinished_jobs >= self.max_unfinished_jobs {
            let detail = format!("{} jobs that have not ended are the most.", self.max_unfinished_jobs);
            return Err(Problem::new(ProblemCode::TooManyJobs)
                .with_detail(detail)
                .with_header(RETRY_AFTER, HeaderValue::from_static("60")));
        }
        if usage.stored_bytes.saturating_add(bytes) > self.max_stored_bytes {
            let detail = format!(
                "{} of {} bytes are taken. Delete some jobs.",
                usage.stored_bytes, self.max_stored_bytes
            );
            return Err(Problem::new(ProblemCode::StorageFull).with_detail(detail));
        }
        if usage.seconds_today + usage.reserved_seconds >= seconds {
            let midnight = 24 * 3600
                - u64::try_from((now - now.replace_time(time::Time::MIDNIGHT)).whole_seconds()).unwrap_or(0);
            let detail = format!("{} minutes a day (UTC) are the most.", self.max_minutes_per_day);
            return Err(Problem::new(ProblemCode::DailyLimit)
                .with_detail(detail)
                .with_header(RETRY_AFTER, HeaderValue::from(midnight)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn each_quota_has_its_code_and_says_when_to_come_back() {
        let quotas = QuotaConfig {
            max_stored_bytes: 1000,
            max_minutes_per_day: NonZeroU64::new(10).unwrap(),
            max_unfinished_jobs: 3,
        };
        let now = datetime!(2026-11-21 23:00 UTC);
        let judged = |usage, bytes| quotas.judge(usage, bytes, now).map_err(|problem| problem.code());
        let nothing = Usage::default();
        assert_eq!(judged(nothing, 1000), Ok(()));
        assert_eq!(judged(nothing, 1001), Err(ProblemCode::StorageFull));
        assert_eq!(judged(Usage { stored_bytes: 900, ..nothing }, 101), Err(ProblemCode::StorageFull));
        assert_eq!(judged(Usage { unfinished_jobs: 2, ..nothing }, 1), Ok(()));
        assert_eq!(judged(Usage { unfinished_jobs: 3, ..nothing }, 1), Err(ProblemCode::TooManyJobs));
        assert_eq!(judged(Usage { seconds_today: 599.0, ..nothing }, 1), Ok(()));
        assert_eq!(judged(Usage { seconds_today: 600.0, ..nothing }, 1), Err(ProblemCode::DailyLimit));
        let reserved = Usage { seconds_today: 300.0, reserved_seconds: 300.0, ..nothing };
        assert_eq!(judged(reserved, 1), Err(ProblemCode::DailyLimit));
    }
}
