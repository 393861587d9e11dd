//! What ffprobe says about a file.

use std::collections::HashMap;
use std::io;
use std::process::ExitStatus;

use contracts::{AudioTrack, FailureCode};
use jobs::SourceFacts;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;

use super::child::{Child, Ended};
use super::failure::{ConversionError, complaints};

/// Options that both programs get in front of the file: it is opened as one of these formats and as nothing else.
///
/// Playlists, scripts and session descriptions, with which a file makes FFmpeg open other files and addresses, are no
/// such formats; no protocol but `file` is left to those that can refer to others all the same.
pub(crate) const INPUT_OPTIONS: [&str; 4] = ["-protocol_whitelist", "file", "-format_whitelist", FORMATS];

const FORMATS: &str = "mov,mp4,matroska,webm,avi,flv,mpegts,mpeg,mpegvideo,asf,asf_o,ogg,mxf,rm,nut,dv,wtv,gxf,swf,ivf,\
    nsv,h264,hevc,m4v,obu,av1,wav,w64,mp3,aac,loas,ac3,eac3,dts,dtshd,truehd,mlp,flac,aiff,au,caf,amr,amrnb,amrwb,\
    wv,tta,ape,mpc,mpc8,tak,voc,oma,dsf,iff";

/// Only what is read below: the answer stays small whatever the file holds.
const ENTRIES: &str = "format=format_name,probe_score,duration:\
    stream=index,codec_name,codec_tag_string,channels,sample_rate,start_time,duration:\
    stream_disposition=default:stream_tags=language,DURATION";

/// The arguments with which ffprobe describes `file`.
pub(crate) fn arguments(file: &str) -> Vec<&str> {
    let mut arguments = vec!["-hide_banner", "-loglevel", "level+warning"];
    arguments.extend(INPUT_OPTIONS);
    arguments.extend([
        "-threads",
        "1",
        "-select_streams",
        "a",
        "-show_entries",
        ENTRIES,
        "-of",
        "json=c=1",
        file,
    ]);
    arguments
}

/// An audio file or a video with sound, and which of its tracks to take.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Probe {
    pub facts: SourceFacts,
    /// FFmpeg's name of the container.
    pub format: String,
    /// Which of the audio tracks to take, counted from 0.
    pub track: usize,
    /// The index of that track among all tracks of the file.
    pub stream: u32,
    /// Length of the track in seconds by the track's own word, not by an estimate.
    pub track_seconds: Option<f64>,
    /// Length of the whole file in seconds by its own word, which may be that of its picture.
    pub container_seconds: Option<f64>,
    /// Length in seconds for a progress bar, which an estimate is good enough for.
    pub approximate_seconds: Option<f64>,
}

impl Probe {
    /// How long the sound is, as far as the file says.
    pub(crate) fn declared_seconds(&self) -> Option<f64> {
        self.track_seconds.or(self.container_seconds)
    }
}

/// More would be no description of a file.
const MAX_ANSWER_BYTES: u64 = 4 * 1024 * 1024;

/// Reads ffprobe's answer.
pub(crate) async fn answer(mut child: Child) -> Result<Probe, ConversionError> {
    let ran = |error: io::Error| ConversionError::Run { program: "ffprobe", source: error };
    let mut json = Vec::new();
    (&mut child.stdout).take(MAX_ANSWER_BYTES).read_to_end(&mut json).await.map_err(ran)?;
    if json.len() as u64 == MAX_ANSWER_BYTES {
        return Err(ConversionError::failed(FailureCode::Damaged, "its description is too long"));
    }
    let ended = child.ended().await.map_err(ran)?;
    understand(&json, &ended)
}

fn understand(json: &[u8], Ended { status, log }: &Ended) -> Result<Probe, ConversionError> {
    if let Some(error) = ConversionError::of_the_machine("ffprobe", *status, log) {
        return Err(error);
    }
    if !status.success() {
        return Err(ConversionError::failed(refusal(*status, log), complaints(log)));
    }
    let answer: Answer = serde_json::from_slice(json)
        .map_err(|error| ConversionError::Run { program: "ffprobe", source: error.into() })?;
    // Any text has a few bytes in it that look like a frame of MP3.
    if answer.format.probe_score <= 1 {
        return Err(ConversionError::failed(FailureCode::NotAMediaFile, "recognised by chance alone"));
    }
    if answer.streams.is_empty() {
        return Err(ConversionError::failed(FailureCode::NoAudioTrack, "no audio stream"));
    }
    let track = choose_track(&answer.streams).ok_or_else(|| {
        ConversionError::failed(FailureCode::UnsupportedFormat, "no codec is known or it is encrypted")
    })?;
    let stream = &answer.streams[track];
    // FFmpeg divides the size by the bit rate where the file says nothing: far off for a variable bit rate.
    let is_estimate = log.contains("Estimating duration from bitrate");
    let (track_seconds, container_seconds) = (stream.seconds(), seconds(answer.format.duration.as_deref()));
    let declared = |seconds: Option<f64>| seconds.filter(|_| !is_estimate);
    Ok(Probe {
        facts: SourceFacts {
            duration_seconds: declared(track_seconds.or(container_seconds)),
            audio_tracks: answer.streams.iter().map(Stream::to_track).collect(),
        },
        track,
        stream: stream.index,
        track_seconds: declared(track_seconds),
        container_seconds: declared(container_seconds),
        approximate_seconds: track_seconds.or(container_seconds),
        format: answer.format.name,
    })
}

/// Why ffprobe did not open the file.
fn refusal(status: ExitStatus, log: &str) -> FailureCode {
    use std::os::unix::process::ExitStatusExt as _;

    if log.contains("not on whitelist") || log.contains("misdetection possible") {
        return FailureCode::NotAMediaFile;
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

/// The first track that a player would take by itself, of those that can be decoded.
fn choose_track(streams: &[Stream]) -> Option<usize> {
    let is_default = |index: &usize| streams[*index].disposition.default == 1;
    let mut decodable = (0..streams.len()).filter(|index| streams[*index].is_decodable());
    let first = decodable.next()?;
    if is_default(&first) { Some(first) } else { Some(decodable.find(is_default).unwrap_or(first)) }
}

#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    streams: Vec<Stream>,
    format: Format,
}

#[derive(Debug, Deserialize)]
struct Format {
    #[serde(rename = "format_name")]
    name: String,
    duration: Option<String>,
    probe_score: u32,
}

#[derive(Debug, Deserialize)]
struct Stream {
    index: u32,
    codec_name: Option<String>,
    #[serde(default)]
    codec_tag_string: String,
    sample_rate: Option<String>,
    channels: Option<u32>,
    start_time: Option<String>,
    duration: Option<String>,
    #[serde(default)]
    disposition: Disposition,
    #[serde(default)]
    tags: HashMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
struct Disposition {
    #[serde(default)]
    default: u8,
}

impl Stream {
    fn codec(&self) -> &str {
        self.codec_name.as_deref().unwrap_or("unknown")
    }

    fn is_decodable(&self) -> bool {
        // `enca` is common encryption, `drms` Apple's: there are packets, but nothing to decode in them.
        !matches!(self.codec(), "unknown" | "none")
            && !matches!(self.codec_tag_string.as_str(), "enca" | "drms")
    }

    /// Length in seconds, from the tag that Matroska files carry or else from the stream's header.
    fn seconds(&self) -> Option<f64> {
        let tagged = self.tags.get("DURATION").and_then(|text| clock_time(text)).map(|end| {
            // The tag says where the track ends on the file's clock, also for a track that begins late.
            let start = self.start_time.as_deref().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
            (end - start.max(0.0)).max(0.0)
        });
        tagged.or_else(|| seconds(self.duration.as_deref()))
    }

    fn to_track(&self) -> AudioTrack {
        let language = self.tags.get("language").filter(|language| *language != "und");
        AudioTrack {
            codec: self.codec().to_owned(),
            channels: self.channels.unwrap_or(0),
            sample_rate_hz: self.sample_rate.as_deref().and_then(|rate| rate.parse().ok()).unwrap_or(0),
            // Three letters, or a tag such as `pt-BR`; anything longer is no language.
            language: language.filter(|language| language.len() <= 16).cloned(),
        }
    }
}

fn seconds(text: Option<&str>) -> Option<f64> {
    text?.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0)
}

/// `HH:MM:SS.fraction` in seconds.
fn clock_time(text: &str) -> Option<f64> {
    let mut parts = text.trim().splitn(3, ':');
    let mut next = || parts.next()?.parse::<f64>().ok().filter(|part| part.is_finite() && *part >= 0.0);
    Some(next()? * 3600.0 + next()? * 60.0 + next()?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn probe(json: &str, log: &str) -> Result<Probe, ConversionError> {
        understand(json.as_bytes(), &Ended { status: ExitStatus::from_raw(0), log: log.to_owned() })
    }

    fn refused(log: &str) -> FailureCode {
        let ended = Ended { status: ExitStatus::from_raw(1 << 8), log: log.to_owned() };
        understand(b"{\n}", &ended).unwrap_err().code().unwrap()
    }

    const MATROSKA: &str = r#"{ "programs": [], "streams": [
        { "index": 1, "codec_name": "aac", "codec_tag_string": "[0][0][0][0]", "sample_rate": "44100", "channels": 2,
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
        assert_eq!((probe.track_seconds, probe.container_seconds), (None, None));
        assert_eq!(probe.facts.duration_seconds, None);
        assert_eq!(probe.approximate_seconds, Some(68.5));
    }

    #[test]
    fn the_default_track_is_taken_unless_it_cannot_be_decoded() {
        let tracks = |tracks: &[(&str, &str, u8)]| {
            let streams = tracks.iter().map(|(codec, tag, default)| {
                format!(r#"{{ "index": 0, "codec_name": "{codec}", "codec_tag_string": "{tag}", "disposition": {{ "default": {default} }} }}"#)
            });
            let streams = streams.collect::<Vec<_>>().join(",");
            probe(
                &format!(
                    r#"{{ "streams": [{streams}], "format": {{ "format_name": "mov", "probe_score": 100 }} }}"#
                ),
                "",
            )
        };
        let chosen = |list: &[(&str, &str, u8)]| tracks(list).unwrap().track;
        assert_eq!(chosen(&[("ac3", "", 0), ("aac", "", 0)]), 0);
        assert_eq!(chosen(&[("ac3", "", 0), ("aac", "", 1)]), 1);
        assert_eq!(chosen(&[("ac3", "", 1), ("aac", "", 1)]), 0);
        assert_eq!(chosen(&[("unknown", "", 1), ("aac", "", 0)]), 1);
        assert_eq!(chosen(&[("aac", "enca", 1), ("aac", "mp4a", 0)]), 1);
        let error = tracks(&[("unknown", "apac", 1)]).unwrap_err();
        assert_eq!(error.code(), Some(FailureCode::UnsupportedFormat));
    }

    #[test]
    fn a_file_without_audio_is_told_from_one_that_is_no_media() {
        let silent =
            r#"{ "streams": [], "format": { "format_name": "mov", "duration": "1.0", "probe_score": 100 } }"#;
        assert_eq!(probe(silent, "").unwrap_err().code(), Some(FailureCode::NoAudioTrack));
        let chance = r#"{ "streams": [{ "index": 0, "codec_name": "mp3" }], "format": { "format_name": "mp3", "probe_score": 1 } }"#;
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
                "[mov,mp4 @ 0x5] [error] moov atom not found\n[error] file:source: Invalid data found when processing input"
            ),
            FailureCode::Damaged
        );
        assert_eq!(refused("[error] file:source: End of file"), FailureCode::Damaged);
    }
}
