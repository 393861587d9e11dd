//! Facts about a file from ffprobe.

mod answer;
mod asking;
mod listing;
mod understanding;

use contracts::SourceFacts;

pub(crate) use self::answer::Answer;
pub(crate) use self::asking::{SHOWN, answer};
pub(crate) use self::listing::read as read_listing;
use crate::engine::sound::{Join, Layout};
use crate::engine::source::description::Description;

/// An audio file, or a video with audio, and the tracks to take.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Probe {
    pub facts: SourceFacts,
    /// FFmpeg's name of the container.
    pub format: String,
    /// The audio track to take.
    pub track: Track,
    /// The tracks to try if it has no audio.
    pub others: Vec<Track>,
    /// The joined tracks, if joining was requested.
    pub join: Option<Join>,
    /// The kept part of its description.
    pub description: Description,
    /// The index of the cover picture among all tracks.
    pub cover: Option<u32>,
    /// Whether it has moving pictures.
    pub has_video: bool,
    /// Where the file's clock begins.
    pub start_seconds: f64,
    /// The whole file's declared length in seconds. It may be the picture's.
    pub container_seconds: Option<f64>,
    /// An estimated length in seconds, for the progress bar only.
    pub approximate_seconds: Option<f64>,
}

/// Facts about an audio track.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Track {
    /// Its place among the audio tracks, counted from 0.
    pub place: usize,
    /// Its index among all tracks of the file.
    pub index: u32,
    /// FFmpeg's name of the codec.
    pub codec: String,
    /// Number of channels; 0 if unknown.
    pub channels: u32,
    /// Sample rate in Hz; 0 if unknown.
    pub sample_rate_hz: u32,
    /// The channels' speakers, if they are known or can be guessed.
    pub layout: Option<Layout>,
    /// Whether the recording itself has more than 16 bits per sample. Bits that a decoder adds do not count.
    pub is_deep: bool,
    /// Whether it was recorded in floating point, which may contain values such as NaN.
    pub is_float: bool,
    /// Bit rate in bit/s, if the file declares it.
    pub bitrate_bps: Option<u32>,
    /// Its beginning relative to the file's.
    pub start_seconds: f64,
    /// Where FFmpeg's clock begins on the file's clock if FFmpeg reads only this track.
    pub clock_seconds: f64,
    /// Its declared length in seconds. Estimates do not count.
    pub seconds: Option<f64>,
}

impl Track {
    /// The properties of most videos' tracks.
    pub(crate) fn usual(place: usize) -> Self {
        Self {
            place,
            index: 1,
            codec: "aac".to_owned(),
            channels: 2,
            sample_rate_hz: 48_000,
            layout: Layout::of_count(2),
            ..Self::default()
        }
    }

    /// The properties of joined tracks, the first of which is `first`.
    fn joined(join: &Join, first: &Self) -> Self {
        Self {
            codec: "joined".to_owned(),
            channels: join.channels,
            sample_rate_hz: join.sample_rate_hz,
            layout: Layout::of_count(join.channels),
            bitrate_bps: None,
            // Joined tracks begin with the file and end with the last track.
            start_seconds: 0.0,
            seconds: None,
            ..first.clone()
        }
    }
}

impl Probe {
    /// The audio's length, as far as the file declares it.
    pub(crate) fn declared_seconds(&self) -> Option<f64> {
        self.track.seconds.or(self.container_seconds)
    }

    /// Whether it is a stream without a container.
    pub(crate) fn is_raw(&self) -> bool {
        // FFmpeg names the demuxer of such a stream like its decoder.
        self.facts.audio_tracks.iter().any(|track| track.codec == self.format) || self.format == "loas"
    }

    /// The largest frame of a raw stream whose frames FFmpeg finds itself (the standards' limits, with room
    /// for headers).
    pub(crate) fn raw_frame_bytes(&self) -> Option<u64> {
        match self.format.as_str() {
            // This demuxer finds the frames and skips garbage.
            "aac" => None,
            "mp3" | "ac3" | "eac3" => Some(4096 + 64),
            _ if self.is_raw() => Some(64 * 1024),
            _ => None,
        }
    }

    /// Whether packets are read by an index in the order of their times, wherever they are in the file.
    pub(crate) fn has_index(&self) -> bool {
        self.format == "avi" || self.format.starts_with("mov,")
    }

    /// Whether the declared length is a number of samples that the encoder counted.
    pub(crate) fn counts_samples(&self) -> bool {
        matches!(self.format.as_str(), "flac" | "mp3" | "tta" | "ape" | "wv" | "mpc" | "mpc8" | "aiff")
    }

    /// The same facts for each track that may be taken, in the order to try them.
    pub(crate) fn with_each_track(&self) -> impl Iterator<Item = Self> {
        [&self.track]
            .into_iter()
            .chain(&self.others)
            .map(|track| Self { track: track.clone(), ..self.clone() })
    }
}
