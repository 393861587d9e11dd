//! The FFmpeg process that decodes one audio track and encodes it as an MP3.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;

use contracts::{ConversionOptions, FailureCode};
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::child::{Child, Ended};
use super::failure::{ConversionError, complaints};
use super::probe::INPUT_OPTIONS;

/// Names in a video's metadata that say where it was made, or how its container is laid out: nothing of that belongs
/// into the MP3. Titles, artists and the like do.
const METADATA_LEFT_OUT: [&str; 6] = [
    "location",
    "location-eng",
    "com.apple.quicktime.location.ISO6709",
    "major_brand",
    "minor_version",
    "compatible_brands",
];

/// The arguments with which FFmpeg converts audio track `track` of `input` into `output`.
pub(crate) fn arguments(input: &str, track: usize, options: ConversionOptions, output: &str) -> Vec<String> {
    let mut arguments: Vec<String> = Vec::with_capacity(64);
    let mut add = |texts: &[&str]| arguments.extend(texts.iter().map(|text| (*text).to_owned()));
    add(&["-hide_banner", "-nostdin", "-loglevel", "level+warning"]);
    add(&["-nostats", "-progress", "pipe:1", "-stats_period", "0.5"]);
    add(&INPUT_OPTIONS);
    // Encoding takes one core whatever is said here; this keeps video decoders from starting a thread for each core.
    add(&["-threads", "1", "-i", input]);
    add(&["-map", &format!("0:a:{track}"), "-map_metadata", "0"]);
    for name in METADATA_LEFT_OUT {
        add(&["-metadata", &format!("{name}=")]);
    }
    add(&["-c:a", "libmp3lame"]);
    match options {
        ConversionOptions::Quality(quality) => add(&["-q:a", &quality.level().to_string()]),
        ConversionOptions::Bitrate(bitrate) => {
            let kilobits = bitrate.kilobits_per_second();
            add(&["-b:a", &format!("{kilobits}k")]);
            if let Some(rates) = sample_rates_with(kilobits) {
                add(&["-af", &format!("aformat=sample_rates={rates}")]);
            }
        }
    }
    // ID3v2.3: version 2.4 is the newer one, but Windows and many car radios show nothing of it.
    add(&["-write_xing", "1", "-id3v2_version", "3", "-f", "mp3", "-y", output]);
    arguments
}

/// The sample rates at which a bit rate exists (ISO/IEC 13818-3, 2.4.2.3; LAME's limit for MPEG 2.5), if not at all of
/// them. Without this LAME silently takes a lower bit rate for a recording of a lower sample rate.
fn sample_rates_with(kilobits: u16) -> Option<&'static str> {
    match kilobits {
        ..=64 => None,
        65..=160 => Some("16000|22050|24000|32000|44100|48000"),
        161.. => Some("32000|44100|48000"),
    }
}

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
}

impl Encoding {
    /// Follows the encoder to its end; `on_progress` gets the seconds that are encoded, about twice a second.
    pub(crate) async fn finished(
        mut self,
        max_seconds: f64,
        mut on_progress: impl FnMut(f64),
    ) -> Result<Encoded, ConversionError> {
        let ran = |error: io::Error| ConversionError::Run { program: "ffmpeg", source: error };
        let mut lines = BufReader::new(&mut self.child.stdout).lines();
        while let Some(line) = lines.next_line().await.map_err(ran)? {
            if let Some(seconds) = encoded_seconds(&line) {
                if seconds > max_seconds {
                    return Err(ConversionError::failed(
                        FailureCode::TooLong,
                        "more was encoded than is allowed",
                    ));
                }
                on_progress(seconds);
            }
        }
        let Ended { status, log } = self.child.ended().await.map_err(ran)?;
        if let Some(error) = ConversionError::of_the_machine("ffmpeg", status, &log) {
            return Err(error);
        }
        if status.success() {
            return Ok(Encoded { output: self.output, log });
        }
        let signal = status.signal();
        let code = if signal == Some(Signal::XCPU.as_raw()) {
            FailureCode::TimedOut
        } else if signal == Some(Signal::XFSZ.as_raw()) {
            FailureCode::TooLong
        } else if log.contains("Decoder (codec") && log.contains("not found") {
            FailureCode::UnsupportedFormat
        } else {
            FailureCode::Damaged
        };
        Err(ConversionError::failed(code, format!("ffmpeg ended with {status}: {}", complaints(&log))))
    }
}

/// The value of a line of `-progress` that says how far the encoder is. It is `N/A` before the first packet.
fn encoded_seconds(line: &str) -> Option<f64> {
    let microseconds: f64 = line.strip_prefix("out_time_us=")?.trim().parse().ok()?;
    Some((microseconds / 1e6).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_arguments() {
        let line = |name, value| {
            let options = ConversionOptions::parse([(name, value)]).unwrap();
            arguments("file:source", 1, options, "file:out").join(" ")
        };
        assert!(line("quality", "V0").contains("-map 0:a:1 "));
        assert!(line("quality", "V0").contains("-c:a libmp3lame -q:a 0 -write_xing"));
        assert!(line("bitrate", "64").contains("-b:a 64k -write_xing"));
        assert!(
            line("bitrate", "320")
                .contains("-b:a 320k -af aformat=sample_rates=32000|44100|48000 -write_xing")
        );
    }

    #[test]
    fn progress_is_read_from_the_line_that_has_it() {
        assert_eq!(encoded_seconds("out_time_us=1500000"), Some(1.5));
        assert_eq!(encoded_seconds("out_time_us=-23000"), Some(0.0));
        for other in ["out_time_us=N/A", "out_time_ms=1500000", "progress=end", ""] {
            assert_eq!(encoded_seconds(other), None, "{other:?}");
        }
    }
}
