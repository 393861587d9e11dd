//! The job document in the database, and its conversion to the services' types.

use contracts::{
    Audio, ConversionOptions, Failure, Job, JobId, JobStatus, Notice, NoticeState, Outcome, Owner, Progress,
    Source,
};
use mongodb::bson::{self, DateTime};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::Record;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct JobDocument {
    #[serde(rename = "_id")]
    pub id: JobId,
    pub owner: Owner,
    pub status: JobStatus,
    pub source: Source,
    pub options: ConversionOptions,
    pub progress: Progress,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<Audio>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    pub attempts: u32,
    /// How often its owner retried it.
    #[serde(default)]
    pub retries: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseDocument>,
    pub created_at: DateTime,
    pub updated_at: DateTime,
    /// When the audio, or the video of a failed job, is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime>,
    /// Whether the video is still in GridFS.
    pub is_video_stored: bool,
    /// When the video is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video_delete_at: Option<DateTime>,
    /// When the broker last confirmed a `video` message for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced_at: Option<DateTime>,
    /// When the broker confirmed the `mp3` message for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome_announced_at: Option<DateTime>,
    /// Whether the mail about the job's acceptance must still be published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub welcome_due: Option<bool>,
    #[serde(default)]
    pub notices: Notices,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LeaseDocument {
    pub token: String,
    pub worker: String,
    pub until: DateTime,
}

/// At most one notice for each outcome: the field is the unique key.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Notices {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converted: Option<NoticeDocument>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<NoticeDocument>,
}

impl Notices {
    pub(crate) fn get(&self, outcome: Outcome) -> Option<&NoticeDocument> {
        match outcome {
            Outcome::Converted => self.converted.as_ref(),
            Outcome::Failed => self.failed.as_ref(),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NoticeDocument {
    pub state: NoticeState,
    pub at: DateTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseDocument>,
}

impl From<JobDocument> for Record {
    fn from(document: JobDocument) -> Self {
        let notices = [Outcome::Converted, Outcome::Failed]
            .into_iter()
            .filter_map(|outcome| Some((outcome, document.notices.get(outcome)?)))
            .map(|(outcome, notice)| Notice {
                outcome,
                state: notice.state,
                at: time(notice.at),
                error: notice.error.clone(),
            })
            .collect();
        Self {
            owner: document.owner,
            retries: document.retries,
            job: Job {
                id: document.id,
                status: document.status,
                source: document.source,
                options: document.options,
                progress: document.progress,
                audio: document.audio,
                error: document.error,
                attempts: document.attempts,
                created_at: time(document.created_at),
                updated_at: time(document.updated_at),
                expires_at: document.expires_at.map(time),
                notices,
            },
        }
    }
}

fn time(at: DateTime) -> OffsetDateTime {
    at.to_system_time().into()
}

/// A value for a pipeline update, which would otherwise evaluate a text that begins with `$`.
pub(crate) fn literal<T: Serialize>(value: &T) -> Result<bson::Document, bson::error::Error> {
    Ok(bson::doc! { "$literal": bson::serialize_to_bson(value)? })
}
