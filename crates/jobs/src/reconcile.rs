//! Repairs after a crash: finds jobs whose messages were lost, and expired files.

use std::time::Duration;

use contracts::{JobId, JobStatus, Mp3Fid, VideoFid};
use mongodb::bson::{Bson, doc};

use crate::store::{ago, within};
use crate::{JobStore, JobsError, Record};

/// After how long a missing step counts as forgotten.
#[derive(Debug, Clone, Copy)]
pub struct Overdue {
    /// A converter's lease expired and no other converter took the job.
    pub lapsed: Duration,
    /// A job ended and the broker has not confirmed its `mp3` message.
    pub unreported: Duration,
    /// A job is still waiting although it was announced: the broker may have lost the message.
    pub waiting: Duration,
}

/// Expired files. Their job no longer refers to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    /// The job.
    pub job: JobId,
    /// Its audio.
    pub mp3: Option<Mp3Fid>,
    /// Its video.
    pub video: VideoFid,
}

/// The shortest time between two announcements of a job.
const ANNOUNCE_AGAIN_AFTER: Duration = Duration::from_mins(1);

impl JobStore {
    /// Records that the broker has the `video` message of this record, unless its owner has retried the job.
    pub async fn mark_announced(&self, record: &Record) -> Result<(), JobsError> {
        // Not `change`: for the owner an announcement does not change the job.
        let update = vec![doc! { "$set": { "announced_at": "$$NOW" } }];
        within(self.collection().update_one(record.same_run(), update)).await.map(drop)
    }

    /// Records that the broker has the mail about the job's acceptance.
    pub async fn mark_welcomed(&self, id: JobId) -> Result<(), JobsError> {
        let update = doc! { "$unset": { "welcome_due": "" } };
        within(self.collection().update_one(doc! { "_id": id.to_string() }, update)).await.map(drop)
    }

    /// At most `limit` jobs that were accepted this long ago and whose acceptance mail is missing.
    pub async fn unwelcomed(&self, age: Duration, limit: u16) -> Result<Vec<Record>, JobsError> {
        let filter = doc! { "welcome_due": true, "$expr": { "$lt": ["$created_at", ago(age)] } };
        self.find(filter, doc! { "_id": 1 }, limit.into()).await
    }

    /// Takes one job whose message seems lost, so that the caller publishes it again.
    ///
    /// The caller publishes to `mp3` if the record has an outcome, to `video` if not. Of several callers only
    /// one gets a job, and the same job only once a minute.
    pub async fn take_forgotten(&self, overdue: Overdue) -> Result<Option<Record>, JobsError> {
        let before = |field: &str, age: Duration| doc! { "$lt": [format!("${field}"), ago(age)] };
        let is_missing = |field: &str| doc! { "$lte": [format!("${field}"), Bson::Null] };
        let status = |status: JobStatus| doc! { "$eq": ["$status", status.as_str()] };
        let forgotten = doc! { "$or": [
            { "$and": [status(JobStatus::Queued), before("announced_at", overdue.waiting), before("updated_at", overdue.waiting)] },
            { "$and": [status(JobStatus::Converting), before("lease.until", overdue.lapsed)] },
            { "$and": [
                { "$in": ["$status", [JobStatus::Converted.as_str(), JobStatus::Failed.as_str()]] },
                is_missing("outcome_announced_at"),
                before("updated_at", overdue.unreported),
            ] },
        ] };
        let filter = doc! {
            // The index narrows the documents before the expression. Null also matches a missing field.
            "outcome_announced_at": Bson::Null,
            "status": { "$in": ["queued", "converting", "converted", "failed"] },
            "$expr": { "$and": [forgotten, before("announce_tried_at", ANNOUNCE_AGAIN_AFTER)] },
        };
        let update = vec![doc! { "$set": { "announce_tried_at": "$$NOW" } }];
        Ok(within(self.collection().find_one_and_update(filter, update)).await?.map(Into::into))
    }

    /// Expires at most `limit` due jobs, and returns the files that no job refers to any more.
    pub async fn expire(&self, limit: u16) -> Result<Vec<Expired>, JobsError> {
        let filter = doc! {
            "status": { "$in": [JobStatus::Converted.as_str(), JobStatus::Failed.as_str()] },
            "$expr": { "$lt": ["$expires_at", "$$NOW"] },
            "expires_at": { "$exists": true },
        };
        let mut expired = Vec::new();
        for record in self.find(filter.clone(), doc! { "expires_at": 1 }, limit.into()).await? {
            let mut still = filter.clone();
            still.insert("_id", record.job.id.to_string());
            let set = doc! { "status": JobStatus::Expired.as_str(), "audio": "$$REMOVE", "video_delete_at": "$$NOW" };
            if self.change(still, set).await? {
                let mp3 = record.job.audio.map(|audio| audio.fid);
                expired.push(Expired { job: record.job.id, mp3, video: record.job.source.fid });
            }
        }
        Ok(expired)
    }

    /// At most `limit` jobs whose video is due for deletion.
    pub async fn videos_due(&self, limit: u16) -> Result<Vec<(JobId, VideoFid)>, JobsError> {
        let filter = doc! {
            "is_video_stored": true,
            "video_delete_at": { "$exists": true },
            "$expr": { "$lt": ["$video_delete_at", "$$NOW"] },
        };
        let due = self.find(filter, doc! { "video_delete_at": 1 }, limit.into()).await?;
        Ok(due.into_iter().map(|record| (record.job.id, record.job.source.fid)).collect())
    }

    /// Deletes jobs that expired or were cancelled this long ago.
    pub async fn forget(&self, age: Duration) -> Result<u64, JobsError> {
        let filter = doc! {
            "status": { "$in": [JobStatus::Expired.as_str(), JobStatus::Cancelled.as_str()] },
            "is_video_stored": false,
            "$expr": { "$lt": ["$expires_at", ago(age)] },
        };
        Ok(within(self.collection().delete_many(filter)).await?.deleted_count)
    }
}
