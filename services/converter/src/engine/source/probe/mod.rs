//! What ffprobe says about a file.

mod answer;
mod listing;

use std::collections::HashMap;
use std::process::ExitStatus;

use contracts::{FailureCode, SourceFacts, TrackChoice};
use tokio::io::AsyncReadExt as _;

pub(crate) use self::answer::Answer;
use self::answer::{Stream, number, seconds};

use super::description::{self, Description};
use super::tracks;
use crate::engine::error::ConversionError;
use crate::engine::ffmpeg::child::{Child, Ended};
use crate::engine::ffmpeg::complaints::{self, complaints};
use crate::engine::ffmpeg::exit::fault_of_the_machine;
use crate::engine::ffmpeg::restrictions;
use crate::engine::sound::layouts::Layout;
use crate::engine::sound::mixing::{self, Join};

/// What is read below, and all tags: which of them are kept is not for ffprobe to say.
const ENTRIES: &str = "format=format_name,probe_score,start_time,duration:format_tags:\
    stream=index,codec_type,codec_name,codec_tag_string,channels,channel_layout,sample_rate,sample_fmt,\
    bits_per_raw_sample,bit_rate,start_time,duration,width,height:\
    stream_disposition=default,attached_pic,dub,comment,karaoke,hearing_impaired,visual_impaired,clean_effects,\
    descriptions,dependent:stream_tags:chapter=start_time,end_time:chapter_tags=title";

/// What ffprobe is asked for, with bytes of old code pages as they are.
pub(crate) const SHOWN: [&str; 4] = ["-show_entries", ENTRIES, "-of", "json=c=1:sv=ignore"];

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
#[derive(Debug, Clone, PartialEq)]
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
            is_deep: false,
            is_float: false,
            bitrate_bps: None,
            start_seconds: 0.0,
            clock_seconds: 0.0,
            seconds: None,
        }
    }
}

impl Track {
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

    /// The largest frame of a raw stream whose frames FFmpeg finds itself (the standards' limits, with room for headers).
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

/// More would be no description of a file.
const MAX_ANSWER_BYTES: u64 = 4 * 1024 * 1024;

/// Why ffprobe gave no answer.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub error: ConversionError,
    /// The index of the track whose decoder refused it, if that is why.
    pub refused_track: Option<u32>,
}

impl From<ConversionError> for Refusal {
    fn from(error: ConversionError) -> Self {
        Self { error, refused_track: None }
    }
}

/// Reads ffprobe's answer.
pub(crate) async fn answer(mut child: Child) -> Result<Answer, Refusal> {
    let mut json = Vec::new();
    (&mut child.stdout)
        .take(MAX_ANSWER_BYTES)
        .read_to_end(&mut json)
        .await
        .map_err(ConversionError::ffprobe)?;
    if json.len() as u64 == MAX_ANSWER_BYTES {
        return Err(ConversionError::failed(FailureCode::Damaged, "its description is too long").into());
    }
    let ended = child.ended().await.map_err(ConversionError::ffprobe)?;
    read(&json, &ended)
}

fn read(json: &[u8], Ended { status, log }: &Ended) -> Result<Answer, Refusal> {
    if let Some(error) = fault_of_the_machine("ffprobe", *status, log) {
        return Err(error.into());
    }
    if !status.success() {
        let detail = complaints(log);
        let refused_track = refused_track(&detail);
        let error = ConversionError::failed(refusal(*status, log), detail);
        return Err(Refusal { error, refused_track });
    }
    let mut answer: Answer = serde_json::from_str(&description::valid_json(json))
        .map_err(|error| ConversionError::ffprobe(error.into()))?;
    // FFmpeg divides the size by the bit rate where the file says nothing: far off for a variable bit rate.
    answer.is_estimate = log.contains("Estimating duration from bitrate");
    Ok(answer)
}

impl Answer {
    /// What FFmpeg's log says of a file where ffprobe gave up, because a decoder refused its track.
    pub(crate) fn of_log(log: &str, refused: u32) -> Option<Self> {
        listing::read(log, refused)
    }

    /// Whether there may be sound behind what was looked at: these formats tell of tracks where they begin.
    pub(crate) fn may_begin_late(&self) -> bool {
        let tells_late =
            matches!(self.format.name.as_str(), "mpegts" | "mpeg" | "flv" | "wtv" | "nut" | "swf");
        let mut audio = self.streams.iter().filter(|stream| stream.codec_type == "audio").peekable();
        let has_video = self.streams.iter().any(|stream| stream.codec_type == "video");
        let is_unseen = |stream: &Stream| stream.sample_rate_hz() == 0 || stream.channels.unwrap_or(0) == 0;
        tells_late && has_video && (audio.peek().is_none() || audio.any(is_unseen))
    }

    /// What it says of the track that is wanted.
    pub(crate) fn understood(self, choice: Option<&TrackChoice>) -> Result<Probe, ConversionError> {
        // Any text has a few bytes in it that look like a frame of MP3.
        if self.format.probe_score <= 1 {
            return Err(ConversionError::failed(FailureCode::NotAMediaFile, "recognised by chance alone"));
        }
        let (audio, others): (Vec<_>, Vec<_>) =
            self.streams.into_iter().partition(|stream| stream.codec_type == "audio");
        if audio.is_empty() {
            return Err(ConversionError::failed(FailureCode::NoAudioTrack, "no audio stream"));
        }
        let start_seconds = number(self.format.start_time.as_deref()).unwrap_or(0.0);
        let container_seconds = seconds(self.format.duration.as_deref());
        let declared = |seconds: Option<f64>| seconds.filter(|_| !self.is_estimate);
        let facts: Vec<_> = audio.iter().map(Stream::to_facts).collect();
        let places = tracks::candidates(&facts, choice)?;
        let is_all = matches!(choice, Some(TrackChoice::All(_)));
        let join = if is_all { mixing::join_filter(&facts, &places) } else { None };
        let mut tracks = places.iter().map(|place| {
            let track = audio[*place].to_track(*place, start_seconds);
            // Where a clock may be set anew at any time, FFmpeg's begins with the first track that it reads.
            let begins_anew = matches!(self.format.name.as_str(), "mpegts" | "mpeg");
            let clock_seconds = if begins_anew { track.start_seconds } else { 0.0 };
            Track { seconds: declared(track.seconds), clock_seconds, ..track }
        });
        let mut track = tracks.next().ok_or_else(|| {
            ConversionError::failed(FailureCode::NoAudioTrack, "no audio stream is to be taken")
        })?;
        let approximate_seconds = audio[track.place].seconds().or(container_seconds);
        if let Some(join) = &join {
            track = Track::joined(join, &track);
        }
        let chapters = self.chapters.into_iter().filter_map(|chapter| chapter.understood(start_seconds));
        let description = Description::of(
            &self.format.name,
            &tags(&self.format.tags),
            &tags(&audio[track.place].tags),
            chapters.collect(),
        );
        let pictures = others.iter().filter(|stream| stream.is_cover()).map(Stream::to_picture);
        Ok(Probe {
            facts: SourceFacts {
                duration_seconds: track.seconds.or(declared(container_seconds)),
                declared_seconds: None,
                audio_tracks: audio.iter().map(Stream::to_audio_track).collect(),
            },
            others: if is_all { Vec::new() } else { tracks.collect() },
            join,
            description,
            cover: description::cover_of(&pictures.collect::<Vec<_>>()),
            has_video: others.iter().any(|stream| stream.codec_type == "video" && !stream.is_cover()),
            start_seconds,
            container_seconds: declared(container_seconds),
            approximate_seconds,
            format: self.format.name,
            track,
        })
    }
}

fn tags(tags: &HashMap<String, String>) -> Vec<(String, String)> {
    let mut tags: Vec<_> = tags.iter().map(|(name, text)| (name.clone(), text.clone())).collect();
    tags.sort_unstable();
    tags
}

/// Which track's decoder refused it, by its index.
fn refused_track(complaints: &str) -> Option<u32> {
    let (_, track) = complaints.split_once("Could not open codec for input stream ")?;
    track.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

/// Why ffprobe did not open the file.
fn refusal(status: ExitStatus, log: &str) -> FailureCode {
    use std::os::unix::process::ExitStatusExt as _;

    if let Some(code) = complaints::exceeded(log) {
        return code;
    }
    // It opens a decoder for each track, and gives up with the first.
    if complaints::is_unsupported(log) {
        return FailureCode::UnsupportedFormat;
    }
    if log.contains("misdetection possible") {
        return FailureCode::NotAMediaFile;
    }
    if let Some(format) = restrictions::refused_format(log) {
        let is_media = !restrictions::is_no_media(format);
        return if is_media { FailureCode::UnsupportedFormat } else { FailureCode::NotAMediaFile };
    }
    // A line of a demuxer means that the format was recognised. So does another complaint than this one.
    let is_recognised = log.lines().any(|line| line.starts_with('[') && line.contains(" @ 0x"));
    if status.signal().is_none() && !is_recognised && log.contains("Invalid data found when processing input")
    {
        FailureCode::NotAMediaFile
    } else {
        FailureCode::Damaged
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use contracts::AudioTrack;

    use super::*;

    fn probe(json: &str, log: &str) -> Result<Probe, ConversionError> {
        probe_for(json, log, None)
    }

    fn probe_for(json: &str, log: &str, choice: Option<&TrackChoice>) -> Result<Probe, ConversionError> {
        let ended = Ended { status: ExitStatus::from_raw(0), log: log.to_owned() };
        read(json.as_bytes(), &ended).map_err(|refusal| refusal.error)?.understood(choice)
    }

    fn refused(log: &str) -> FailureCode {
        let ended = Ended { status: ExitStatus::from_raw(1 << 8), log: log.to_owned() };
        read(b"{\n}", &ended).unwrap_err().error.code().unwrap()
    }

    const MATROSKA: &str = r#"{ "programs": [], "streams": [
        { "index": 1, "codec_type": "audio", "codec_name": "aac", "codec_tag_string": "[0][0][0][0]", "sample_rate": "44100", "channels": 2,
          "start_time": "3.000000", "disposition": { "default": 1 },
          "tags": { "language": "eng", "DURATION": "00:01:11.500000000" } } ],
        "format": { "format_name": "matroska,webm", "duration": "80.000000", "probe_score": 100 } }"#;

    #[test]
    fn a_late_track_of_matroska_is_as_long_as_its_tag_less_its_start() {
        let probe = probe(MATROSKA, "").unwrap();
        assert_eq!(probe.declared_seconds(), Some(68.5));
        assert_eq!(probe.container_seconds, Some(80.0));
        assert_eq!(
            probe.facts.audio_tracks,
            [AudioTrack {
                codec: "aac".to_owned(),
                channels: 2,
                sample_rate_hz: 44_100,
                language: Some("eng".to_owned()),
            }]
        );
    }

    #[test]
    fn an_estimated_length_serves_for_progress_alone() {
        let log = "[mp3 @ 0x55] [warning] Estimating duration from bitrate, this may be inaccurate\n";
        let probe = probe(MATROSKA, log).unwrap();
        assert_eq!((probe.track.seconds, probe.container_seconds), (None, None));
        assert_eq!(probe.facts.duration_seconds, None);
        assert_eq!(probe.approximate_seconds, Some(68.5));
    }

    #[test]
    fn the_default_track_is_taken_unless_it_cannot_be_decoded() {
        let tracks = |tracks: &[(&str, &str, u8)]| {
            let streams = tracks.iter().map(|(codec, tag, default)| {
                format!(r#"{{ "index": 0, "codec_type": "audio", "codec_name": "{codec}", "codec_tag_string": "{tag}", "disposition": {{ "default": {default} }} }}"#)
            });
            let streams = streams.collect::<Vec<_>>().join(",");
            probe(
                &format!(
                    r#"{{ "streams": [{streams}], "format": {{ "format_name": "mov", "probe_score": 100 }} }}"#
                ),
                "",
            )
        };
        let chosen = |list: &[(&str, &str, u8)]| tracks(list).unwrap().track.place;
        assert_eq!(chosen(&[("ac3", "", 0), ("aac", "", 0)]), 0);
        assert_eq!(chosen(&[("ac3", "", 0), ("aac", "", 1)]), 1);
        assert_eq!(chosen(&[("ac3", "", 1), ("aac", "", 1)]), 0);
        assert_eq!(chosen(&[("unknown", "", 1), ("aac", "", 0)]), 1);
        assert_eq!(chosen(&[("aac", "enca", 1), ("aac", "mp4a", 0)]), 1);
        let error = tracks(&[("unknown", "apac", 1)]).unwrap_err();
        assert_eq!(error.code(), Some(FailureCode::UnsupportedFormat));
    }

    #[test]
    fn a_track_is_found_by_its_place_or_its_language() {
        let tracks = r#"{ "streams": [
            { "index": 0, "codec_type": "video", "codec_name": "h264" },
            { "index": 1, "codec_type": "audio", "codec_name": "aac", "tags": { "language": "eng" } },
            { "index": 2, "codec_type": "audio", "codec_name": "unknown", "tags": { "language": "fra" } },
            { "index": 3, "codec_type": "audio", "codec_name": "ac3", "tags": { "language": "ger" } },
            { "index": 4, "codec_type": "video", "codec_name": "png", "disposition": { "attached_pic": 1 } } ],
            "format": { "format_name": "matroska", "probe_score": 100 } }"#;
        let chosen = |choice: &str| probe_for(tracks, "", Some(&choice.parse().unwrap()));
        assert_eq!(chosen("2").unwrap().track.index, 3);
        assert_eq!(chosen("GER").unwrap().track.place, 2);
        let refused = |choice: &str| chosen(choice).unwrap_err().code().unwrap();
        assert_eq!(refused("1"), FailureCode::UnsupportedFormat);
        assert_eq!(refused("fra"), FailureCode::UnsupportedFormat);
        assert_eq!(refused("3"), FailureCode::NoSuchTrack);
        assert_eq!(refused("swe"), FailureCode::NoSuchTrack);
        let probe = probe(tracks, "").unwrap();
        assert_eq!((probe.cover, probe.has_video), (Some(4), true));
    }

    #[test]
    fn a_file_without_audio_is_told_from_one_that_is_no_media() {
        let silent =
            r#"{ "streams": [], "format": { "format_name": "mov", "duration": "1.0", "probe_score": 100 } }"#;
        assert_eq!(probe(silent, "").unwrap_err().code(), Some(FailureCode::NoAudioTrack));
        let chance = r#"{ "streams": [{ "index": 0, "codec_type": "audio", "codec_name": "mp3" }], "format": { "format_name": "mp3", "probe_score": 1 } }"#;
        assert_eq!(probe(chance, "").unwrap_err().code(), Some(FailureCode::NotAMediaFile));
    }

    #[test]
    fn a_refusal_is_damage_only_where_the_format_was_recognised() {
        assert_eq!(
            refused("[error] file:source: Invalid data found when processing input"),
            FailureCode::NotAMediaFile
        );
        assert_eq!(
            refused(
                "[hls @ 0x5] [error] Format not on whitelist 'mov'\n[error] file:source: Invalid argument"
            ),
            FailureCode::NotAMediaFile
        );
        assert_eq!(
            refused(
                "[gsm @ 0x5] [error] Format not on whitelist 'mov'\n[error] file:source: Invalid argument"
            ),
            FailureCode::UnsupportedFormat
        );
        assert_eq!(
            refused(
                "[mov,mp4 @ 0x5] [error] moov atom not found\n[error] file:source: Invalid data found when processing input"
            ),
            FailureCode::Damaged
        );
        assert_eq!(refused("[error] file:source: End of file"), FailureCode::Damaged);
        assert_eq!(
            refused(
                "[aac @ 0x5] [warning] Audio object type 42 is not implemented. Update your FFmpeg version to the newest one\n[warning] Could not open codec for input stream 0"
            ),
            FailureCode::UnsupportedFormat
        );
    }
}
