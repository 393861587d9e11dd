//! Measures a finished file.

use std::ffi::OsStr;
use std::path::Path;

use contracts::{AudioFormat, FailureCode};
use tokio::task::spawn_blocking;

use crate::engine::error::ConversionError;
use crate::engine::ffmpeg::{Decoded, Place, Workshop, arguments, complaints};
use crate::engine::mp3::{MalformedAudio, MpegAudio};
use crate::engine::sound::Found;

/// A finished file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AudioFile {
    /// Its size in bytes.
    pub bytes: u64,
    /// The audio's length in seconds.
    pub duration_seconds: f64,
    /// The audio's mean bit rate, in bit/s.
    pub bitrate_bps: u32,
    /// The sums over its frames, if it is an MP3.
    pub mpeg: Option<MpegAudio>,
}

/// The most samples in a frame or packet of the format. An encoder may add as many at either end, because a
/// file has only whole ones.
fn frame_samples(format: AudioFormat) -> f64 {
    match format {
        AudioFormat::Mp3 => 1152.0,
        // With spectral band replication.
        AudioFormat::M4a => 2048.0,
        AudioFormat::Opus => 2880.0,
        AudioFormat::Flac => 4608.0,
        AudioFormat::Wav => 0.0,
    }
}

/// The tolerance for resampling and for times in milliseconds, in seconds.
const SLACK_SECONDS: f64 = 0.005;

impl Workshop<'_> {
    /// Measures a file by decoding it, and compares it with the source's audio.
    ///
    /// # Errors
    /// [`ConversionError::Measure`] and [`ConversionError::Machine`] if it contains less audio, or more.
    pub(crate) async fn verify(
        self,
        format: AudioFormat,
        file: &Path,
        found: &Found,
    ) -> Result<AudioFile, ConversionError> {
        let bytes = tokio::fs::metadata(file).await.map_err(ConversionError::Write)?.len();
        let (seconds, rate, mpeg) = if format == AudioFormat::Mp3 {
            let path = file.to_owned();
            let measured = spawn_blocking(move || MpegAudio::measure(&path)).await;
            let measured = measured.map_err(|panic| MalformedAudio::Read(panic.into())).flatten();
            let mpeg = measured.map_err(ConversionError::Measure)?;
            (mpeg.duration_seconds(), mpeg.sample_rate_hz, Some(mpeg))
        } else {
            let decoded = match self.decoded(format, file).await {
                // From very few samples, the Opus encoder makes nothing at all.
                Err(error @ ConversionError::Machine { .. })
                    if found.seconds() * 48_000.0 < frame_samples(format) =>
                {
                    let detail = format!("{:.6} s are too short for it: {error}", found.seconds());
                    return Err(ConversionError::failed(FailureCode::UnsuitableFormat, detail));
                }
                decoded => decoded?,
            };
            (decoded.seconds(), decoded.sample_rate_hz, None)
        };
        let expected = found.seconds();
        let tolerance = 2.0 * frame_samples(format) / f64::from(rate.max(1)) + SLACK_SECONDS;
        if (seconds - expected).abs() > tolerance {
            let detail = format!("its file has {seconds:.3} s of {expected:.3} s");
            return Err(ConversionError::encoder(detail));
        }
        let bitrate_bps = mpeg.map_or_else(|| mean_bitrate(bytes, expected), |mpeg| mpeg.bitrate_bps());
        Ok(AudioFile { bytes, duration_seconds: expected, bitrate_bps, mpeg })
    }

    /// Decodes a file and counts the result.
    async fn decoded(self, format: AudioFormat, file: &Path) -> Result<Decoded, ConversionError> {
        let name = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let place = Place { directory: self.directory, reads: &[name], writes: None };
        let ended = self.run_ffmpeg(arguments::verify(format, name), place).await?;
        let decoded = Decoded::read(&ended.log, 0).filter(|_| ended.status.success());
        decoded.ok_or_else(|| {
            ConversionError::encoder(format!("its file cannot be decoded: {}", complaints(&ended.log)))
        })
    }
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
