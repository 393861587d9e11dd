use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use tokio::process::Command;
use tokio::time::timeout;

use crate::project::find_program;

/// What ffprobe says about a file.
#[derive(Debug, Clone)]
pub struct Description {
    /// FFmpeg's name of the container.
    pub format: String,
    /// How certain FFmpeg is of the format, up to 100.
    pub probe_score: u32,
    /// The audio's declared length, or else the file's.
    pub declared_seconds: Option<f64>,
    /// Its audio tracks.
    pub tracks: Vec<Track>,
}

/// An audio track.
#[derive(Debug, Clone)]
pub struct Track {
    /// Its place among the audio tracks.
    pub place: usize,
    /// FFmpeg's name of the codec.
    pub codec: String,
    /// Samples per second.
    pub sample_rate_hz: u32,
    /// Number of channels.
    pub channels: usize,
    pub(super) file_begins_at_seconds: f64,
    is_default: bool,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    streams: Vec<Stream>,
    format: Format,
}

#[derive(Deserialize)]
struct Format {
    #[serde(rename = "format_name")]
    name: String,
    probe_score: u32,
    start_time: Option<String>,
    duration: Option<String>,
}

#[derive(Deserialize)]
struct Stream {
    codec_name: Option<String>,
    sample_rate: Option<String>,
    channels: Option<usize>,
    duration: Option<String>,
    disposition: Disposition,
}

#[derive(Deserialize)]
struct Disposition {
    default: u8,
}

const ENTRIES: &str = "format=format_name,probe_score,start_time,duration\
    :stream=codec_name,sample_rate,channels,duration:stream_disposition=default";

impl Description {
    /// Runs ffprobe. `None` if it does not recognise the file.
    ///
    /// # Errors
    /// ffprobe cannot be run or does not end.
    pub async fn of(file: &Path) -> Result<Option<Self>> {
        let mut command = Command::new(find_program("ffprobe")?);
        command.args(["-v", "error", "-select_streams", "a", "-show_entries", ENTRIES, "-of", "json"]);
        let answer = timeout(Duration::from_mins(1), command.arg(file).kill_on_drop(true).output()).await;
        let answer = answer.context("ffprobe does not end")?.context("could not run ffprobe")?;
        let Ok(answer) = serde_json::from_slice::<Answer>(&answer.stdout) else { return Ok(None) };
        let file_begins_at_seconds = number(answer.format.start_time.as_deref()).unwrap_or(0.0);
        let track = |(place, stream): (usize, &Stream)| Track {
            place,
            codec: stream.codec_name.clone().unwrap_or_default(),
            sample_rate_hz: number(stream.sample_rate.as_deref()).unwrap_or(0),
            channels: stream.channels.unwrap_or(0),
            file_begins_at_seconds,
            is_default: stream.disposition.default == 1,
        };
        let tracks: Vec<Track> = answer.streams.iter().enumerate().map(track).collect();
        let usual = usual(&tracks).and_then(|track| number(answer.streams[track.place].duration.as_deref()));
        Ok(Some(Self {
            format: answer.format.name,
            probe_score: answer.format.probe_score,
            declared_seconds: usual.or_else(|| number(answer.format.duration.as_deref())),
            tracks,
        }))
    }

    /// The track that a player would choose: the first default track that can be decoded, or else the first
    /// track.
    #[must_use]
    pub fn usual_track(&self) -> Option<&Track> {
        usual(&self.tracks)
    }
}

fn usual(tracks: &[Track]) -> Option<&Track> {
    let mut known = tracks.iter().filter(|track| {
        !track.codec.is_empty() && track.codec != "none" && track.channels > 0 && track.sample_rate_hz > 0
    });
    let first = known.clone().next();
    known.find(|track| track.is_default).or(first)
}

fn number<T: std::str::FromStr>(text: Option<&str>) -> Option<T> {
    text?.parse().ok()
}
