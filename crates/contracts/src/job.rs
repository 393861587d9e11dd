use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    AudioFormat, ConversionOptions, EmailAddress, Failure, JobId, MailPreferences, Mp3Fid, UserId, VideoFid,
};

/// Where a job stands. `queued → converting → converted | failed | cancelled`, later `expired`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JobStatus {
    /// Stored and waiting for a converter.
    Queued,
    /// A converter is at work on it.
    Converting,
    /// The MP3 is there.
    Converted,
    /// It ended without an MP3; `error` says why.
    Failed,
    /// Its owner cancelled it.
    Cancelled,
    /// It was converted or failed, and its files have been deleted since.
    Expired,
}

impl JobStatus {
    /// Whether the job's result is final.
    #[must_use]
    pub fn is_finished(self) -> bool {
        match self {
            Self::Queued | Self::Converting => false,
            Self::Converted | Self::Failed | Self::Cancelled | Self::Expired => true,
        }
    }

    /// The outcome, if the conversion has ended and its result still exists.
    #[must_use]
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Converted => Some(Outcome::Converted),
            Self::Failed => Some(Outcome::Failed),
            Self::Queued | Self::Converting | Self::Cancelled | Self::Expired => None,
        }
    }

    /// The name that JSON and the database use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Converting => "converting",
            Self::Converted => "converted",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

/// How a conversion ended: what the `mp3` message announces and a mail reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// There is an MP3.
    Converted,
    /// There is none, and a reason.
    Failed,
}

impl Outcome {
    /// The name that JSON, the database and Message-IDs use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Converted => "converted",
            Self::Failed => "failed",
        }
    }
}

/// A job's owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The account.
    pub id: UserId,
    /// Where its mails go.
    pub email: EmailAddress,
    /// The account's preferences when the video was uploaded.
    #[serde(default)]
    pub mails: MailPreferences,
}

/// The uploaded video.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Source {
    /// The file in database `videos`.
    pub fid: VideoFid,
    /// The name it was uploaded under.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Length of the audio in seconds: as the file says while it is converted, then as it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
    /// Length of the audio in seconds by the file's own word, if there is less in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared_seconds: Option<f64>,
    /// The audio tracks found in it.
    #[serde(default)]
    pub audio_tracks: Vec<AudioTrack>,
}

/// What a conversion found in the uploaded video: the fields of [`Source`] that are not known at first.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceFacts {
    /// Length of the audio in seconds: as the file says at first, then as it was found.
    pub duration_seconds: Option<f64>,
    /// Length of the audio in seconds by the file's own word, where less was found.
    pub declared_seconds: Option<f64>,
    /// Its audio tracks.
    pub audio_tracks: Vec<AudioTrack>,
}

/// One audio track of a video.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AudioTrack {
    /// FFmpeg's name of the codec, such as `aac`.
    pub codec: String,
    /// Number of channels.
    pub channels: u32,
    /// Sample rate in Hz.
    pub sample_rate_hz: u32,
    /// The language as the file writes it, if it says: a code of ISO 639 or a tag of BCP 47.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// What a converter is doing with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Waiting for a converter.
    Waiting,
    /// Fetching the video and finding its audio.
    Probing,
    /// Encoding.
    Encoding,
    /// Storing the MP3.
    Storing,
    /// Nothing more to do.
    Done,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Share of the audio that is encoded, from 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub ratio: f64,
}

/// The finished audio file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Audio {
    /// The file in database `mp3s`: what `GET /download?fid=` takes.
    pub fid: Mp3Fid,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its length in seconds.
    pub duration_seconds: f64,
    /// Where its sound begins in the video, in seconds: a player that shows both starts it then.
    #[serde(default)]
    pub begins_at_seconds: f64,
    /// Which of the source's audio tracks are in it, by their places in `source.audio_tracks`.
    #[serde(default)]
    pub tracks: Vec<u16>,
    /// Its mean bit rate in bit/s.
    pub bitrate_bps: u32,
    /// What kind of file it is.
    #[serde(default)]
    pub format: AudioFormat,
    /// Whether its sound was taken from the video as it was, because it was what was asked for.
    #[serde(default)]
    pub is_copy: bool,
    /// Whether there is a picture in it.
    #[serde(default)]
    pub has_cover: bool,
    /// What normalization did, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loudness: Option<Loudness>,
}

/// What normalization measured and did (EBU R 128, ITU-R BS.1770).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Loudness {
    /// The loudness that was asked for, in LUFS.
    pub target_lufs: f64,
    /// The integrated loudness of the source, in LUFS; absent for silence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_lufs: Option<f64>,
    /// By how much the sound was made louder, in dB.
    pub gain_db: f64,
    /// Whether a limiter kept true peaks below -1 dBTP, which the gain would have lifted above.
    pub is_limited: bool,
}

/// What became of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NoticeState {
    /// Being sent, or waiting for the next try.
    Sending,
    /// Accepted by the mail server.
    Sent,
    /// Given up; the mail server's answer is in `error`.
    Failed,
}

/// A mail about a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Notice {
    /// What it reports.
    pub outcome: Outcome,
    /// What became of it.
    pub state: NoticeState,
    /// When that was.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: OffsetDateTime,
    /// Why it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A job as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// The job's identifier.
    pub id: JobId,
    /// Where it stands.
    pub status: JobStatus,
    /// The uploaded video.
    pub source: Source,
    /// How it is encoded.
    pub options: ConversionOptions,
    /// How far it is.
    pub progress: Progress,
    /// The MP3, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<Audio>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// How many times a converter has begun it.
    pub attempts: u32,
    /// When it was accepted.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: OffsetDateTime,
    /// When its files are deleted, once it is finished.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<OffsetDateTime>,
    /// The mails about it.
    pub notices: Vec<Notice>,
}
