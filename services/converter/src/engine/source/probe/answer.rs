//! ffprobe's answer about a file, not yet interpreted.

use std::collections::HashMap;
use std::str::FromStr;

use contracts::AudioTrack;
use serde::Deserialize;

use super::Track;
use crate::engine::ffmpeg::restrictions;
use crate::engine::sound::Layout;
use crate::engine::source::description::{Chapter, PictureStream};
use crate::engine::source::tracks::{Disposition, Role, TrackFacts};

/// The answer.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Answer {
    #[serde(default)]
    pub(super) streams: Vec<Stream>,
    #[serde(default)]
    pub(super) chapters: Vec<ProbedChapter>,
    pub(super) format: Format,
    #[serde(skip)]
    pub(super) is_estimate: bool,
}

impl Answer {
    pub(crate) fn is_mp4(&self) -> bool {
        self.format.name.starts_with("mov,")
    }

    /// Whether audio may begin after the probed part: these formats announce a track only where it begins.
    pub(crate) fn may_begin_late(&self) -> bool {
        let tells_late =
            matches!(self.format.name.as_str(), "mpegts" | "mpeg" | "flv" | "wtv" | "nut" | "swf");
        let mut audio = self.streams.iter().filter(|stream| stream.codec_type == "audio").peekable();
        let has_video = self.streams.iter().any(|stream| stream.codec_type == "video");
        let is_unseen = |stream: &Stream| stream.sample_rate_hz() == 0 || stream.channels.unwrap_or(0) == 0;
        tells_late && has_video && (audio.peek().is_none() || audio.any(is_unseen))
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Format {
    #[serde(rename = "format_name")]
    pub(super) name: String,
    pub(super) start_time: Option<String>,
    pub(super) duration: Option<String>,
    pub(super) probe_score: u32,
    #[serde(default)]
    pub(super) tags: HashMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ProbedChapter {
    pub(super) start_time: String,
    pub(super) end_time: String,
    #[serde(default)]
    pub(super) tags: HashMap<String, String>,
}

impl ProbedChapter {
    pub(super) fn understood(mut self, file_start_seconds: f64) -> Option<Chapter> {
        let on_clock = |time: &str| number(Some(time)).map(|time: f64| time - file_start_seconds);
        Some(Chapter {
            start_seconds: on_clock(&self.start_time)?,
            end_seconds: on_clock(&self.end_time)?,
            title: self.tags.remove("title"),
        })
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Stream {
    pub(super) index: u32,
    #[serde(default)]
    pub(super) codec_type: String,
    pub(super) codec_name: Option<String>,
    #[serde(default)]
    pub(super) codec_tag_string: String,
    pub(super) sample_rate: Option<String>,
    pub(super) channels: Option<u32>,
    pub(super) channel_layout: Option<String>,
    pub(super) sample_fmt: Option<String>,
    pub(super) bits_per_raw_sample: Option<String>,
    pub(super) bit_rate: Option<String>,
    pub(super) start_time: Option<String>,
    pub(super) duration: Option<String>,
    #[serde(default)]
    pub(super) width: u32,
    #[serde(default)]
    pub(super) height: u32,
    #[serde(default)]
    pub(super) disposition: Disposition,
    #[serde(default)]
    pub(super) tags: HashMap<String, String>,
    /// Its decoder refuses it, although there is one for its codec.
    #[serde(skip)]
    pub(super) is_refused: bool,
}

impl Stream {
    pub(super) fn codec(&self) -> &str {
        self.codec_name.as_deref().unwrap_or("unknown")
    }

    pub(super) fn is_decodable(&self) -> bool {
        // `enca` is common encryption, `drms` is Apple's: there are packets, but they cannot be decoded.
        let is_known = restrictions::is_decodable(self.codec()) && !self.is_refused;
        is_known && !matches!(self.codec_tag_string.as_str(), "enca" | "drms")
    }

    /// Length in seconds, from Matroska's tag or else from the stream's header.
    pub(super) fn seconds(&self) -> Option<f64> {
        let tagged = self.tags.get("DURATION").and_then(|text| clock_time(text)).map(|end| {
            // The tag holds the track's end on the file's clock, even for a track that begins late.
            let start = self.start_time.as_deref().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
            (end - start.max(0.0)).max(0.0)
        });
        tagged.or_else(|| seconds(self.duration.as_deref()))
    }

    pub(super) fn is_cover(&self) -> bool {
        self.codec_type == "video" && self.disposition.attached_pic == 1
    }

    pub(super) fn sample_rate_hz(&self) -> u32 {
        number(self.sample_rate.as_deref()).unwrap_or(0)
    }

    /// A tag's value. Some containers have tag names in capitals.
    pub(super) fn tag(&self, name: &str) -> Option<&String> {
        self.tags.iter().find_map(|(found, text)| found.eq_ignore_ascii_case(name).then_some(text))
    }

    /// Three letters, or a tag such as `pt-BR`. A longer text is not a language.
    pub(super) fn language(&self) -> Option<&String> {
        self.tag("language").filter(|language| *language != "und" && language.len() <= 35)
    }

    pub(super) fn to_facts(&self) -> TrackFacts {
        // MP4 stores a track's name in the field for the name of a program.
        let names =
            ["title", "handler_name"].into_iter().filter_map(|name| self.tag(name)).map(String::as_str);
        TrackFacts {
            index: self.index,
            codec: self.codec().to_owned(),
            is_decodable: self.is_decodable(),
            channels: self.channels.unwrap_or(0),
            sample_rate_hz: self.sample_rate_hz(),
            language: self.language().cloned(),
            is_default: self.disposition.default == 1,
            role: Role::of(&self.disposition, names),
        }
    }

    pub(super) fn to_picture(&self) -> PictureStream {
        PictureStream {
            index: self.index,
            width: self.width,
            height: self.height,
            comment: self.tag("comment").cloned(),
            file_name: self.tag("filename").cloned(),
        }
    }

    pub(super) fn to_audio_track(&self) -> AudioTrack {
        AudioTrack {
            codec: self.codec().to_owned(),
            channels: self.channels.unwrap_or(0),
            sample_rate_hz: self.sample_rate_hz(),
            language: self.language().cloned(),
        }
    }

    pub(super) fn to_track(&self, place: usize, file_start_seconds: f64) -> Track {
        let codec = self.codec();
        // Decoders of lossy formats return floating point for any recording.
        let is_exact = codec.starts_with("pcm_")
            || matches!(codec, "flac" | "alac" | "wavpack" | "tta" | "ape" | "truehd" | "mlp");
        let is_float =
            self.sample_fmt.as_deref().is_some_and(|name| name.starts_with("flt") || name.starts_with("dbl"));
        let bits: u32 = number(self.bits_per_raw_sample.as_deref()).unwrap_or(0);
        Track {
            place,
            index: self.index,
            codec: codec.to_owned(),
            channels: self.channels.unwrap_or(0),
            sample_rate_hz: self.sample_rate_hz(),
            layout: self
                .channel_layout
                .as_deref()
                .and_then(Layout::of_name)
                .or_else(|| Layout::of_count(self.channels.unwrap_or(0))),
            is_deep: is_exact && (is_float || bits > 16),
            is_float: is_exact && is_float,
            bitrate_bps: number(self.bit_rate.as_deref()),
            start_seconds: number(self.start_time.as_deref())
                .map_or(0.0, |start: f64| start - file_start_seconds),
            clock_seconds: 0.0,
            seconds: self.seconds(),
        }
    }
}

pub(super) fn number<T: FromStr>(text: Option<&str>) -> Option<T> {
    text?.parse().ok()
}

pub(super) fn seconds(text: Option<&str>) -> Option<f64> {
    text?.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0)
}

/// `HH:MM:SS.fraction` in seconds.
pub(super) fn clock_time(text: &str) -> Option<f64> {
    let mut parts = text.trim().splitn(3, ':');
    let mut next = || parts.next()?.parse::<f64>().ok().filter(|part| part.is_finite() && *part >= 0.0);
    Some(next()? * 3600.0 + next()? * 60.0 + next()?)
}
