//! The owner's operations on a job: cancel, delete, retry.

use contracts::{EmailAddress, JobId, JobStatus, Phase, Progress, UserId};
use mongodb::bson::doc;

use crate::document::literal;
use crate::store::within;
use crate::{JobStore, JobsError, Record};

/// The result of deleting a job.
#[derive(Debug)]
pub enum Deleted {
    /// It had not ended: now it is cancelled. The caller deletes its files.
    Cancelled(Box<Record>),
    /// It had ended: now it is gone. The caller deletes its files.
    Removed(Box<Record>),
    /// This user has no such job.
    NotFound,
}

/// The result of retrying a job.
#[derive(Debug)]
pub enum Retried {
    /// It is queued again. The caller announces it.
    Queued(Box<Record>),
    /// It did not fail, or its video is gone.
    NotRetryable,
    /// This user has no such job.
    NotFound,
}

/// The owner, in a field that a finished job has for the moment before its deletion.
pub(crate) const REMOVED_FOR: &str = "removed_for";

const FINISHED: [JobStatus; 4] =
    [JobStatus::Converted, JobStatus::Failed, JobStatus::Cancelled, JobStatus::Expired];

impl JobStore {
    /// Cancels a job that has not ended, removes one that has.
    pub async fn delete(&self, owner: UserId, id: JobId) -> Result<Deleted, JobsError> {
        let own = doc! { "_id": id.to_string(), "owner.id": owner.to_string() };
        let mut unfinished = own.clone();
        unfinished
            .insert("status", doc! { "$in": [JobStatus::Queued.as_str(), JobStatus::Converting.as_str()] });
        let set = doc! {
            "status": JobStatus::Cancelled.as_str(),
            "lease": "$$REMOVE",
            "progress.phase": "done",
            "expires_at": "$$NOW",
            "video_delete_at": "$$NOW",
        };
        if let Some(record) = self.change_and_get(unfinished, set).await? {
            return Ok(Deleted::Cancelled(Box::new(record)));
        }
        // For the watchers: the event of a deletion does not name the owner.
        let mut finished = own;
        finished.insert("status", doc! { "$in": FINISHED.map(JobStatus::as_str).as_slice() });
        if !self.change(finished.clone(), doc! { REMOVED_FOR: owner.to_string() }).await? {
            return Ok(Deleted::NotFound);
        }
        // Deleting a job returns no minutes to the quota.
        self.settle_usage(id).await?;
        let removed = within(self.collection().find_one_and_delete(finished)).await?;
        Ok(removed.map_or(Deleted::NotFound, |document| Deleted::Removed(Box::new(document.into()))))
    }

    /// Puts a failed job back into the queue, as if it had just been uploaded.
    ///
    /// Late changes and messages of the previous run have no effect: status and notice are different now.
    pub async fn retry(&self, owner: UserId, id: JobId) -> Result<Retried, JobsError> {
        // The failed run stays counted.
        self.settle_usage(id).await?;
        let filter = doc! {
            "_id": id.to_string(),
            "owner.id": owner.to_string(),
            "status": JobStatus::Failed.as_str(),
            "is_video_stored": true,
            "usage_due": { "$exists": false },
            // From that moment on the sweeper deletes the video.
            "$expr": { "$gt": [{ "$min": ["$expires_at", "$video_delete_at"] }, "$$NOW"] },
        };
        let mut set = doc! {
            "status": JobStatus::Queued.as_str(),
            "attempts": 0,
            "retries": { "$add": [{ "$ifNull": ["$retries", 0] }, 1] },
            "progress": literal(&Progress { phase: Phase::Waiting, ratio: 0.0 })?,
        };
        for field in [
            "error",
            "expires_at",
            "video_delete_at",
            "announced_at",
            "announce_tried_at",
            "outcome_announced_at",
            "notices.failed",
            REMOVED_FOR,
        ] {
            set.insert(field, "$$REMOVE");
        }
        if let Some(record) = self.change_and_get(filter, set).await? {
            return Ok(Retried::Queued(Box::new(record)));
        }
        let is_there = self.get_owned(owner, id).await?.is_some();
        Ok(if is_there { Retried::NotRetryable } else { Retried::NotFound })
    }

    /// Sends the mails about all of an account's jobs to this address from now on.
    pub async fn change_address(&self, owner: UserId, email: &EmailAddress) -> Result<(), JobsError> {
        let elsewhere = doc! { "owner.id": owner.to_string(), "owner.email": { "$ne": email.as_str() } };
        let set = doc! { "$set": { "owner.email": email.as_str() } };
        within(self.collection().update_many(elsewhere, set)).await.map(drop)
    }

    /// Cancels an account's unfinished jobs. Returns its latest hundred jobs, to be [erased](Self::erase).
    pub async fn cancel_all(&self, owner: UserId) -> Result<Vec<Record>, JobsError> {
        let unfinished = doc! {
            "owner.id": owner.to_string(),
            "status": { "$in": [JobStatus::Queued.as_str(), JobStatus::Converting.as_str()] },
        };
        // Without its lease a converter cannot commit its file, and deletes it.
        let set = doc! { "$set": {
            "status": JobStatus::Cancelled.as_str(),
            "lease": "$$REMOVE",
            "updated_at": "$$NOW",
        } };
        within(self.collection().update_many(unfinished, vec![set])).await?;
        self.find(doc! { "owner.id": owner.to_string() }, doc! { "_id": -1 }, ERASED_AT_ONCE).await
    }

    /// Deletes a job in any state, and the record of its acceptance mail. Its files are deleted before.
    pub async fn erase(&self, owner: UserId, id: JobId) -> Result<(), JobsError> {
        self.account_mails().forget(id.into()).await?;
        let own = doc! { "_id": id.to_string(), "owner.id": owner.to_string() };
        within(self.collection().delete_one(own)).await.map(drop)
    }
}

const ERASED_AT_ONCE: i64 = 100;
