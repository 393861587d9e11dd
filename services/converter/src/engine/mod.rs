//! Turns a video into an MP3: ffprobe and FFmpeg as child processes, and a check of what came out.
//!
//! The video is the file [`Scratch::source`] of a scratch directory. It has no name of its own there and FFmpeg never
//! gets a text that a user chose.

mod child;
mod encode;
mod ending;
mod failure;
mod mpeg_frames;
mod packets;
mod probe;
mod programs;
mod scratch;
mod verdict;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use contracts::{ConversionOptions, FailureCode, Phase};
use jobs::{Report, SourceFacts};
use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::child::{Launcher, Limits};
use self::encode::{Encoded, Encoding};
pub use self::failure::ConversionError;
pub use self::mpeg_frames::{MalformedAudio, MpegAudio};
use self::probe::Probe;
pub use self::programs::MissingProgram;
pub use self::scratch::{Scratch, ScratchSpace};
use self::verdict::Length;

/// What the engine works with and within.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// FFmpeg, as a path or as a name on the `PATH`.
    pub ffmpeg: PathBuf,
    /// ffprobe, likewise.
    pub ffprobe: PathBuf,
    /// The longest sound that is converted.
    pub max_duration: Duration,
    /// The longest time that a conversion may take.
    pub max_conversion_time: Duration,
}

/// Converts one file at a time for each call; calls may run side by side.
#[derive(Debug)]
pub struct Engine {
    ffmpeg: PathBuf,
    ffprobe: PathBuf,
    launcher: Launcher,
    max_duration: Duration,
    max_conversion_time: Duration,
}

/// An MP3 that was made and checked. It is in the scratch directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Converted {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub audio: MpegAudio,
    /// What was in the video.
    pub source: SourceFacts,
}

/// FFmpeg is there but cannot make MP3s.
#[derive(Debug, thiserror::Error)]
pub enum UnusableFfmpeg {
    /// It could not be run.
    #[error("could not run FFmpeg")]
    Run(#[from] io::Error),
    /// It did not end in time.
    #[error("FFmpeg does not answer")]
    Silent,
    /// It was built without LAME.
    #[error("this FFmpeg has no encoder libmp3lame")]
    NoEncoder,
}

/// A conversion gets this long whatever its length, and as long as the sound lasts on top: far more than the slowest of
/// machines needs, and short enough that a stuck job of a minute does not hold a slot for hours.
const TIME_FOR_ANY: Duration = Duration::from_mins(5);

/// A killed process is gone at once, unless the disk below it hangs.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

const SOURCE: &str = "file:source";

impl Engine {
    /// Finds the programs.
    pub fn new(config: &EngineConfig) -> Result<Self, MissingProgram> {
        let search_path = std::env::var_os("PATH");
        let find = |program: &Path, package| programs::find(program, package, search_path.as_deref());
        let limits = Limits {
            processor_time: config.max_conversion_time.saturating_mul(2),
            // The highest bit rate is 320 kbit/s.
            file_bytes: config.max_duration.as_secs().saturating_mul(45_000) + 16 * 1024 * 1024,
            // FFmpeg needs 0.3 GiB of addresses for its libraries alone.
            memory_bytes: 4 << 30,
        };
        Ok(Self {
            ffmpeg: find(&config.ffmpeg, "ffmpeg")?,
            ffprobe: find(&config.ffprobe, "ffmpeg")?,
            launcher: Launcher {
                prlimit: find(Path::new("prlimit"), "util-linux")?,
                setpriv: find(Path::new("setpriv"), "util-linux")?,
                limits,
            },
            max_duration: config.max_duration,
            max_conversion_time: config.max_conversion_time,
        })
    }

    /// Whether the programs are still where they were.
    pub fn check_programs(&self) -> Result<(), MissingProgram> {
        for (program, package) in [(&self.ffmpeg, "ffmpeg"), (&self.ffprobe, "ffmpeg")] {
            programs::find(program, package, None)?;
        }
        Ok(())
    }

    /// Whether this FFmpeg can make MP3s at all, so that it is not every job that fails.
    pub async fn check_encoder(&self) -> Result<(), UnusableFfmpeg> {
        let arguments = ["-hide_banner", "-loglevel", "error", "-h", "encoder=libmp3lame"];
        let keepers = TaskTracker::new();
        let mut child = self.launcher.start(&self.ffmpeg, arguments, Path::new("/"), &keepers)?;
        let mut help = Vec::new();
        let read = async { (&mut child.stdout).take(64 * 1024).read_to_end(&mut help).await };
        timeout(Duration::from_secs(30), read).await.map_err(|_| UnusableFfmpeg::Silent)??;
        if help.starts_with(b"Encoder libmp3lame") { Ok(()) } else { Err(UnusableFfmpeg::NoEncoder) }
    }

    /// Converts the video of a scratch directory. When this returns, no process works in the directory any more.
    ///
    /// Facts about the video and progress go into `report`.
    ///
    /// # Errors
    /// [`ConversionError::Failed`] is the file's fault and final; every other may be different next time.
    pub async fn convert(
        &self,
        scratch: &Scratch,
        options: ConversionOptions,
        report: &watch::Sender<Report>,
        cancel: &CancellationToken,
    ) -> Result<Converted, ConversionError> {
        let keepers = TaskTracker::new();
        let converted = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(ConversionError::Cancelled),
            converted = self.work(scratch, options, report, &keepers) => converted,
        };
        keepers.close();
        // Whoever removes the directory now must not meet a process that is still writing into it.
        if timeout(KILL_PATIENCE, keepers.wait()).await.is_err() {
            tracing::error!("a killed process does not end");
        }
        converted
    }

    async fn work(
        &self,
        scratch: &Scratch,
        options: ConversionOptions,
        report: &watch::Sender<Report>,
        keepers: &TaskTracker,
    ) -> Result<Converted, ConversionError> {
        let started = Instant::now();
        let last = started + self.max_conversion_time;
        // Both programs take longer to start than to find out that they need not have: FFmpeg begins with the first
        // track while ffprobe looks whether that is right. Its verdict comes first all the same.
        let encoding = self.encode(scratch, 0, options, keepers)?;
        let probe = within(last, self.probe(scratch, keepers)).await?;
        let encoding =
            if probe.track == 0 { encoding } else { self.encode(scratch, probe.track, options, keepers)? };
        report.send_modify(|report| {
            report.progress.phase = Phase::Encoding;
            report.source = Some(probe.facts.clone());
        });

        let deadline = last.min(started + self.allowance(&probe));
        within(deadline, async {
            let encoded = self.follow(encoding, &probe, report).await?;
            let audio = self.verify(scratch, &probe, &encoded, keepers).await?;
            Ok(Converted { path: encoded.output, audio, source: probe.facts })
        })
        .await
    }

    fn allowance(&self, probe: &Probe) -> Duration {
        let length = probe.declared_seconds().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        length.map_or(self.max_conversion_time, |length| TIME_FOR_ANY.saturating_add(length))
    }

    async fn probe(&self, scratch: &Scratch, keepers: &TaskTracker) -> Result<Probe, ConversionError> {
        let source = scratch.source();
        let is_cut_off = spawn_blocking(move || ending::is_cut_off(&source));
        let child = self.ffprobe(probe::arguments(SOURCE), scratch, keepers)?;
        let probe = probe::answer(child).await;
        let is_cut_off =
            is_cut_off.await.map_err(io::Error::from).flatten().map_err(ConversionError::Read)?;
        if is_cut_off {
            return Err(ConversionError::failed(FailureCode::Damaged, "the file is shorter than it says"));
        }
        let probe = probe?;
        if probe.declared_seconds().is_some_and(|seconds| seconds > self.max_duration.as_secs_f64()) {
            return Err(ConversionError::failed(FailureCode::TooLong, "the file declares a longer sound"));
        }
        Ok(probe)
    }

    fn ffprobe(
        &self,
        arguments: Vec<&str>,
        scratch: &Scratch,
        keepers: &TaskTracker,
    ) -> Result<child::Child, ConversionError> {
        self.launcher
            .start(&self.ffprobe, arguments, scratch.directory(), keepers)
            .map_err(|source| ConversionError::Run { program: "ffprobe", source })
    }

    fn encode(
        &self,
        scratch: &Scratch,
        track: usize,
        options: ConversionOptions,
        keepers: &TaskTracker,
    ) -> Result<Encoding, ConversionError> {
        // A name for each track: an encoder that is being killed may still hold the file of the other one.
        let name = format!("track{track}.mp3");
        let arguments = encode::arguments(SOURCE, track, options, &format!("file:{name}"));
        let child = self
            .launcher
            .start(&self.ffmpeg, arguments, scratch.directory(), keepers)
            .map_err(|source| ConversionError::Run { program: "ffmpeg", source })?;
        Ok(Encoding { child, output: scratch.directory().join(name) })
    }

    async fn follow(
        &self,
        encoding: Encoding,
        probe: &Probe,
        report: &watch::Sender<Report>,
    ) -> Result<Encoded, ConversionError> {
        let on_progress = |seconds: f64| {
            let ratio = probe.approximate_seconds.map_or(0.0, |length| (seconds / length).clamp(0.0, 1.0));
            // The estimate of a length may have been too short: a bar does not go back.
            report.send_modify(|report| report.progress.ratio = report.progress.ratio.max(ratio));
        };
        // The tolerance of the length is no reason to refuse a sound that is exactly as long as is allowed.
        encoding.finished(self.max_duration.as_secs_f64() * 1.02 + 1.0, on_progress).await
    }

    async fn verify(
        &self,
        scratch: &Scratch,
        probe: &Probe,
        encoded: &Encoded,
        keepers: &TaskTracker,
    ) -> Result<MpegAudio, ConversionError> {
        let output = encoded.output.clone();
        let measured = spawn_blocking(move || MpegAudio::measure(&output)).await;
        let audio = measured
            .map_err(|panic| MalformedAudio::Read(panic.into()))
            .flatten()
            .map_err(ConversionError::Measure)?;
        let seconds = audio.duration_seconds();
        match verdict::judge_by_headers(probe, seconds, &encoded.log)? {
            Length::AsDeclared | Length::Unknown => {}
            Length::Contested => {
                let child = self.ffprobe(packets::arguments(SOURCE), scratch, keepers)?;
                let packets = packets::scan(child, probe.stream).await?;
                verdict::judge_by_packets(probe, packets, seconds, &encoded.log)?;
            }
        }
        Ok(audio)
    }
}

async fn within<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T, ConversionError>>,
) -> Result<T, ConversionError> {
    let ended = timeout_at(deadline, work).await;
    ended.unwrap_or_else(|_| Err(ConversionError::failed(FailureCode::TimedOut, "the deadline has passed")))
}
