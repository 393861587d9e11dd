//! What is to be made of a sound, as far as it can be decided once the file is probed.

use std::ops::Range;

use contracts::{
    AudioFormat, ConversionOptions, Cover, CoverSource, Encoder, FailureCode, Metadata, Position, SampleRate,
    TrackChoice,
};

use super::arguments;
use super::failure::ConversionError;
use super::loudness::Gain;
use super::probe::{Probe, Track};
use super::restrictions::Input;

/// Everything that FFmpeg is told, short of names of files.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recipe {
    pub options: ConversionOptions,
    pub track: Track,
    /// Whether the track has the file's titles, as in an Ogg file.
    pub has_titles: bool,
    /// Whether the track is taken as it is, because it is what was asked for.
    pub copies: bool,
    pub picture: Option<Picture>,
    pub gain: Option<Gain>,
    /// Whether several encoders are worth their while.
    pub is_long: bool,
}

/// Where a cover comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Picture {
    /// A picture that is embedded in the file, by its index among all tracks.
    Embedded(u32),
    /// A frame of the video.
    Frame(Position),
}

/// One FFmpeg that does everything, or one that decodes and several that encode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    Plain,
    Parallel,
}

impl Recipe {
    /// What it will probably be, before the file is probed; `None` if that cannot be told.
    pub(crate) fn guess(options: &ConversionOptions, is_long: bool) -> Option<Self> {
        let place = match options.track {
            Some(TrackChoice::Index(index)) => usize::from(index),
            Some(TrackChoice::Language(_) | TrackChoice::All(_)) => return None,
            None => 0,
        };
        if options.normalize.is_some() || options.cover.position().is_some() {
            return None;
        }
        let track = Track::usual(place);
        Some(Self {
            options: options.clone(),
            copies: is_copy_enough(options, &track),
            track,
            has_titles: false,
            picture: None,
            gain: None,
            is_long,
        })
    }

    /// What it is, but for the gain, which takes a measurement.
    pub(crate) fn of(
        options: &ConversionOptions,
        probe: &Probe,
        is_long: impl Fn(Option<f64>) -> bool,
    ) -> Result<Self, ConversionError> {
        let mut recipe = Self {
            options: options.clone(),
            track: probe.track.clone(),
            has_titles: probe.format == "ogg",
            copies: is_copy_enough(options, &probe.track),
            picture: picture(options, probe),
            gain: None,
            is_long: false,
        };
        let begin = probe.track.start_seconds;
        let is_outside = |seconds| recipe.selected_seconds(seconds, begin) <= 0.0;
        if recipe.selects() && probe.declared_seconds().is_some_and(is_outside) {
            return Err(ConversionError::failed(
                FailureCode::EmptySelection,
                "there is no sound in the selection",
            ));
        }
        recipe.is_long =
            is_long(probe.approximate_seconds.map(|seconds| recipe.selected_seconds(seconds, begin)));
        Ok(recipe)
    }

    /// The same, but that the sound is encoded.
    pub(crate) fn without_copying(self) -> Self {
        Self { copies: false, ..self }
    }

    /// Whether work that was begun by this recipe can go on by the other.
    pub(crate) fn begins_like(&self, other: &Self) -> bool {
        let input = Input { file: "", max_tracks: 0 };
        self.course() == other.course()
            && match self.course() {
                Course::Plain => arguments::whole(input, self, "") == arguments::whole(input, other, ""),
                Course::Parallel => arguments::decoder(input, self) == arguments::decoder(input, other),
            }
    }

    /// How many bytes a second of the file will have, if that is known.
    pub(crate) fn bytes_per_second(&self) -> Option<f64> {
        if self.copies {
            return None;
        }
        match (self.options.format, self.options.bitrate) {
            (_, Some(bitrate)) => Some(f64::from(bitrate.kilobits_per_second()) * 125.0),
            (AudioFormat::Wav, None) => {
                let rate = self.options.sample_rate.map_or(self.track.sample_rate_hz, SampleRate::hertz);
                let channels =
                    self.options.channels.map_or(self.track.channels, |channels| channels.count().into());
                let bytes = if self.track.is_deep { 3 } else { 2 };
                Some(f64::from(rate) * f64::from(channels) * f64::from(bytes))
            }
            (_, None) => None,
        }
    }

    /// Several encoders can make MP3s only, and only long ones are worth it.
    pub(crate) fn course(&self) -> Course {
        let is_divisible = self.options.format == AudioFormat::Mp3
            && self.options.encoder != Encoder::Sequential
            && !self.copies;
        if self.is_long && is_divisible { Course::Parallel } else { Course::Plain }
    }

    /// Whether only a part of the sound is asked for.
    pub(crate) fn selects(&self) -> bool {
        self.options.start.is_some() || self.options.end.is_some()
    }

    /// What is asked for, in seconds of the file's time.
    pub(crate) fn selection(&self) -> Range<f64> {
        let start = self.options.start.map_or(f64::NEG_INFINITY, Position::seconds);
        start..self.options.end.map_or(f64::INFINITY, Position::seconds)
    }

    /// How many seconds are asked for of a sound that begins then and is so long.
    pub(crate) fn selected_seconds(&self, seconds: f64, begin: f64) -> f64 {
        let Range { start, end } = self.selection();
        (end.min(begin + seconds) - start.max(begin)).max(0.0)
    }
}

/// Whether a track holds what was asked for already.
fn is_copy_enough(options: &ConversionOptions, track: &Track) -> bool {
    let codec = track.codec.as_str();
    let has_codec = match options.format {
        AudioFormat::Mp3 => codec == "mp3" && options.quality.is_none(),
        AudioFormat::M4a => codec == "aac",
        AudioFormat::Opus => codec == "opus",
        AudioFormat::Flac => codec == "flac",
        // It is written anew either way.
        AudioFormat::Wav => false,
    };
    let wanted = options.bitrate.map(|bitrate| u32::from(bitrate.kilobits_per_second()) * 1000);
    has_codec && (wanted.is_none() || wanted == track.bitrate_bps) && !options.change_the_sound()
}

fn picture(options: &ConversionOptions, probe: &Probe) -> Option<Picture> {
    match options.cover {
        Cover::Frame(position) => probe.has_video.then_some(Picture::Frame(position)),
        Cover::Source(CoverSource::Auto)
            if options.format.holds_a_cover() && options.metadata == Metadata::Keep =>
        {
            probe.cover.map(Picture::Embedded)
        }
        Cover::Source(CoverSource::Auto | CoverSource::None) => None,
    }
}
