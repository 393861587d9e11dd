//! What a finished file really holds.

use contracts::AudioFormat;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;

use super::child::Child;
use super::failure::{ConversionError, complaints};
use super::mpeg_frames::MpegAudio;

/// A finished file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AudioFile {
    /// Its size in bytes.
    pub bytes: u64,
    /// How long its sound is, in seconds.
    pub duration_seconds: f64,
    /// The mean bit rate of its sound, in bit/s.
    pub bitrate_bps: u32,
    /// What its frames add up to, if it is an MP3.
    pub mpeg: Option<MpegAudio>,
}

impl From<MpegAudio> for AudioFile {
    fn from(mpeg: MpegAudio) -> Self {
        Self {
            bytes: mpeg.file_bytes,
            duration_seconds: mpeg.duration_seconds(),
            bitrate_bps: mpeg.bitrate_bps(),
            mpeg: Some(mpeg),
        }
    }
}

/// What ffprobe is asked about a file of ours that is no MP3.
pub(crate) fn arguments(format: AudioFormat, name: &str) -> Vec<String> {
    let demuxer = match format {
        AudioFormat::Mp3 => "mp3",
        AudioFormat::M4a => "mov",
        AudioFormat::Opus => "ogg",
        AudioFormat::Flac => "flac",
        AudioFormat::Wav => "wav",
    };
    let show = ["-show_entries", "format=duration,size", "-of", "json=c=1"].map(str::to_owned);
    let open = ["-protocol_whitelist", "file", "-f", demuxer].map(str::to_owned);
    show.into_iter().chain(open).chain([format!("file:{name}")]).collect()
}

#[derive(Deserialize)]
struct Answer {
    format: Format,
}

#[derive(Deserialize)]
struct Format {
    duration: Option<String>,
    size: String,
}

/// Reads ffprobe's answer.
pub(crate) async fn measure(mut child: Child) -> Result<AudioFile, ConversionError> {
    const MAX_ANSWER_BYTES: u64 = 64 * 1024;
    let mut json = Vec::new();
    (&mut child.stdout)
        .take(MAX_ANSWER_BYTES)
        .read_to_end(&mut json)
        .await
        .map_err(ConversionError::ffprobe)?;
    let ended = child.ended().await.map_err(ConversionError::ffprobe)?;
    let unreadable = || ConversionError::Machine {
        program: "ffmpeg",
        detail: format!("its file cannot be read: {}", complaints(&ended.log)),
    };
    let answer: Answer = serde_json::from_slice(&json).map_err(|_| unreadable())?;
    let bytes: u64 = answer.format.size.parse().map_err(|_| unreadable())?;
    // A file without sound does not say how long it is.
    let seconds = answer.format.duration.and_then(|text| text.parse().ok()).filter(|seconds| *seconds > 0.0);
    let duration_seconds: f64 = seconds.unwrap_or(0.0);
    Ok(AudioFile { bytes, duration_seconds, bitrate_bps: mean_bitrate(bytes, duration_seconds), mpeg: None })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a rate in bit/s, which saturates"
)]
fn mean_bitrate(bytes: u64, seconds: f64) -> u32 {
    if seconds > 0.0 { (bytes as f64 * 8.0 / seconds).round() as u32 } else { 0 }
}
