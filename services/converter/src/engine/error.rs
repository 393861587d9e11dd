//! Why a conversion ends without an audio file.

use std::io;

use contracts::FailureCode;

use super::parallel::joiner::JoinError;
use crate::engine::mp3::MalformedAudio;

/// Why there is no audio file.
#[derive(Debug, thiserror::Error)]
pub enum ConversionError {
    /// The file is at fault. Another attempt would fail too.
    #[error("the file cannot be converted: {} ({detail})", .code.as_str())]
    Failed {
        /// The code that the user is told.
        code: FailureCode,
        /// FFmpeg's complaint, for the log.
        detail: String,
    },
    /// The caller cancelled it.
    #[error("the conversion was cancelled")]
    Cancelled,
    /// The machine could not run a program. Another attempt may succeed.
    #[error("could not run {program}")]
    Run {
        /// The program's name.
        program: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
    /// A program failed, but not because of the file. Another attempt may succeed.
    #[error("{program} failed by no fault of the file: {detail}")]
    Machine {
        /// The program's name.
        program: &'static str,
        /// Its complaint.
        detail: String,
    },
    /// A program found no room to write. Another attempt may succeed.
    #[error("{program} found no room on the disk: {detail}")]
    NoRoom {
        /// The program's name.
        program: &'static str,
        /// Its complaint.
        detail: String,
    },
    /// The finished file is malformed.
    #[error("could not measure the MP3")]
    Measure(#[source] MalformedAudio),
    /// The frames could not be joined to an MP3. Another attempt may succeed.
    #[error("could not join the MP3")]
    Join(#[source] JoinError),
    /// The audio file could not be created. Another attempt may succeed.
    #[error("could not make a file for the MP3")]
    Write(#[source] io::Error),
    /// The video in the scratch directory cannot be read.
    #[error("could not read the video")]
    Read(#[source] io::Error),
}

impl ConversionError {
    /// The code that the user is told, if the file is at fault.
    #[must_use]
    pub fn code(&self) -> Option<FailureCode> {
        match self {
            Self::Failed { code, .. } => Some(*code),
            Self::Cancelled
            | Self::Run { .. }
            | Self::Machine { .. }
            | Self::NoRoom { .. }
            | Self::Measure(_)
            | Self::Join(_)
            | Self::Write(_)
            | Self::Read(_) => None,
        }
    }

    /// Whether only this track is at fault, so that another may succeed.
    pub(crate) fn is_of_the_track(&self) -> bool {
        matches!(self.code(), Some(FailureCode::NoAudioTrack | FailureCode::UnsupportedFormat))
    }

    /// Whether encoding may succeed where the copy failed.
    pub(crate) fn is_of_the_copy(&self) -> bool {
        match self {
            Self::Failed { .. } | Self::Machine { .. } | Self::Measure(_) => true,
            Self::Cancelled
            | Self::Run { .. }
            | Self::NoRoom { .. }
            | Self::Join(_)
            | Self::Write(_)
            | Self::Read(_) => false,
        }
    }

    /// Whether the scratch directory's disk was full.
    #[must_use]
    pub fn is_of_a_full_disk(&self) -> bool {
        match self {
            Self::NoRoom { .. } => true,
            Self::Run { source: error, .. }
            | Self::Join(JoinError::Write(error))
            | Self::Write(error)
            | Self::Read(error) => is_of_a_full_disk(error),
            Self::Failed { .. }
            | Self::Cancelled
            | Self::Machine { .. }
            | Self::Measure(_)
            | Self::Join(JoinError::TooLarge | JoinError::Short | JoinError::NoFrame) => false,
        }
    }

    /// FFmpeg could not be started, or its pipes failed.
    pub(crate) fn ffmpeg(source: io::Error) -> Self {
        Self::Run { program: "ffmpeg", source }
    }

    /// ffprobe could not be started, or its pipes failed.
    pub(crate) fn ffprobe(source: io::Error) -> Self {
        Self::Run { program: "ffprobe", source }
    }

    /// An encoder gave up on audio that it must accept.
    pub(crate) fn encoder(detail: impl Into<String>) -> Self {
        Self::Machine { program: "ffmpeg", detail: detail.into() }
    }

    pub(crate) fn failed(code: FailureCode, detail: impl Into<String>) -> Self {
        Self::Failed { code, detail: detail.into() }
    }
}

/// Whether our own write found no room.
pub(crate) fn is_of_a_full_disk(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
