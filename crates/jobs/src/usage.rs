//! A user's usage, for quotas.

use std::time::Duration;

use contracts::{JobId, JobStatus, UserId};
use futures_util::TryStreamExt as _;
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Collection, IndexModel};
use time::OffsetDateTime;

use crate::store::within;
use crate::{JobStore, JobsError};

/// A user's current usage.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Bytes of videos and audio files.
    pub stored_bytes: u64,
    /// Jobs that have not ended.
    pub unfinished_jobs: u64,
    /// Seconds of audio converted since midnight (UTC), including failed conversions.
    pub seconds_today: f64,
    /// Seconds reserved for unfinished jobs: their length if known, otherwise an estimate from their size.
    pub reserved_seconds: f64,
}

/// The assumed bit rate of a video of unknown length: 2 Mbit/s.
const ASSUMED_BYTES_PER_SECOND: i64 = 250_000;

/// The seconds reserved for a job of unknown length.
const LEAST_SECONDS: f64 = 60.0;

/// Past days are kept only to investigate complaints.
const KEPT: Duration = Duration::from_hours(7 * 24);

impl JobStore {
    /// Counts the audio of a conversion. It stays counted when its job is deleted.
    pub async fn add_usage(&self, user: UserId, seconds: f64) -> Result<(), JobsError> {
        self.count(user, &JobId::generate().to_string(), seconds).await
    }

    /// Counts the usage of an ended job, if it is not counted yet. Repeated calls count once.
    ///
    /// Until then the job's document holds the usage, written by the update that ended the job.
    pub async fn settle_usage(&self, id: JobId) -> Result<(), JobsError> {
        let due = doc! { "_id": id.to_string(), "usage_due": { "$exists": true } };
        let jobs = self.collection().clone_with_type::<Document>();
        let Some(job) = within(jobs.find_one(due)).await? else { return Ok(()) };
        let owner = job.get_document("owner").ok().and_then(|owner| owner.get_str("id").ok()?.parse().ok());
        let run =
            job.get_i64("retries").or_else(|_| job.get_i32("retries").map(i64::from)).unwrap_or_default();
        if let (Some(owner), Ok(seconds)) = (owner, job.get_f64("usage_due")) {
            self.count(owner, &format!("{id}-{run}"), seconds).await?;
        }
        // Not `change`: for the owner this changes nothing. Clears only the counted usage.
        let counted = doc! {
            "_id": id.to_string(),
            "$expr": { "$eq": [{ "$ifNull": ["$retries", 0] }, run] },
        };
        within(jobs.update_one(counted, doc! { "$unset": { "usage_due": "" } })).await.map(drop)
    }

    /// At most `limit` ended jobs whose usage was not counted because of a crash.
    pub async fn unsettled(&self, limit: u16) -> Result<Vec<JobId>, JobsError> {
        let due = doc! { "usage_due": { "$exists": true } };
        let found = self.find(due, doc! { "usage_due": 1 }, limit.into()).await?;
        Ok(found.into_iter().map(|record| record.job.id).collect())
    }

    async fn count(&self, user: UserId, run: &str, seconds: f64) -> Result<(), JobsError> {
        let update = doc! {
            "$set": { format!("runs.{run}"): seconds },
            "$setOnInsert": { "user": user.to_string(), "begun_at": DateTime::now() },
        };
        let day = doc! { "_id": today(user) };
        within(self.usage_by_day().update_one(day, update).upsert(true)).await.map(drop)
    }

    /// A user's usage.
    pub async fn usage(&self, user: UserId) -> Result<Usage, JobsError> {
        let unfinished = [JobStatus::Queued.as_str(), JobStatus::Converting.as_str()];
        let is_unfinished = doc! { "$in": ["$status", unfinished.as_slice()] };
        let assumed = doc! { "$divide": ["$source.bytes", ASSUMED_BYTES_PER_SECOND] };
        let length = doc! { "$ifNull": ["$source.duration_seconds", { "$max": [LEAST_SECONDS, assumed] }] };
        let pipeline = [
            doc! { "$match": { "owner.id": user.to_string() } },
            doc! { "$group": {
                "_id": null,
                "videos": { "$sum": { "$cond": ["$is_video_stored", "$source.bytes", 0] } },
                "audio": { "$sum": "$audio.bytes" },
                "unfinished": { "$sum": { "$cond": [&is_unfinished, 1, 0] } },
                "reserved": { "$sum": { "$cond": [is_unfinished, length, { "$ifNull": ["$usage_due", 0.0] }] } },
            } },
        ];
        let sums =
            async { self.collection().aggregate(pipeline).await?.try_collect::<Vec<Document>>().await };
        let sums = within(sums).await?.pop().unwrap_or_default();
        let sum = |name| u64::try_from(bson_integer(&sums, name)).unwrap_or_default();
        let day =
            within(self.usage_by_day().find_one(doc! { "_id": today(user) })).await?.unwrap_or_default();
        let runs = day.get_document("runs").ok();
        let counted = runs.into_iter().flat_map(Document::values).filter_map(Bson::as_f64).sum::<f64>();
        Ok(Usage {
            stored_bytes: sum("videos") + sum("audio"),
            unfinished_jobs: sum("unfinished"),
            // Before runs were counted separately, a day had one sum.
            seconds_today: counted + day.get_f64("seconds").unwrap_or_default(),
            reserved_seconds: bson_number(&sums, "reserved"),
        })
    }

    /// Deletes the counted usage of a user.
    pub async fn forget_usage(&self, user: UserId) -> Result<(), JobsError> {
        within(self.usage_by_day().delete_many(doc! { "user": user.to_string() })).await.map(drop)
    }

    pub(crate) async fn ensure_usage_index(&self) -> Result<(), JobsError> {
        let options = IndexOptions::builder().expire_after(KEPT).build();
        let by_age = IndexModel::builder().keys(doc! { "begun_at": 1 }).options(options).build();
        let by_user = IndexModel::builder().keys(doc! { "user": 1 }).build();
        within(self.usage_by_day().create_indexes([by_age, by_user])).await.map(drop)
    }

    pub(crate) fn usage_by_day(&self) -> Collection<Document> {
        self.database().collection("usage")
    }
}

fn today(user: UserId) -> String {
    format!("{user} {}", OffsetDateTime::now_utc().date())
}

fn bson_number(document: &Document, name: &str) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "2^52 seconds are beyond any recording")]
    document.get_f64(name).unwrap_or_else(|_| bson_integer(document, name) as f64)
}

fn bson_integer(document: &Document, name: &str) -> i64 {
    document.get_i64(name).or_else(|_| document.get_i32(name).map(i64::from)).unwrap_or_default()
}
