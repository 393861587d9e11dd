//! What one user may take up.

use std::num::NonZeroU64;

use axum::http::HeaderValue;
use axum::http::header::RETRY_AFTER;
use contracts::{ProblemCode, UserId};
use jobs::Usage;
use serde::Serialize;
use service_kit::Problem;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::error::Error;
use crate::{Config, Gateway};

/// The quotas of every user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quotas {
    stored_bytes: u64,
    minutes_per_day: NonZeroU64,
    unfinished_jobs: u64,
}

impl From<&Config> for Quotas {
    fn from(config: &Config) -> Self {
        Self {
            stored_bytes: config.max_stored_bytes,
            minutes_per_day: config.max_minutes_per_day,
            unfinished_jobs: config.max_unfinished_jobs,
        }
    }
}

/// What a user takes up, and the most that they may.
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
    /// Whether a user may have one more job, with so many bytes more than what is stored or under way.
    pub(crate) async fn check(&self, gateway: &Gateway, user: UserId, bytes: u64) -> Result<(), Error> {
        Ok(self.judge(usage(gateway, user).await?, bytes, OffsetDateTime::now_utc())?)
    }

    /// What a user takes up of what; nobody who is not there takes up anything.
    pub(crate) async fn report(&self, gateway: &Gateway, user: UserId) -> Result<QuotaReport, Error> {
        let usage = usage(gateway, user).await?;
        Ok(QuotaReport {
            stored_bytes: usage.stored_bytes,
            max_stored_bytes: self.stored_bytes,
            minutes_today: usage.seconds_today / 60.0,
            max_minutes_per_day: self.minutes_per_day.get(),
            unfinished_jobs: usage.unfinished_jobs,
            max_unfinished_jobs: self.unfinished_jobs,
        })
    }

    fn judge(&self, usage: Usage, bytes: u64, now: OffsetDateTime) -> Result<(), Problem> {
        #[expect(clippy::cast_precision_loss, reason = "2^52 minutes are eight billion years")]
        let seconds = self.minutes_per_day.get() as f64 * 60.0;
        if usage.unfinished_jobs >= self.unfinished_jobs {
            let detail = format!("{} jobs that have not ended are the most.", self.unfinished_jobs);
            return Err(Problem::new(ProblemCode::TooManyJobs)
                .with_detail(detail)
                .with_header(RETRY_AFTER, HeaderValue::from_static("60")));
        }
        if usage.stored_bytes.saturating_add(bytes) > self.stored_bytes {
            let detail =
                format!("{} of {} bytes are taken. Delete some jobs.", usage.stored_bytes, self.stored_bytes);
            return Err(Problem::new(ProblemCode::StorageFull).with_detail(detail));
        }
        if usage.seconds_today + usage.reserved_seconds >= seconds {
            let midnight = 24 * 3600
                - u64::try_from((now - now.replace_time(time::Time::MIDNIGHT)).whole_seconds()).unwrap_or(0);
            let detail = format!("{} minutes a day (UTC) are the most.", self.minutes_per_day);
            return Err(Problem::new(ProblemCode::DailyLimit)
                .with_detail(detail)
                .with_header(RETRY_AFTER, HeaderValue::from(midnight)));
        }
        Ok(())
    }
}

async fn usage(gateway: &Gateway, user: UserId) -> Result<Usage, Error> {
    let mut usage = gateway.jobs.usage(user).await?;
    // What an upload will take is taken when it begins.
    usage.stored_bytes += gateway.videos.draft_bytes(&user.to_string()).await?;
    usage.stored_bytes += gateway.videos.pending_bytes(&jobs::pseudonym(user)).await?;
    Ok(usage)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn each_quota_has_its_code_and_says_when_to_come_back() {
        let quotas =
            Quotas { stored_bytes: 1000, minutes_per_day: NonZeroU64::new(10).unwrap(), unfinished_jobs: 3 };
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
