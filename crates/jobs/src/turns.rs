//! Takes turns between users. A user's jobs wait here, and only a few of them in the broker, which delivers
//! in order of publication. So one job waits behind a few of another user's five hundred, not behind all.

use std::num::NonZeroU16;
use std::time::Duration;

use broker::{Broker, PublishError};
use contracts::{ConversionRequested, JobStatus, Queue, UserId};
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

/// Announces jobs to the converters, in turns.
#[derive(Clone)]
pub struct Turns {
    jobs: JobStore,
    broker: Broker,
    at_once: NonZeroU16,
}

/// A job could not be announced. It stays stored, and is announced later.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// MongoDB did not do what it was asked to.
    #[error("could not find or mark the next job")]
    Jobs(#[from] JobsError),
    /// RabbitMQ did not confirm the message.
    #[error("could not publish the job")]
    Publish(#[from] PublishError),
}

impl Turns {
    /// `at_once` jobs of each user are with the converters, at most.
    #[must_use]
    pub fn new(jobs: JobStore, broker: Broker, at_once: NonZeroU16) -> Self {
        Self { jobs, broker, at_once }
    }

    /// Announces a user's next job, if it is its turn. `false`: it is not, or there is none.
    pub async fn give(&self, user: UserId) -> Result<bool, TurnError> {
        let Some(record) = self.jobs.next_turn(user, self.at_once).await? else { return Ok(false) };
        self.announce(&record).await?;
        Ok(true)
    }

    /// Publishes a job to the converters, and records that.
    pub async fn announce(&self, record: &Record) -> Result<(), TurnError> {
        let message = ConversionRequested::of(&record.job, &record.owner);
        self.broker.publish(Queue::Video, &record.job.id.to_string(), &message).await?;
        self.jobs.mark_announced(record).await?;
        Ok(())
    }
}
