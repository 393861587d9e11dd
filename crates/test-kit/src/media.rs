//! Sample media made by FFmpeg: a test picture and a sine tone. Each is made once per target folder and
//! reused.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::NamedTempFile;
use tokio::process::Command;

use crate::project::find_program;

/// The kinds of media that users upload, and some that they should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sample {
    /// H.264 and AAC in MP4, with the index in front.
    Mp4,
    /// VP9 and Opus in `WebM`.
    Webm,
    /// H.264 and AC-3 in Matroska.
    Mkv,
    /// H.264 and uncompressed PCM in `QuickTime`.
    Mov,
    /// MPEG-4 and MP3 in AVI: the audio is already an MP3.
    Avi,
    /// A video without an audio track.
    Silent,
    /// A Matroska file that ends in the middle of its data.
    Truncated,
    /// Not a media file.
    Text,
}

impl Sample {
    /// The usual extension of such a file.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Mp4 | Self::Silent => "mp4",
            Self::Webm => "webm",
            Self::Mkv | Self::Truncated => "mkv",
            Self::Mov => "mov",
            Self::Avi => "avi",
            Self::Text => "txt",
        }
    }

    /// The file, made on first use.
    ///
    /// # Panics
    /// FFmpeg is missing or fails: a test cannot continue without its media.
    pub async fn file(self, length: Duration) -> PathBuf {
        match self.cached(length).await {
            Ok(path) => path,
            Err(error) => panic!("could not make the sample {self:?}: {error:#}"),
        }
    }

    /// The file's bytes.
    ///
    /// # Panics
    /// Like [`file`](Self::file).
    pub async fn bytes(self, length: Duration) -> Vec<u8> {
        let path = self.file(length).await;
        match tokio::fs::read(&path).await {
            Ok(bytes) => bytes,
            Err(error) => panic!("could not read {}: {error}", path.display()),
        }
    }

    async fn cached(self, length: Duration) -> Result<PathBuf> {
        let folder = cache_folder()?;
        let name = format!("{self:?}-{}ms.{}", length.as_millis(), self.extension()).to_lowercase();
        let path = folder.join(name);
        if !path.exists() {
            // Another test may make the same sample at the same time. The last one replaces the file with an
            // equal one.
            let unfinished = tempfile::Builder::new()
                .suffix(&format!(".{}", self.extension()))
                .tempfile_in(&folder)
                .context("no temporary file")?;
            self.make(length, &unfinished).await?;
            unfinished.persist(&path).context("could not keep the sample")?;
        }
        Ok(path)
    }

    async fn make(self, length: Duration, file: &NamedTempFile) -> Result<()> {
        match self {
            Self::Text => {
                tokio::fs::write(file.path(), "This is no video, whatever its name says.\n".repeat(100))
                    .await
                    .context("could not write the text")
            }
            Self::Truncated => {
                run_ffmpeg(Self::Mkv, length, file.path()).await?;
                let bytes = file.as_file().metadata()?.len();
                file.as_file().set_len(bytes * 3 / 5).context("could not truncate the sample")
            }
            _ => run_ffmpeg(self, length, file.path()).await,
        }
    }

    /// The codecs, chosen for speed, not for quality.
    fn codecs(self) -> &'static [&'static str] {
        const X264: &str = "libx264";
        match self {
            Self::Mp4 => &[
                "-c:v",
                X264,
                "-preset",
                "ultrafast",
                "-c:a",
                "aac",
                "-b:a",
                "128k",
                "-movflags",
                "+faststart",
            ],
            Self::Webm => {
                &["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"]
            }
            Self::Mkv | Self::Truncated => &["-c:v", X264, "-preset", "ultrafast", "-c:a", "ac3"],
            Self::Mov => &["-c:v", X264, "-preset", "ultrafast", "-c:a", "pcm_s16le"],
            Self::Avi => &["-c:v", "mpeg4", "-c:a", "libmp3lame", "-b:a", "128k"],
            Self::Silent => &["-c:v", X264, "-preset", "ultrafast", "-an"],
            Self::Text => &[],
        }
    }
}

async fn run_ffmpeg(sample: Sample, length: Duration, output: &Path) -> Result<()> {
    let seconds = format!("{:.3}", length.as_secs_f64());
    let mut command = Command::new(find_program("ffmpeg")?);
    command.args(["-nostdin", "-v", "error", "-y"]);
    command.args(["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=15"]);
    // Two tones, so that swapped channels are audible.
    command.args(["-f", "lavfi", "-i", "aevalsrc=0.4*sin(2*PI*440*t)|0.4*sin(2*PI*554*t):s=44100"]);
    command.args(sample.codecs()).args(["-pix_fmt", "yuv420p", "-t", &seconds]).arg(output);
    let made =
        command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("could not start FFmpeg")?;
    ensure!(made.status.success(), "FFmpeg says: {}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}

/// `test-media` in the target folder of this program, or in the temporary folder if it was built elsewhere.
fn cache_folder() -> Result<PathBuf> {
    let executable = std::env::current_exe().context("this program has no path")?;
    let target = executable.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    let folder = target.map_or_else(std::env::temp_dir, Path::to_path_buf).join("test-media");
    std::fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    Ok(folder)
}

/// A long file with hardly any picture: seconds to make, many more to convert. Made on first use.
///
/// # Errors
/// FFmpeg is missing or fails.
pub async fn long_video(length: Duration) -> Result<PathBuf> {
    let folder = cache_folder()?;
    let path = folder.join(format!("long-{}s.mkv", length.as_secs()));
    if !path.exists() {
        let unfinished =
            tempfile::Builder::new().suffix(".mkv").tempfile_in(&folder).context("no temporary file")?;
        // FFmpeg encodes no other format but MP3 faster than MP2. Noise, so that the encoder has work.
        let made = Command::new(find_program("ffmpeg")?)
            .args(["-nostdin", "-v", "error", "-y"])
            .args(["-f", "lavfi", "-i", "color=size=16x16:rate=1"])
            .args(["-f", "lavfi", "-i", "anoisesrc=r=44100:a=0.3"])
            .args(["-c:v", "mpeg4", "-c:a", "mp2", "-ac", "2", "-b:a", "128k"])
            .args(["-t", &length.as_secs().to_string()])
            .arg(unfinished.path())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("could not start FFmpeg")?;
        ensure!(made.status.success(), "FFmpeg says: {}", String::from_utf8_lossy(&made.stderr));
        unfinished.persist(&path).context("could not keep the sample")?;
    }
    Ok(path)
}
