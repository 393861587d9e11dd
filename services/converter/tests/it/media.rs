//! Media for these tests only. The usual kinds are in `test_kit::media::Sample`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use contracts::ConversionOptions;
use tempfile::TempDir;

/// A folder for generated media.
pub(crate) struct Workshop(TempDir);

const PICTURE: &str = "testsrc2=size=160x120:rate=10";
const TONE: &str = "aevalsrc='0.4*sin(2*PI*440*t)|0.4*sin(2*PI*554*t)':s=44100";

impl Workshop {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs FFmpeg in this folder.
    pub(crate) fn ffmpeg(&self, arguments: &[&str]) {
        let made = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y"])
            .args(arguments)
            .current_dir(self.0.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(made.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&made.stderr));
    }

    /// A picture and two tones of this length. The name's extension decides the container.
    pub(crate) fn video(&self, name: &str, seconds: &str, codecs: &[&str]) -> PathBuf {
        let inputs = ["-f", "lavfi", "-i", PICTURE, "-f", "lavfi", "-i", TONE, "-t", seconds];
        self.ffmpeg(&[&inputs[..], codecs, &["-pix_fmt", "yuv420p", name]].concat());
        self.path(name)
    }

    /// A picture without audio.
    pub(crate) fn silent(&self, name: &str, seconds: &str) -> PathBuf {
        self.ffmpeg(&["-f", "lavfi", "-i", PICTURE, "-t", seconds, "-c:v", "mpeg4", name]);
        self.path(name)
    }

    /// Audio alone: the output of a source filter.
    pub(crate) fn sound(&self, name: &str, filter: &str, seconds: &str, codec: &[&str]) -> PathBuf {
        self.ffmpeg(&[&["-f", "lavfi", "-i", filter, "-t", seconds], codec, &[name]].concat());
        self.path(name)
    }

    /// Two tones alone.
    pub(crate) fn tone(&self, name: &str, seconds: &str, codec: &[&str]) -> PathBuf {
        self.sound(name, TONE, seconds, codec)
    }

    /// The same file repeated, without encoding it again.
    pub(crate) fn repeated(&self, source: &Path, times: u32, name: &str) -> PathBuf {
        let times = (times - 1).to_string();
        self.ffmpeg(&["-stream_loop", &times, "-i", source.to_str().unwrap(), "-c", "copy", name]);
        self.path(name)
    }
}

pub(crate) fn options(fields: &[(&str, &str)]) -> ConversionOptions {
    ConversionOptions::parse(fields.iter().copied()).unwrap()
}

/// ffprobe's output about a file, as lines of comma-separated values.
pub(crate) fn shown(file: &Path, entries: &str) -> String {
    let ffprobe = Command::new("ffprobe")
        .args(["-v", "error", "-of", "csv", "-show_entries", entries])
        .arg(file)
        .output()
        .unwrap();
    String::from_utf8(ffprobe.stdout).unwrap()
}

/// The samples of a file, with interleaved channels.
pub(crate) fn pcm(file: &Path) -> Vec<i16> {
    pcm_as(file, &[])
}

fn pcm_as(file: &Path, options: &[&str]) -> Vec<i16> {
    let ffmpeg = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(file)
        .args(["-map", "0:a"])
        .args(options)
        .args(["-f", "s16le", "-"])
        .output()
        .unwrap();
    ffmpeg.stdout.as_chunks().0.iter().map(|sample| i16::from_le_bytes(*sample)).collect()
}

/// How often the samples rise above zero in one second of a file.
pub(crate) fn frequency_at(file: &Path, second: usize) -> usize {
    let samples = pcm_as(file, &["-ac", "1", "-ar", "16000"]);
    let samples = &samples[(second * 16_000).min(samples.len())..((second + 1) * 16_000).min(samples.len())];
    samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count()
}

/// H.264 and AAC, with the index in front.
pub(crate) const FASTSTART: [&str; 8] =
    ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-movflags", "+faststart"];

/// The first `percent` per cent of a file.
pub(crate) fn beginning(file: &Path, percent: u64) -> Vec<u8> {
    let mut bytes = std::fs::read(file).unwrap();
    let kept = bytes.len() as u64 * percent / 100;
    bytes.truncate(usize::try_from(kept).unwrap());
    bytes
}
