//! What an owner does to a job: cancel it, delete it.

use contracts::{EmailAddress, JobId, JobStatus, Phase, Progress, UserId};
use mongodb::bson::doc;

use crate::document::literal;
use crate::store::within;
use crate::{JobStore, JobsError, Record};

/// What became of a job that its owner deleted.
#[derive(Debug)]
pub enum Deleted {
    /// It had not ended: now it is cancelled, and its files are to be deleted.
    Cancelled(Box<Record>),
    /// It had ended: now it is gone, and its files are to be deleted.
    Removed(Box<Record>),
    /// This user has no such job.
    NotFound,
}

/// What became of a job that its owner wants to have tried again.
#[derive(Debug)]
pub enum Retried {
    /// It is queued again, and to be announced.
    Queued(Box<Record>),
    /// It did not fail, or its video is gone.
    NotRetryable,
    /// This user has no such job.
    NotFound,
}

/// The field that a job has for the moment between its owner's wish and its end: the owner.
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
        // For the watchers: the change that a deletion is does not say whose job it was.
        let mut finished = own;
        finished.insert("status", doc! { "$in": FINISHED.map(JobStatus::as_str).as_slice() });
        if !self.change(finished.clone(), doc! { REMOVED_FOR: owner.to_string() }).await? {
            return Ok(Deleted::NotFound);
        }
        // Deleting gives no minutes back.
        self.settle_usage(id).await?;
        let removed = within(self.collection().find_one_and_delete(finished)).await?;
        Ok(removed.map_or(Deleted::NotFound, |document| Deleted::Removed(Box::new(document.into()))))
    }

    /// Puts a failed job back into the queue, as if it had just been uploaded.
    ///
    /// What of the attempt before could come late finds another status: its notice is gone, and its messages say nothing.
    pub async fn retry(&self, owner: UserId, id: JobId) -> Result<Retried, JobsError> {
        // A run that was in vain stays counted.
        self.settle_usage(id).await?;
        let filter = doc! {
            "_id": id.to_string(),
            "owner.id": owner.to_string(),
            "status": JobStatus::Failed.as_str(),
            "is_video_stored": true,
            // The sweeper takes the video from that moment on.
            "usage_due": { "$exists": false },
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

    /// Has the mails about all of an account's jobs go to this address from now on.
    pub async fn change_address(&self, owner: UserId, email: &EmailAddress) -> Result<(), JobsError> {
        let elsewhere = doc! { "owner.id": owner.to_string(), "owner.email": { "$ne": email.as_str() } };
        let set = doc! { "$set": { "owner.email": email.as_str() } };
        within(self.collection().update_many(elsewhere, set)).await.map(drop)
    }

    /// Cancels what an account's jobs are at and gives the latest hundred of them, for all of them to be [erased](Self::erase).
    pub async fn cancel_all(&self, owner: UserId) -> Result<Vec<Record>, JobsError> {
        let unfinished = doc! {
            "owner.id": owner.to_string(),
            "status": { "$in": [JobStatus::Queued.as_str(), JobStatus::Converting.as_str()] },
        };
        // Without its lease a converter can't commit what it makes, and deletes it.
        let set = doc! { "$set": {
            "status": JobStatus::Cancelled.as_str(),
            "lease": "$$REMOVE",
            "updated_at": "$$NOW",
        } };
        within(self.collection().update_many(unfinished, vec![set])).await?;
        self.find(doc! { "owner.id": owner.to_string() }, doc! { "_id": -1 }, ERASED_AT_ONCE).await
    }

    /// Removes a job whatever its state, and what is known of the mail that told of it. Its files are deleted before.
    pub async fn erase(&self, owner: UserId, id: JobId) -> Result<(), JobsError> {
        self.account_mails().forget(id.into()).await?;
        let own = doc! { "_id": id.to_string(), "owner.id": owner.to_string() };
        within(self.collection().delete_one(own)).await.map(drop)
    }
}

const ERASED_AT_ONCE: i64 = 100;
