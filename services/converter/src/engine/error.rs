//! Why a conversion ends without an audio file.

use std::io;

use contracts::FailureCode;

use super::parallel::joiner::JoinError;
use crate::engine::mp3::MalformedAudio;

/// Why there is no MP3.
#[derive(Debug, thiserror::Error)]
pub enum ConversionError {
    /// The file cannot be converted, and never will be.
    #[error("the file cannot be converted: {} ({detail})", .code.as_str())]
    Failed {
        /// What the person is told.
        code: FailureCode,
        /// What FFmpeg said, for the log.
        detail: String,
    },
    /// The caller asked for it.
    #[error("the conversion was cancelled")]
    Cancelled,
    /// This machine could not run a program. Another attempt may succeed.
    #[error("could not run {program}")]
    Run {
        /// Which program.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A program failed for a reason that is not the file's. Another attempt may succeed.
    #[error("{program} failed by no fault of the file: {detail}")]
    Machine {
        /// Which program.
        program: &'static str,
        /// What it said.
        detail: String,
    },
    /// A program found no room to write. Another attempt may succeed.
    #[error("{program} found no room on the disk: {detail}")]
    NoRoom {
        /// Which program.
        program: &'static str,
        /// What it said.
        detail: String,
    },
    /// The MP3 that FFmpeg wrote is none.
    #[error("could not measure the MP3")]
    Measure(#[source] MalformedAudio),
    /// The MP3 could not be put together from its parts. Another attempt may succeed.
    #[error("could not join the MP3")]
    Join(#[source] JoinError),
    /// There is no room for the MP3. Another attempt may succeed.
    #[error("could not make a file for the MP3")]
    Write(#[source] io::Error),
    /// The video in the scratch directory cannot be read.
    #[error("could not read the video")]
    Read(#[source] io::Error),
}

impl ConversionError {
    /// What a person is told, if the file is at fault.
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

    /// Whether it is one track's fault, and another may do.
    pub(crate) fn is_of_the_track(&self) -> bool {
        matches!(self.code(), Some(FailureCode::NoAudioTrack | FailureCode::UnsupportedFormat))
    }

    /// Whether the sound may do if it is encoded instead of copied.
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

    /// FFmpeg could not be started, or not be talked to.
    pub(crate) fn ffmpeg(source: io::Error) -> Self {
        Self::Run { program: "ffmpeg", source }
    }

    /// ffprobe, likewise.
    pub(crate) fn ffprobe(source: io::Error) -> Self {
        Self::Run { program: "ffprobe", source }
    }

    /// An encoder of ours gave up on sound that it should take.
    pub(crate) fn encoder(detail: impl Into<String>) -> Self {
        Self::Machine { program: "ffmpeg", detail: detail.into() }
    }

    pub(crate) fn failed(code: FailureCode, detail: impl Into<String>) -> Self {
        Self::Failed { code, detail: detail.into() }
    }
}

/// Whether a write of ours found no room.
pub(crate) fn is_of_a_full_disk(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
