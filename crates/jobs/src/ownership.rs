//! What an owner does to a job: cancel it, delete it.

use contracts::{JobId, JobStatus, UserId};
use mongodb::bson::doc;

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
        // It cannot begin again, so between the two updates it can only have ended or gone.
        let removed = within(self.collection().find_one_and_delete(own)).await?;
        Ok(removed.map_or(Deleted::NotFound, |document| Deleted::Removed(Box::new(document.into()))))
    }
}
