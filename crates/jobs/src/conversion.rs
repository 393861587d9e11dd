//! The converter's operations on a job: claim, report, commit, release.

use std::time::Duration;

use contracts::{Audio, Failure, JobId, JobStatus, Outcome, Phase, Progress, SourceFacts};
use mongodb::bson::{Bson, Document, doc};

use crate::document::literal;
use crate::lease::Lease;
use crate::store::from_now;
use crate::{JobStore, JobsError, Record};

/// The right to change a job that is being converted.
pub type ConversionLease = Lease<JobId>;

impl ConversionLease {
    /// The right to commit the job, as a text for [`JobStore::may_commit`].
    #[must_use]
    pub fn right(&self) -> String {
        format!("{} {}", self.of, self.token)
    }

    /// The job of the lease.
    #[must_use]
    pub fn job(&self) -> JobId {
        self.of
    }

    fn filter(&self) -> Document {
        doc! { "_id": self.of.to_string(), "status": JobStatus::Converting.as_str(), "lease.token": &self.token }
    }
}

/// The result of claiming a job.
#[derive(Debug)]
pub enum Claim {
    /// The caller has the job. `attempts` includes this attempt.
    Claimed(ConversionLease, Box<Record>),
    /// Another converter holds it.
    Busy,
    /// It has ended already; its `mp3` message may not have been sent.
    Finished(Outcome, Box<Record>),
    /// It was cancelled, has expired or is deleted.
    Gone,
}

impl JobStore {
    /// Claims a job for one converter, if it is waiting or its holder's lease has expired.
    ///
    /// `worker` names the converter; `lasts` is how long the lease holds without a [`JobStore::report`].
    pub async fn claim(&self, id: JobId, worker: &str, lasts: Duration) -> Result<Claim, JobsError> {
        let lease = Lease::new(id, lasts);
        let is_free = doc! { "$or": [
            { "status": JobStatus::Queued.as_str() },
            { "status": JobStatus::Converting.as_str(), "$expr": { "$lt": ["$lease.until", "$$NOW"] } },
        ] };
        let filter = doc! { "$and": [{ "_id": id.to_string() }, is_free] };
        let set = doc! {
            "status": JobStatus::Converting.as_str(),
            "attempts": { "$add": ["$attempts", 1] },
            "lease": { "token": &lease.token, "worker": { "$literal": worker }, "until": from_now(lasts) },
            "progress": literal(&Progress { phase: Phase::Probing, ratio: 0.0 })?,
        };
        if let Some(record) = self.change_and_get(filter, set).await? {
            return Ok(Claim::Claimed(lease, Box::new(record)));
        }
        let Some(record) = self.get(id).await? else { return Ok(Claim::Gone) };
        Ok(match record.job.status {
            JobStatus::Queued | JobStatus::Converting => Claim::Busy,
            JobStatus::Converted => Claim::Finished(Outcome::Converted, Box::new(record)),
            JobStatus::Failed => Claim::Finished(Outcome::Failed, Box::new(record)),
            JobStatus::Cancelled | JobStatus::Expired => Claim::Gone,
        })
    }

    /// Renews the lease, and records the progress and the facts about the source. `false`: the lease is lost, and the work with it.
    pub async fn report(
        &self,
        lease: &ConversionLease,
        progress: &Progress,
        source: Option<&SourceFacts>,
    ) -> Result<bool, JobsError> {
        let mut set = doc! { "lease.until": from_now(lease.lasts), "progress": literal(progress)? };
        if let Some(source) = source {
            set.insert("source.duration_seconds", source.duration_seconds.map_or(Bson::Null, Bson::Double));
            set.insert("source.declared_seconds", source.declared_seconds.map_or(Bson::Null, Bson::Double));
            set.insert("source.audio_tracks", literal(&source.audio_tracks)?);
        }
        self.change(lease.filter(), set).await
    }

    /// Commits the audio file: the job is converted. `false`: the lease is lost, and the file is unused.
    ///
    /// The audio is kept for `keep_mp3`, the video for `keep_video`.
    pub async fn commit_converted(
        &self,
        lease: &ConversionLease,
        audio: &Audio,
        keep_mp3: Duration,
        keep_video: Duration,
    ) -> Result<bool, JobsError> {
        let set = doc! {
            "status": JobStatus::Converted.as_str(),
            "audio": literal(audio)?,
            "progress": literal(&Progress { phase: Phase::Done, ratio: 1.0 })?,
            "lease": "$$REMOVE",
            "expires_at": from_now(keep_mp3),
            "video_delete_at": from_now(keep_video),
            "usage_due": audio.duration_seconds,
        };
        self.change(lease.filter(), set).await
    }

    /// Ends the job without audio. `false`: the lease is lost. The video is kept for `keep`.
    pub async fn commit_failed(
        &self,
        lease: &ConversionLease,
        failure: &Failure,
        keep: Duration,
    ) -> Result<bool, JobsError> {
        let set = doc! {
            "status": JobStatus::Failed.as_str(),
            "error": literal(failure)?,
            // Counts the seconds of the failed conversion, too.
            "usage_due": { "$multiply": [
                { "$ifNull": ["$source.duration_seconds", 0.0] },
                { "$ifNull": ["$progress.ratio", 0.0] },
            ] },
            "progress.phase": literal(&Phase::Done)?,
            "lease": "$$REMOVE",
            "expires_at": from_now(keep),
            "video_delete_at": from_now(keep),
        };
        self.change(lease.filter(), set).await
    }

    /// Releases the job as if it had not begun, for a converter that must stop.
    pub async fn release(&self, lease: &ConversionLease) -> Result<bool, JobsError> {
        let set = doc! {
            "status": JobStatus::Queued.as_str(),
            "attempts": { "$subtract": ["$attempts", 1] },
            "progress": literal(&Progress { phase: Phase::Waiting, ratio: 0.0 })?,
            "lease": "$$REMOVE",
        };
        self.change(lease.filter(), set).await
    }

    /// Puts the job back after a fault that is not its own. The attempt stays counted.
    pub async fn set_back(&self, lease: &ConversionLease) -> Result<bool, JobsError> {
        let set = doc! {
            "status": JobStatus::Queued.as_str(),
            "progress": literal(&Progress { phase: Phase::Waiting, ratio: 0.0 })?,
            "lease": "$$REMOVE",
        };
        self.change(lease.filter(), set).await
    }

    /// Records that the broker has the `mp3` message of this record, unless its owner has retried the job:
    /// then another outcome must be announced.
    pub async fn mark_outcome_announced(&self, record: &Record) -> Result<bool, JobsError> {
        let mut filter = record.same_run();
        filter.insert("status", record.job.status.as_str());
        self.change(filter, doc! { "outcome_announced_at": "$$NOW" }).await
    }

    /// Records that the job's video is deleted.
    pub async fn mark_video_deleted(&self, id: JobId) -> Result<(), JobsError> {
        let set = doc! { "is_video_stored": false, "video_delete_at": "$$REMOVE" };
        self.change(doc! { "_id": id.to_string() }, set).await.map(drop)
    }
}
