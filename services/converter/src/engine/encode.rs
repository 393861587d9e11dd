//! The FFmpeg process that makes a whole file.

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;

use contracts::FailureCode;
use rustix::process::Signal;

use super::child::{Child, Ended};
use super::failure::{self, ConversionError, complaints};
use super::pcm;
use super::peaks::Peaks;

/// An encoder at work.
#[derive(Debug)]
pub(crate) struct Encoding {
    pub child: Child,
    pub output: PathBuf,
}

/// What an encoder that came to its end has left.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub output: PathBuf,
    pub log: String,
    /// Of what was decoded; `None` if that was nothing.
    pub peaks: Option<Peaks>,
}

/// Of decoded sound that is read at once.
const PIECE_BYTES: usize = 64 * 1024;

impl Encoding {
    /// Follows the encoder to its end by what it decodes; `on_progress` gets how many seconds that is.
    pub(crate) async fn finished(
        mut self,
        max_seconds: f64,
        mut on_progress: impl FnMut(f64),
    ) -> Result<Encoded, ConversionError> {
        let header = pcm::read_header(&mut self.child.stdout).await.map_err(ConversionError::ffmpeg)?;
        let Some(pcm::Header { format, .. }) = header else {
            // It was refused, or there is no sound in it, which is for others to judge.
            let log = log_of(self.child.ended().await.map_err(ConversionError::ffmpeg)?)?;
            return Ok(Encoded { output: self.output, log, peaks: None });
        };
        let mut peaks = Peaks::new(format);
        let sample_bytes = usize::try_from(format.bytes_per_sample()).unwrap_or(1);
        let piece_bytes = PIECE_BYTES / sample_bytes * sample_bytes;
        let mut bytes = 0;
        loop {
            let piece = pcm::read_piece(&mut self.child.stdout, piece_bytes)
                .await
                .map_err(ConversionError::ffmpeg)?;
            if piece.is_empty() {
                break;
            }
            bytes += piece.len() as u64;
            let seconds = format.seconds(bytes);
            if seconds > max_seconds {
                return Err(ConversionError::failed(
                    FailureCode::TooLong,
                    "more was decoded than is allowed",
                ));
            }
            peaks.add(&piece);
            on_progress(seconds);
        }
        let log = log_of(self.child.ended().await.map_err(ConversionError::ffmpeg)?)?;
        Ok(Encoded { output: self.output, log, peaks: Some(peaks) })
    }
}

/// The log of an FFmpeg that succeeded in working on a stranger's file, or why it did not.
pub(crate) fn log_of(Ended { status, log }: Ended) -> Result<String, ConversionError> {
    if let Some(error) = ConversionError::of_the_machine("ffmpeg", status, &log) {
        return Err(error);
    }
    if status.success() {
        return Ok(log);
    }
    let signal = status.signal();
    let code = if signal == Some(Signal::XCPU.as_raw()) {
        FailureCode::TimedOut
    } else if signal == Some(Signal::XFSZ.as_raw()) {
        FailureCode::AudioTooLarge
    } else if let Some(code) = failure::exceeded(&log) {
        code
    } else if is_unsupported(&log) {
        FailureCode::UnsupportedFormat
    } else {
        FailureCode::Damaged
    };
    Err(ConversionError::failed(code, format!("ffmpeg ended with {status}: {}", complaints(&log))))
}

/// Whether there is no decoder for the track, or none that is used, or no way to make stereo of its channels.
fn is_unsupported(log: &str) -> bool {
    log.contains("Decoder (codec") && log.contains("not found")
        || log.contains("Error reinitializing filters")
        || log.contains("Error while opening decoder") && log.contains("not on whitelist")
}
