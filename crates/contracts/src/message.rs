use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{EmailAddress, Job, JobId, Mp3Fid, Outcome, Owner, VideoFid};

/// The version that this build writes. A message may gain optional fields within a version; a reader
/// refuses versions that it does not know.
pub const MESSAGE_VERSION: u32 = 1;

/// A queue of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Videos to convert: [`ConversionRequested`], for the converters. The gateway publishes an accepted job,
    /// and a converter that has ended a job publishes the user's next one.
    Video,
    /// Outcomes to report: [`ConversionFinished`], for notification. The converter publishes them, and the
    /// gateway those whose message a crash has lost.
    Mp3,
    /// Mails about accounts: [`AccountMail`](crate::AccountMail), for notification. auth publishes them, and
    /// the gateway the mail about an accepted upload.
    Account,
}

impl Queue {
    /// Every queue.
    pub const ALL: [Self; 3] = [Self::Video, Self::Mp3, Self::Account];

    /// The queue's name on the broker, without the installation's prefix.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Mp3 => "mp3",
            Self::Account => "account",
        }
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A video is stored and waits to be converted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversionRequested {
    /// [`MESSAGE_VERSION`].
    pub version: u32,
    /// The job to do.
    pub job_id: JobId,
    /// The job's video.
    pub video_fid: VideoFid,
    /// Always null here; part of the family's message format.
    pub mp3_fid: Option<Mp3Fid>,
    /// The address for the mail about the outcome.
    pub username: EmailAddress,
}

/// A job has ended, and its owner may get a mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversionFinished {
    /// [`MESSAGE_VERSION`].
    pub version: u32,
    /// The job.
    pub job_id: JobId,
    /// The video it was made from.
    pub video_fid: VideoFid,
    /// The audio file, if there is one.
    pub mp3_fid: Option<Mp3Fid>,
    /// The address to write to.
    pub username: EmailAddress,
    /// How it ended.
    pub outcome: Outcome,
}

impl ConversionRequested {
    /// The message about a job.
    #[must_use]
    pub fn of(job: &Job, owner: &Owner) -> Self {
        Self {
            version: MESSAGE_VERSION,
            job_id: job.id,
            video_fid: job.source.fid,
            mp3_fid: None,
            username: owner.email.clone(),
        }
    }
}

impl ConversionFinished {
    /// The message about a job, if the job has an outcome.
    #[must_use]
    pub fn of(job: &Job, owner: &Owner) -> Option<Self> {
        let outcome = job.status.outcome()?;
        Some(Self {
            version: MESSAGE_VERSION,
            job_id: job.id,
            video_fid: job.source.fid,
            mp3_fid: job.audio.as_ref().map(|audio| audio.fid),
            username: owner.email.clone(),
            outcome,
        })
    }

    /// The same for every message about one outcome, so that duplicates are recognised.
    #[must_use]
    pub fn message_id(&self) -> String {
        format!("{}.{}", self.job_id, self.outcome.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Messages outlive the build that wrote them: a change of these snapshots is a change of the contract.
    #[test]
    fn messages_have_a_stable_json_form() {
        let job_id = "0190a3c4-0000-7000-8000-000000000001".parse().unwrap();
        let video_fid = "665f1c2ab8e4a70012345678".parse().unwrap();
        let mp3_fid = "665f1c2ab8e4a70087654321".parse().unwrap();
        let username: EmailAddress = "ada@example.org".parse().unwrap();
        let requested = ConversionRequested {
            version: MESSAGE_VERSION,
            job_id,
            video_fid,
            mp3_fid: None,
            username: username.clone(),
        };
        insta::assert_json_snapshot!(requested, @r#"
        {
          "version": 1,
          "job_id": "0190a3c4-0000-7000-8000-000000000001",
          "video_fid": "665f1c2ab8e4a70012345678",
          "mp3_fid": null,
          "username": "ada@example.org"
        }
        "#);
        let finished = ConversionFinished {
            version: MESSAGE_VERSION,
            job_id,
            video_fid,
            mp3_fid: Some(mp3_fid),
            username,
            outcome: Outcome::Converted,
        };
        insta::assert_json_snapshot!(finished, @r#"
        {
          "version": 1,
          "job_id": "0190a3c4-0000-7000-8000-000000000001",
          "video_fid": "665f1c2ab8e4a70012345678",
          "mp3_fid": "665f1c2ab8e4a70087654321",
          "username": "ada@example.org",
          "outcome": "converted"
        }
        "#);
    }

    #[test]
    fn fields_of_a_later_build_are_ignored() {
        let text = r#"{"version":1,"job_id":"0190a3c4-0000-7000-8000-000000000001","video_fid":"665f1c2ab8e4a70012345678",
            "mp3_fid":null,"username":"ada@example.org","priority":7}"#;
        assert!(serde_json::from_str::<ConversionRequested>(text).is_ok());
    }
}
