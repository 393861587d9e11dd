//! The plan of a conversion, as far as it can be decided once the file is probed.

use std::ops::Range;

use contracts::{
    AudioFormat, Channels, ConversionOptions, Cover, CoverSource, Encoder, Metadata, Position, SampleRate,
    TrackChoice,
};

use crate::engine::sound::{Gain, Join, Layout, MOST_NAMED_CHANNELS};
use crate::engine::source::{Description, Probe, Track};

/// Everything that FFmpeg's arguments say, except file names.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Recipe {
    pub options: ConversionOptions,
    pub track: Track,
    /// The filter graph for several tracks that are joined.
    pub join: Option<Join>,
    pub description: Description,
    /// Whether the track is copied because it already has the requested format.
    pub copies: bool,
    pub picture: Option<Picture>,
    pub gain: Option<Gain>,
    /// Whether several encoders pay off.
    pub is_long: bool,
}

/// The source of a cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Picture {
    /// An embedded picture, by its index among all tracks.
    Embedded(u32),
    /// A frame of the video.
    Frame(Position),
}

/// Which process makes the file of the decoded audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// The decoder, beside decoding.
    Copy,
    /// One encoder that writes the whole file.
    Whole,
    /// One encoder of MP3 frames.
    Frames,
    /// Several encoders of MP3 frames that take turns.
    Segments,
}

impl Recipe {
    /// The probable recipe, before the file is probed. `None`: the options do not allow a guess.
    pub(crate) fn guess(options: &ConversionOptions) -> Option<Self> {
        let is_telling = matches!(options.track, None | Some(TrackChoice::Index(_)));
        let recipe = Self::usual(options);
        // An end of the selection depends on the file's clock, which is not known yet.
        let is_telling = is_telling && options.end.is_none();
        (is_telling && options.normalize.is_none() && !is_copy_enough(options, &recipe.track))
            .then_some(recipe)
    }

    /// The recipe that fits most videos.
    pub(crate) fn usual(options: &ConversionOptions) -> Self {
        let place = match options.track {
            Some(TrackChoice::Index(index)) => usize::from(index),
            Some(TrackChoice::Language(_) | TrackChoice::All(_)) | None => 0,
        };
        Self { options: options.clone(), track: Track::usual(place), ..Self::default() }
    }

    /// The recipe without the gain, which needs a measurement.
    pub(crate) fn of(
        options: &ConversionOptions,
        probe: &Probe,
        is_long: impl Fn(Option<f64>) -> bool,
    ) -> Self {
        let mut recipe = Self {
            options: options.clone(),
            track: probe.track.clone(),
            join: probe.join.clone(),
            description: probe.description.clone().with_options(options),
            copies: is_copy_enough(options, &probe.track),
            picture: picture(options, probe),
            ..Self::default()
        };
        let seconds = |seconds| recipe.selected_seconds(seconds, probe.track.start_seconds);
        recipe.is_long = is_long(probe.approximate_seconds.map(seconds));
        recipe
    }

    /// The audio tracks in it, counted from 0.
    pub(crate) fn tracks(&self) -> Vec<u16> {
        let places = self.join.as_ref().map_or_else(|| vec![self.track.place], |join| join.places.clone());
        places.into_iter().filter_map(|place| u16::try_from(place).ok()).collect()
    }

    /// The number of channels if they are mixed to two, because formats have no names for so many.
    pub(crate) fn mixed_channels(&self) -> Option<u32> {
        let is_nameless = self.track.channels > MOST_NAMED_CHANNELS;
        (is_nameless && self.options.format != AudioFormat::Wav).then_some(self.track.channels)
    }

    /// The layouts that the decoded audio may have. `None`: that of the track.
    pub(crate) fn layouts(&self) -> Option<&'static str> {
        match (self.options.channels.map(Channels::count), self.track.layout) {
            (Some(1), _) => Some("mono"),
            (Some(_), _) => Some("stereo"),
            (None, Some(layout)) if layout.channels() > 2 && self.options.format != AudioFormat::Mp3 => {
                Some(layout.held_by(self.options.format).name)
            }
            (None, None)
                if self.options.format == AudioFormat::Wav && self.track.channels > MOST_NAMED_CHANNELS =>
            {
                None
            }
            (None, _) => Some("mono|stereo"),
        }
    }

    /// The layout of decoded audio with that many channels.
    pub(crate) fn layout(&self, channels: u16) -> Option<Layout> {
        self.layouts().and_then(Layout::of_name).or_else(|| Layout::of_count(channels.into()))
    }

    /// The size of a second of the file in bytes, if known.
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

    pub(crate) fn course(&self) -> Course {
        let is_divisible = self.is_long && self.options.encoder != Encoder::Sequential;
        match self.options.format {
            _ if self.copies => Course::Copy,
            AudioFormat::Mp3 if is_divisible => Course::Segments,
            AudioFormat::Mp3 => Course::Frames,
            AudioFormat::M4a | AudioFormat::Opus | AudioFormat::Flac | AudioFormat::Wav => Course::Whole,
        }
    }

    /// The selected range in seconds on the file's clock.
    pub(crate) fn selection(&self) -> Range<f64> {
        let start = self.options.start.map_or(f64::NEG_INFINITY, Position::seconds);
        start..self.options.end.map_or(f64::INFINITY, Position::seconds)
    }

    /// How many seconds are selected of audio that begins at `begin` and lasts `seconds`.
    pub(crate) fn selected_seconds(&self, seconds: f64, begin: f64) -> f64 {
        let Range { start, end } = self.selection();
        (end.min(begin + seconds) - start.max(begin)).max(0.0)
    }
}

/// Whether a track already has the requested format and options.
fn is_copy_enough(options: &ConversionOptions, track: &Track) -> bool {
    let codec = track.codec.as_str();
    let has_codec = match options.format {
        AudioFormat::Mp3 => codec == "mp3" && options.quality.is_none(),
        AudioFormat::M4a => codec == "aac",
        AudioFormat::Opus => codec == "opus",
        AudioFormat::Flac => codec == "flac",
        // A copy gains nothing: WAV is written again in both cases.
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
