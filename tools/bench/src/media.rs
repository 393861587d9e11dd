//! The videos to convert, and the plain tools for comparison.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use test_kit::project::find_program;
use tokio::process::Command;

/// The videos: H.264 at 640 × 360 and AAC at 48 kHz in stereo, in MP4.
#[derive(Debug)]
pub(crate) struct Clips {
    pub(crate) ten_seconds: PathBuf,
    pub(crate) thirty_seconds: PathBuf,
    pub(crate) ten_minutes: PathBuf,
    pub(crate) twenty_minutes: PathBuf,
    pub(crate) two_hours: PathBuf,
    scratch: PathBuf,
}

impl Clips {
    pub(crate) async fn make(scratch: &Path) -> Result<Self> {
        let clips = Self {
            ten_seconds: scratch.join("clip10.mp4"),
            thirty_seconds: scratch.join("clip30.mp4"),
            ten_minutes: scratch.join("video.mp4"),
            twenty_minutes: scratch.join("lecture.mp4"),
            two_hours: scratch.join("film.mp4"),
            scratch: scratch.to_path_buf(),
        };
        encode(&clips.thirty_seconds).await?;
        let copy = |options: &'static [&'static str], output| copy(&clips.thirty_seconds, options, output);
        copy(&["-t", "10"], &clips.ten_seconds).await?;
        // Repeated, because encoding ten minutes of pictures would take longer than all measurements.
        copy(&["-stream_loop", "19"], &clips.ten_minutes).await?;
        copy(&["-stream_loop", "39"], &clips.twenty_minutes).await?;
        copy(&["-stream_loop", "239"], &clips.two_hours).await?;
        Ok(clips)
    }

    /// Converts a file on the disk with FFmpeg, as a user would.
    pub(crate) async fn plain_conversion(&self, video: &Path) -> Result<Duration> {
        let output = self.plain_output();
        let began = Instant::now();
        let arguments = ["-vn", "-q:a", "2"];
        run(Command::new(find_program("ffmpeg")?)
            .args(QUIET)
            .arg("-i")
            .arg(video)
            .args(arguments)
            .arg(output))
        .await?;
        Ok(began.elapsed())
    }

    /// Where that MP3 is written.
    pub(crate) fn plain_output(&self) -> PathBuf {
        self.scratch.join("plain.mp3")
    }

    /// The same for many files, with one FFmpeg for each core at a time.
    pub(crate) async fn plain_batch(&self, video: &Path, count: usize) -> Result<Duration> {
        let cores = std::thread::available_parallelism().context("unknown number of cores")?;
        let numbers: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        let list = self.scratch.join("numbers");
        std::fs::write(&list, numbers.join("\n")).context("could not write the list")?;
        let began = Instant::now();
        run(Command::new(find_program("xargs")?)
            .args(["-a".as_ref(), list.as_os_str()])
            .args(["-I{}", "-P", &cores.to_string()])
            .arg(find_program("ffmpeg")?)
            .args(QUIET)
            .arg("-i")
            .arg(video)
            .args(["-vn", "-q:a", "2"])
            .arg(self.scratch.join("plain{}.mp3")))
        .await?;
        Ok(began.elapsed())
    }
}

const QUIET: [&str; 4] = ["-nostdin", "-v", "error", "-y"];

async fn encode(output: &Path) -> Result<()> {
    // Two tones in noise, because silence or a pure tone would be too easy for an encoder.
    let sound =
        "aevalsrc=0.3*sin(2*PI*220*t)+0.1*random(0)-0.05|0.3*sin(2*PI*277*t)+0.1*random(1)-0.05:s=48000";
    run(Command::new(find_program("ffmpeg")?)
        .args(QUIET)
        .args(["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25"])
        .args(["-f", "lavfi", "-i", sound])
        .args(["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"])
        .args(["-c:a", "aac", "-b:a", "128k", "-movflags", "+faststart", "-t", "30"])
        .arg(output))
    .await
}

async fn copy(input: &Path, options: &[&str], output: &Path) -> Result<()> {
    run(Command::new(find_program("ffmpeg")?)
        .args(QUIET)
        .args(options)
        .arg("-i")
        .arg(input)
        .args(["-c", "copy", "-movflags", "+faststart"])
        .arg(output))
    .await
}

async fn run(command: &mut Command) -> Result<()> {
    let output =
        command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("could not start FFmpeg")?;
    ensure!(output.status.success(), "FFmpeg says: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
