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
    let mut arguments = input_arguments(input);
    let mut add = |texts: &[&str]| arguments.extend(texts.iter().map(|text| (*text).to_owned()));
    add(&["-nostats", "-progress", "pipe:1", "-stats_period", "0.5"]);
    add(&["-map", &format!("0:a:{track}")]);
    arguments.extend(metadata_arguments());
    arguments.extend(quality_arguments(options));
    let mut add = |texts: &[&str]| arguments.extend(texts.iter().map(|text| (*text).to_owned()));
    if let Some(rates) = sample_rates(options) {
        add(&["-af", &format!("aformat=sample_rates={rates}")]);
    }
    add(&["-write_xing", "1"]);
    add(&TAG_VERSION);
    add(&["-f", "mp3", "-y", output]);
    arguments
}

/// ID3v2.3: version 2.4 is the newer one, but Windows and many car radios show nothing of it.
pub(crate) const TAG_VERSION: [&str; 2] = ["-id3v2_version", "3"];

/// How FFmpeg opens a stranger's file.
pub(crate) fn input_arguments(input: &str) -> Vec<String> {
    let mut arguments = vec!["-hide_banner", "-nostdin", "-loglevel", "level+warning"];
    arguments.extend(INPUT_OPTIONS);
    // Encoding takes one core whatever is said here; this keeps video decoders from starting a thread for each core.
    arguments.extend(["-threads", "1", "-i", input]);
    arguments.into_iter().map(str::to_owned).collect()
}

/// Which of the input's metadata the MP3 gets.
pub(crate) fn metadata_arguments() -> Vec<String> {
    let left_out = METADATA_LEFT_OUT.iter().flat_map(|name| ["-metadata".to_owned(), format!("{name}=")]);
    ["-map_metadata".to_owned(), "0".to_owned()].into_iter().chain(left_out).collect()
}

/// What LAME is told.
pub(crate) fn quality_arguments(options: ConversionOptions) -> Vec<String> {
    let (name, value) = match options {
        ConversionOptions::Quality(quality) => ("-q:a", quality.level().to_string()),
        ConversionOptions::Bitrate(bitrate) => ("-b:a", format!("{}k", bitrate.kilobits_per_second())),
    };
    vec!["-c:a".to_owned(), "libmp3lame".to_owned(), name.to_owned(), value]
}

/// The sample rates that the MP3 may have, if they are not left to FFmpeg.
pub(crate) fn sample_rates(options: ConversionOptions) -> Option<&'static str> {
    match options {
        ConversionOptions::Quality(_) => None,
        ConversionOptions::Bitrate(bitrate) => sample_rates_with(bitrate.kilobits_per_second()),
    }
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
        let log = log_of(self.child.ended().await.map_err(ran)?)?;
        Ok(Encoded { output: self.output, log })
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
        FailureCode::TooLong
    } else if log.contains("Decoder (codec") && log.contains("not found") {
        FailureCode::UnsupportedFormat
    } else {
        FailureCode::Damaged
    };
    Err(ConversionError::failed(code, format!("ffmpeg ended with {status}: {}", complaints(&log))))
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
