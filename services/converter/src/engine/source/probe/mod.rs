//! What ffprobe says about a file.

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

/// An audio file or a video with sound, and which of its tracks to take.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Probe {
    pub facts: SourceFacts,
    /// FFmpeg's name of the container.
    pub format: String,
    /// The audio track to take.
    pub track: Track,
    /// Those to try where it has no sound.
    pub others: Vec<Track>,
    /// The tracks that are joined, if that is asked for.
    pub join: Option<Join>,
    /// What is kept of what it says about itself.
    pub description: Description,
    /// The index among all tracks of the picture that is its cover.
    pub cover: Option<u32>,
    /// Whether there are moving pictures.
    pub has_video: bool,
    /// Where the file's clock begins.
    pub start_seconds: f64,
    /// Length of the whole file in seconds by its own word, which may be that of its picture.
    pub container_seconds: Option<f64>,
    /// Length in seconds for a progress bar, which an estimate is good enough for.
    pub approximate_seconds: Option<f64>,
}

/// What is to be known of an audio track.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Track {
    /// Its place among the audio tracks, counted from 0.
    pub place: usize,
    /// Its index among all tracks of the file.
    pub index: u32,
    /// FFmpeg's name of the codec.
    pub codec: String,
    /// Channels; 0 if not known.
    pub channels: u32,
    /// Sample rate in Hz; 0 if not known.
    pub sample_rate_hz: u32,
    /// What its channels are for, if that is known or can be guessed.
    pub layout: Option<Layout>,
    /// Whether its samples have more than 16 bits, and none of them was made up by a decoder.
    pub is_deep: bool,
    /// Whether they are in floating point as they were recorded, which has values that are no sound.
    pub is_float: bool,
    /// Bit rate in bit/s, if the file says.
    pub bitrate_bps: Option<u32>,
    /// How long after the file's beginning it begins.
    pub start_seconds: f64,
    /// Where FFmpeg's clock begins on the file's clock, if it reads nothing but this track.
    pub clock_seconds: f64,
    /// How long it is by its own word, in seconds, not by an estimate.
    pub seconds: Option<f64>,
}

impl Track {
    /// What most videos have.
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

    /// What becomes of tracks that are joined, of which this is the first.
    fn joined(join: &Join, first: &Self) -> Self {
        Self {
            codec: "joined".to_owned(),
            channels: join.channels,
            sample_rate_hz: join.sample_rate_hz,
            layout: Layout::of_count(join.channels),
            bitrate_bps: None,
            // They begin with the file, and end with the last of them.
            start_seconds: 0.0,
            seconds: None,
            ..first.clone()
        }
    }
}

impl Probe {
    /// How long the sound is, as far as the file says.
    pub(crate) fn declared_seconds(&self) -> Option<f64> {
        self.track.seconds.or(self.container_seconds)
    }

    /// Whether it is a stream without a container.
    pub(crate) fn is_raw(&self) -> bool {
        // FFmpeg calls its demuxer like its decoder.
        self.facts.audio_tracks.iter().any(|track| track.codec == self.format) || self.format == "loas"
    }

    /// The largest frame of a raw stream whose frames FFmpeg finds itself (the
    /// standards' limits, with room for headers).
    pub(crate) fn raw_frame_bytes(&self) -> Option<u64> {
        match self.format.as_str() {
            // Its demuxer finds the frames, and skips what is none.
            "aac" => None,
            "mp3" | "ac3" | "eac3" => Some(4096 + 64),
            _ if self.is_raw() => Some(64 * 1024),
            _ => None,
        }
    }

    /// Whether packets are read by an index, in the order of their times, wherever they are.
    pub(crate) fn has_index(&self) -> bool {
        self.format == "avi" || self.format.starts_with("mov,")
    }

    /// Whether the length that it declares is a number of samples that its encoder has counted.
    pub(crate) fn counts_samples(&self) -> bool {
        matches!(self.format.as_str(), "flac" | "mp3" | "tta" | "ape" | "wv" | "mpc" | "mpc8" | "aiff")
    }

    /// The same with each of the tracks that may be taken, in the order in which they are to be tried.
    pub(crate) fn with_each_track(&self) -> impl Iterator<Item = Self> {
        [&self.track]
            .into_iter()
            .chain(&self.others)
            .map(|track| Self { track: track.clone(), ..self.clone() })
    }
}
