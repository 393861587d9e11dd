//! Takes turns between users. A user's jobs wait here, and only a few of them in the broker, which delivers
//! in order of publication. So one job waits behind a few of another user's five hundred, not behind all.

use std::num::NonZeroU16;
use std::time::Duration;

use contracts::{JobStatus, UserId};
use futures_util::TryStreamExt as _;
use mongodb::bson::{Bson, Document, doc};

use crate::store::{ago, within};
use crate::{JobStore, JobsError, Record};

impl JobStore {
    /// A user's oldest unannounced job, if fewer than `at_once` of their jobs are with the converters.
    ///
    /// Parallel callers may get the same job and announce it twice, which does no harm.
    pub async fn next_turn(&self, owner: UserId, at_once: NonZeroU16) -> Result<Option<Record>, JobsError> {
        let queued = JobStatus::Queued.as_str();
        let announced = doc! { "$or": [
            { "status": JobStatus::Converting.as_str() },
            { "status": queued, "announced_at": { "$type": "date" } },
        ] };
        let with_converters = doc! { "$and": [{ "owner.id": owner.to_string() }, announced] };
        let count = self.collection().count_documents(with_converters).limit(at_once.get().into());
        if within(count).await? >= at_once.get().into() {
            return Ok(None);
        }
        let waiting = doc! { "owner.id": owner.to_string(), "status": queued, "announced_at": Bson::Null };
        Ok(self.find(waiting, doc! { "_id": 1 }, 1).await?.pop())
    }

    /// At most `limit` users with jobs that were not announced within this time.
    pub async fn users_waiting(&self, age: Duration, limit: u16) -> Result<Vec<UserId>, JobsError> {
        let pipeline = [
            doc! { "$match": {
                "status": JobStatus::Queued.as_str(),
                "announced_at": Bson::Null,
                "$expr": { "$lt": ["$updated_at", ago(age)] },
            } },
            doc! { "$group": { "_id": "$owner.id" } },
            doc! { "$limit": i64::from(limit) },
        ];
        let users =
            async { self.collection().aggregate(pipeline).await?.try_collect::<Vec<Document>>().await };
        let users = within(users).await?;
        Ok(users.iter().filter_map(|user| user.get_str("_id").ok()?.parse().ok()).collect())
    }
}
