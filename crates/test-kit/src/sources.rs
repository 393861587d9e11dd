//! One small file of every kind that users upload. Each moment of its audio can be recognised.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::project::find_program;

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// A name for such a file. Its extension names the container.
    pub name: &'static str,
    /// FFmpeg's options for its tracks.
    pub codecs: &'static [&'static str],
}

/// One of each kind.
pub const SOURCES: [Source; 33] = [
    Source::new("index-last.mp4", &["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"]),
    Source::new("index-first.mp4", &["-c:v", "mpeg4", "-c:a", "aac", "-movflags", "+faststart"]),
    Source::new(
        "fragments.mp4",
        &["-c:v", "mpeg4", "-g", "10", "-c:a", "aac", "-movflags", "+frag_keyframe+empty_moov"],
    ),
    Source::new("mp3.mp4", &["-c:v", "mpeg4", "-c:a", "libmp3lame"]),
    Source::new("pcm.mov", &["-c:v", "mpeg4", "-c:a", "pcm_s16le"]),
    Source::new("aac.mov", &["-c:v", "mpeg4", "-c:a", "aac"]),
    Source::new("ac3.mkv", &["-c:v", "mpeg4", "-c:a", "ac3"]),
    Source::new("aac.mkv", &["-c:v", "mpeg4", "-c:a", "aac"]),
    Source::new("flac.mkv", &["-c:v", "mpeg4", "-c:a", "flac"]),
    Source::new("opus.webm", &["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"]),
    Source::new("vorbis.webm", &["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libvorbis"]),
    Source::new("aac.ts", &["-c:v", "mpeg2video", "-r", "25", "-c:a", "aac"]),
    Source::new("mp2.ts", &["-c:v", "mpeg2video", "-r", "25", "-c:a", "mp2"]),
    Source::new("mp2.mpg", &["-c:v", "mpeg1video", "-r", "25", "-c:a", "mp2"]),
    Source::new("ac3.vob", &["-c:v", "mpeg2video", "-r", "25", "-c:a", "ac3"]),
    Source::new("mp3.flv", &["-c:v", "flv1", "-c:a", "libmp3lame"]),
    Source::new("aac.flv", &["-c:v", "flv1", "-c:a", "aac"]),
    Source::new("mp3.avi", &["-c:v", "mpeg4", "-c:a", "libmp3lame"]),
    Source::new("pcm.avi", &["-c:v", "mpeg4", "-c:a", "pcm_s16le"]),
    Source::new("wma.wmv", &["-c:v", "wmv2", "-c:a", "wmav2"]),
    Source::new("aac.3gp", &["-c:v", "mpeg4", "-c:a", "aac"]),
    Source::new("vorbis.ogv", &["-c:v", "libtheora", "-c:a", "libvorbis"]),
    Source::new("tone.ogg", &["-vn", "-c:a", "libvorbis"]),
    Source::new("tone.opus", &["-vn"]),
    Source::new("tone.mp3", &["-vn"]),
    Source::new("tone.m4a", &["-vn"]),
    Source::new("tone.flac", &["-vn"]),
    Source::new("tone.wav", &["-vn"]),
    Source::new("tone.aac", &["-vn"]),
    Source::new("tone.ac3", &["-vn"]),
    Source::new("tone.wma", &["-vn"]),
    Source::new("tone.aiff", &["-vn"]),
    Source::new("tone.caf", &["-vn"]),
];

/// Tones that rise all the time, with noise that never repeats. The right channel differs and is quieter, so
/// that swapped channels are noticed.
const SOUND: &str = "aevalsrc='0.35*sin(2*PI*(300*t+90*t*t))+0.05*(random(0)-0.5)\
    |0.12*sin(2*PI*(400*t+110*t*t))+0.05*(random(1)-0.5)':s=44100";

const PICTURE: &str = "testsrc2=size=64x48:rate=10";

impl Source {
    const fn new(name: &'static str, codecs: &'static [&'static str]) -> Self {
        Self { name, codecs }
    }

    /// The extension of its name.
    pub(crate) fn ending(self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or_default()
    }

    /// Whether it has a picture.
    #[must_use]
    pub fn has_picture(self) -> bool {
        !self.codecs.contains(&"-vn")
    }

    /// Makes such a file of that many seconds in a folder.
    ///
    /// # Errors
    /// FFmpeg is missing or fails.
    pub async fn make(self, folder: &Path, seconds: u32) -> Result<PathBuf> {
        self.make_with(folder, seconds, &[], &[]).await
    }

    /// Like [`make`](Self::make), with more FFmpeg options: for the audio input, and for the output.
    pub(crate) async fn make_with(
        self,
        folder: &Path,
        seconds: u32,
        input: &[&str],
        output: &[&str],
    ) -> Result<PathBuf> {
        let path = folder.join(self.name);
        let length = seconds.to_string();
        let mut command = Command::new(find_program("ffmpeg")?);
        command.args(["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-t", &length, "-i", PICTURE]);
        command.args(input).args(["-f", "lavfi", "-t", &length, "-i", SOUND]);
        command.args(self.codecs).args(["-pix_fmt", "yuv420p"]).args(output).arg(&path);
        let made = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
        let made = made.context("could not start FFmpeg")?;
        let complaints = String::from_utf8_lossy(&made.stderr);
        ensure!(made.status.success(), "could not make {}: {complaints}", self.name);
        Ok(path)
    }
}
