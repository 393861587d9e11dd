use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a job failed, as a stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// FFmpeg recognises no media format in the file.
    NotAMediaFile,
    /// The file has no audio track.
    NoAudioTrack,
    /// The audio cannot be read to its end.
    Damaged,
    /// The audio is in a format that this installation does not decode.
    UnsupportedFormat,
    /// The audio cannot be held by the format that was asked for, but by others.
    UnsuitableFormat,
    /// The file has no audio track of the number or language that was asked for.
    NoSuchTrack,
    /// There is no sound between `start` and `end`.
    EmptySelection,
    /// The audio is longer than this installation takes.
    TooLong,
    /// The audio file would be larger than this installation makes.
    AudioTooLarge,
    /// Converting the file takes more disk space than this installation has, even when it is empty.
    FileTooLarge,
    /// The file has more tracks than this installation takes.
    TooManyTracks,
    /// Reading the file takes more memory than this installation gives.
    TooComplex,
    /// The conversion did not end before its deadline.
    TimedOut,
    /// Converters stopped in the middle of it too many times.
    Interrupted,
}

impl FailureCode {
    /// The name in the interface and the logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAMediaFile => "not_a_media_file",
            Self::NoAudioTrack => "no_audio_track",
            Self::Damaged => "damaged",
            Self::UnsupportedFormat => "unsupported_format",
            Self::UnsuitableFormat => "unsuitable_format",
            Self::NoSuchTrack => "no_such_track",
            Self::EmptySelection => "empty_selection",
            Self::TooLong => "too_long",
            Self::AudioTooLarge => "audio_too_large",
            Self::FileTooLarge => "file_too_large",
            Self::TooManyTracks => "too_many_tracks",
            Self::TooComplex => "too_complex",
            Self::TimedOut => "timed_out",
            Self::Interrupted => "interrupted",
        }
    }

    /// The text for users.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::NotAMediaFile => "The file is not a video or audio file that we can recognise.",
            Self::NoAudioTrack => "The video has no sound: there is no audio track in it to convert.",
            Self::Damaged => {
                "The file is damaged or incomplete: its sound breaks off before the end. Try to upload it again."
            }
            Self::UnsupportedFormat => "The sound in this video is in a format that we cannot convert.",
            Self::UnsuitableFormat => {
                "The sound of this video does not fit into the format that was asked for. As MP3 or FLAC it works."
            }
            Self::NoSuchTrack => "The video has no audio track of the number or language that was asked for.",
            Self::EmptySelection => {
                "There is no sound between the start and the end that were asked for: the video is shorter."
            }
            Self::TooLong => "The video is longer than the longest that we convert.",
            Self::AudioTooLarge => "The audio file would be larger than the largest that we make.",
            Self::FileTooLarge => "Converting the file takes more disk space than we have.",
            Self::TooManyTracks => "The file has more tracks than we can look at.",
            Self::TooComplex => "The file takes more memory to read than we can give it.",
            Self::TimedOut => "The conversion took too long and was stopped.",
            Self::Interrupted => {
                "The conversion was interrupted several times and was given up. Try to upload the video again."
            }
        }
    }
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// Stable, for programs.
    pub code: FailureCode,
    /// A sentence for people.
    pub text: String,
}

impl From<FailureCode> for Failure {
    fn from(code: FailureCode) -> Self {
        Self { code, text: code.text().to_owned() }
    }
}
