//! What a user takes up, for quotas.

use std::time::Duration;

use contracts::{JobStatus, UserId};
use futures_util::TryStreamExt as _;
use mongodb::bson::{DateTime, Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Collection, IndexModel};
use time::OffsetDateTime;

use crate::store::within;
use crate::{JobStore, JobsError};

/// What a user takes up now.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Bytes of videos and audio files.
    pub stored_bytes: u64,
    /// Jobs that have not ended.
    pub unfinished_jobs: u64,
    /// Seconds of sound that were converted since midnight (UTC).
    pub seconds_today: f64,
}

/// Days that are over are only kept for whoever looks into a complaint.
const KEPT: Duration = Duration::from_hours(7 * 24);

impl JobStore {
    /// Counts the sound of a conversion. It stays counted when its job is deleted.
    pub async fn add_usage(&self, user: UserId, seconds: f64) -> Result<(), JobsError> {
        let update = doc! {
            "$inc": { "seconds": seconds },
            "$setOnInsert": { "user": user.to_string(), "begun_at": DateTime::now() },
        };
        let day = doc! { "_id": today(user) };
        within(self.usage_by_day().update_one(day, update).upsert(true)).await.map(drop)
    }

    /// What a user takes up.
    pub async fn usage(&self, user: UserId) -> Result<Usage, JobsError> {
        let unfinished = [JobStatus::Queued.as_str(), JobStatus::Converting.as_str()];
        let pipeline = [
            doc! { "$match": { "owner.id": user.to_string() } },
            doc! { "$group": {
                "_id": null,
                "videos": { "$sum": { "$cond": ["$is_video_stored", "$source.bytes", 0] } },
                "audio": { "$sum": "$audio.bytes" },
                "unfinished": { "$sum": { "$cond": [{ "$in": ["$status", unfinished.as_slice()] }, 1, 0] } },
            } },
        ];
        let sums =
            async { self.collection().aggregate(pipeline).await?.try_collect::<Vec<Document>>().await };
        let sums = within(sums).await?.pop().unwrap_or_default();
        let sum = |name| u64::try_from(bson_integer(&sums, name)).unwrap_or_default();
        let day = within(self.usage_by_day().find_one(doc! { "_id": today(user) })).await?;
        Ok(Usage {
            stored_bytes: sum("videos") + sum("audio"),
            unfinished_jobs: sum("unfinished"),
            seconds_today: day.and_then(|day| day.get_f64("seconds").ok()).unwrap_or_default(),
        })
    }

    /// Forgets what was counted of a user.
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

fn bson_integer(document: &Document, name: &str) -> i64 {
    document.get_i64(name).or_else(|_| document.get_i32(name).map(i64::from)).unwrap_or_default()
}
