//! Interprets ffprobe's answer for the requested track.

use std::collections::HashMap;

use contracts::{FailureCode, SourceFacts, TrackChoice};

use super::answer::{Answer, Stream, number, seconds};
use super::{Probe, Track};
use crate::engine::error::ConversionError;
use crate::engine::sound::mixing;
use crate::engine::source::description::{self, Description};
use crate::engine::source::tracks;

/// Twice the highest rate of recorders. A higher one comes from a broken header.
const MAX_SAMPLE_RATE_HZ: u32 = 1_536_000;

impl Answer {
    /// The facts about the requested track.
    pub(crate) fn understood(self, choice: Option<&TrackChoice>) -> Result<Probe, ConversionError> {
        // Any text contains a few bytes that look like an MP3 frame.
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
            // In formats whose clock may be set at any time, FFmpeg's clock begins with the first track that
            // it reads.
            let begins_anew = matches!(self.format.name.as_str(), "mpegts" | "mpeg");
            let clock_seconds = if begins_anew { track.start_seconds } else { 0.0 };
            Track { seconds: declared(track.seconds), clock_seconds, ..track }
        });
        let mut track = tracks.next().ok_or_else(|| {
            ConversionError::failed(FailureCode::NoAudioTrack, "no audio stream is to be taken")
        })?;
        track.check_rate()?;
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

impl Track {
    fn check_rate(&self) -> Result<(), ConversionError> {
        if self.sample_rate_hz <= MAX_SAMPLE_RATE_HZ {
            return Ok(());
        }
        let detail = format!("its header says {} samples a second", self.sample_rate_hz);
        Err(ConversionError::failed(FailureCode::Damaged, detail))
    }
}

fn tags(tags: &HashMap<String, String>) -> Vec<(String, String)> {
    let mut tags: Vec<_> = tags.iter().map(|(name, text)| (name.clone(), text.clone())).collect();
    tags.sort_unstable();
    tags
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    use contracts::AudioTrack;

    use super::super::asking::read;
    use super::*;
    use crate::engine::ffmpeg::Ended;

    fn probe(json: &str, log: &str) -> Result<Probe, ConversionError> {
        probe_for(json, log, None)
    }

    fn probe_for(json: &str, log: &str, choice: Option<&TrackChoice>) -> Result<Probe, ConversionError> {
        let ended = Ended { status: ExitStatus::from_raw(0), log: log.to_owned() };
        read(json.as_bytes(), &ended).map_err(|refusal| refusal.error)?.understood(choice)
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
}
