//! Turns a video into an audio file: ffprobe and FFmpeg as child processes, and a check of what came out.
//!
//! The video is the file [`Scratch::source`] of a scratch directory. It has no name of its own there.

mod arguments;
mod audio_file;
mod child;
mod cover;
mod encode;
mod ending;
mod failure;
mod frame_header;
mod info_frame;
mod joiner;
mod loudness;
mod mpeg_frames;
mod packets;
mod parallel;
mod pcm;
mod peaks;
mod probe;
mod programs;
mod recipe;
mod scratch;
mod segments;
mod slots;
mod tag;
mod verdict;
mod workshop;

use std::io;
use std::num::NonZeroU16;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use contracts::{AudioFormat, ConversionOptions, FailureCode, Loudness, Phase};
use jobs::{Report, SourceFacts};
use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::audio_file::AudioFile;
use self::child::{Launcher, Limits};
use self::encode::Encoded;
pub use self::failure::ConversionError;
pub use self::joiner::JoinError;
pub use self::mpeg_frames::{MalformedAudio, MpegAudio};
use self::peaks::Peaks;
use self::probe::Probe;
pub use self::programs::MissingProgram;
use self::recipe::Recipe;
pub use self::scratch::{Scratch, ScratchSpace};
use self::slots::EncoderSlots;
use self::verdict::Length;
use self::workshop::{Begun, Extent, Workshop};

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
    /// How many encoders may work at the same time, over all calls; one for each core if not given.
    pub encoder_slots: Option<NonZeroU16>,
    /// From which length on a sound is encoded by several encoders.
    pub parallel_from: Duration,
}

/// Converts one file at a time for each call; calls may run side by side.
#[derive(Debug)]
pub struct Engine {
    ffmpeg: PathBuf,
    ffprobe: PathBuf,
    launcher: Launcher,
    max_duration: Duration,
    max_conversion_time: Duration,
    slots: EncoderSlots,
    parallel_from: Duration,
}

/// An audio file that was made and checked. It is in the scratch directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Converted {
    /// Where it is.
    pub path: PathBuf,
    /// What kind of file it is.
    pub format: AudioFormat,
    /// What is in it.
    pub audio: AudioFile,
    /// Whether its sound is the source's, as it was.
    pub is_copy: bool,
    /// Whether there is a picture in it.
    pub has_cover: bool,
    /// How loud the source was, if it was to be made as loud as others.
    pub loudness: Option<Loudness>,
    /// Its waveform, as JSON.
    pub peaks: Vec<u8>,
    /// What was in the video.
    pub source: SourceFacts,
}

/// FFmpeg is there but cannot make what is promised.
#[derive(Debug, thiserror::Error)]
pub enum UnusableFfmpeg {
    /// It could not be run.
    #[error("could not run FFmpeg")]
    Run(#[from] io::Error),
    /// It did not end in time.
    #[error("FFmpeg does not answer")]
    Silent,
    /// It was built without an encoder that is needed.
    #[error("this FFmpeg has no encoder {0}")]
    NoEncoder(&'static str),
}

/// A conversion gets this long whatever its length, and as long as the sound lasts on top: far more than the slowest of
/// machines needs, and short enough that a stuck job of a minute does not hold a slot for hours.
const TIME_FOR_ANY: Duration = Duration::from_mins(5);

/// A killed process is gone at once, unless the disk below it hangs.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

const SOURCE: &str = "file:source";

/// What FFmpeg must be able to encode.
const ENCODERS: [&str; 7] = ["libmp3lame", "aac", "libopus", "flac", "pcm_s16le", "pcm_s24le", "mjpeg"];

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
            slots: EncoderSlots::new(config.encoder_slots.map_or_else(cores, NonZeroU16::get)),
            parallel_from: config.parallel_from,
        })
    }

    /// Whether the programs are still where they were.
    pub fn check_programs(&self) -> Result<(), MissingProgram> {
        for (program, package) in [(&self.ffmpeg, "ffmpeg"), (&self.ffprobe, "ffmpeg")] {
            programs::find(program, package, None)?;
        }
        Ok(())
    }

    /// Whether this FFmpeg can make every kind of file, so that it is not every job that fails.
    pub async fn check_encoders(&self) -> Result<(), UnusableFfmpeg> {
        let keepers = TaskTracker::new();
        let arguments = ["-hide_banner", "-loglevel", "error", "-encoders"];
        let mut child =
            self.launcher.start(&self.ffmpeg, arguments, Path::new("/"), Stdio::null(), &keepers)?;
        let mut list = String::new();
        let read = async { (&mut child.stdout).take(256 * 1024).read_to_string(&mut list).await };
        timeout(Duration::from_secs(30), read).await.map_err(|_| UnusableFfmpeg::Silent)??;
        // Lines such as ` A....D libmp3lame           libmp3lame MP3 …`.
        let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
        match ENCODERS.into_iter().find(|name| !names.contains(name)) {
            Some(missing) => Err(UnusableFfmpeg::NoEncoder(missing)),
            None => Ok(()),
        }
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
        options: &ConversionOptions,
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
        options: &ConversionOptions,
        report: &watch::Sender<Report>,
        keepers: &TaskTracker,
    ) -> Result<Converted, ConversionError> {
        let started = Instant::now();
        let last = started + self.max_conversion_time;
        let workshop = Workshop {
            ffmpeg: &self.ffmpeg,
            launcher: &self.launcher,
            slots: &self.slots,
            directory: scratch.directory(),
            keepers,
        };
        // Both programs take longer to start than to find out that they need not have: FFmpeg begins with what will most
        // likely be the recipe, while ffprobe looks whether that is right. Its verdict comes first all the same.
        let bytes = scratch.source().metadata().map_err(ConversionError::Read)?.len();
        let guess = Recipe::guess(options, self.is_long(None, bytes));
        let begun = guess.as_ref().map(|guess| workshop.begin(SOURCE, guess)).transpose()?;
        let probe = within(last, self.probe(scratch, options, keepers)).await?;
        let mut recipe = Recipe::of(options, &probe, |seconds| self.is_long(seconds, bytes))?;
        report.send_modify(|report| {
            report.progress.phase = Phase::Encoding;
            report.source = Some(probe.facts.clone());
        });

        let deadline = last.min(started + self.allowance(&probe));
        within(deadline, async {
            let loudness = workshop.prepare(SOURCE, &mut recipe, &probe).await?;
            let begun = match (begun, guess) {
                (Some(begun), Some(guess)) if guess.begins_like(&recipe) => begun,
                (begun, _) => {
                    drop(begun);
                    workshop.begin(SOURCE, &recipe)?
                }
            };
            let job = Job { workshop, scratch, probe: &probe, report };
            let made = match self.make(job, begun, &recipe).await {
                // What a container holds is not always what the format allows: then it is decoded like any other.
                Err(ConversionError::Failed { .. } | ConversionError::Measure(_)) if recipe.copies => {
                    recipe = recipe.without_copying();
                    self.make(job, workshop.begin(SOURCE, &recipe)?, &recipe).await?
                }
                made => made?,
            };
            let (encoded, audio) = made;
            Ok(Converted {
                path: encoded.output,
                format: recipe.options.format,
                audio,
                is_copy: recipe.copies,
                has_cover: recipe.picture.is_some(),
                loudness,
                peaks: encoded.peaks.map_or_else(Vec::new, Peaks::finish),
                source: probe.facts.clone(),
            })
        })
        .await
    }

    fn allowance(&self, probe: &Probe) -> Duration {
        let length = probe.declared_seconds().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        length.map_or(self.max_conversion_time, |length| TIME_FOR_ANY.saturating_add(length))
    }

    async fn probe(
        &self,
        scratch: &Scratch,
        options: &ConversionOptions,
        keepers: &TaskTracker,
    ) -> Result<Probe, ConversionError> {
        let source = scratch.source();
        let is_cut_off = spawn_blocking(move || ending::is_cut_off(&source));
        let child = self.ffprobe(probe::arguments(SOURCE), scratch, keepers)?;
        let probe = probe::answer(child, options.track.as_ref()).await;
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
            .start(&self.ffprobe, arguments, scratch.directory(), Stdio::null(), keepers)
            .map_err(|source| ConversionError::Run { program: "ffprobe", source })
    }

    /// Whether several encoders are worth their while, by the length of the sound, or by the file's size where that is unknown.
    fn is_long(&self, seconds: Option<f64>, file_bytes: u64) -> bool {
        // Twenty minutes of speech, or half a minute from a telephone: the guess need not be right.
        const LARGE_FILE_BYTES: u64 = 16 * 1024 * 1024;
        let is_long = match seconds {
            Some(seconds) => seconds >= self.parallel_from.as_secs_f64(),
            None => file_bytes >= LARGE_FILE_BYTES,
        };
        // One encoder gains nothing by being fed in segments.
        is_long && self.slots.total() > 1
    }

    async fn make(
        &self,
        job: Job<'_>,
        begun: Begun,
        recipe: &Recipe,
    ) -> Result<(Encoded, AudioFile), ConversionError> {
        let Job { workshop, probe, report, .. } = job;
        let expected = probe
            .approximate_seconds
            .map(|seconds| recipe.selected_seconds(seconds, probe.track.start_seconds));
        let on_progress = |seconds: f64| {
            let ratio = expected.map_or(0.0, |length| (seconds / length).clamp(0.0, 1.0));
            // The estimate of a length may have been too short: a bar does not go back.
            report.send_if_modified(|report| {
                let is_further = ratio > report.progress.ratio;
                if is_further {
                    report.progress.ratio = ratio;
                }
                is_further
            });
        };
        let extent = Extent {
            // The tolerance of the length is no reason to refuse a sound that is exactly as long as is allowed.
            max_seconds: self.max_duration.as_secs_f64() * 1.02 + 1.0,
            approximate_seconds: expected,
        };
        let encoded = workshop.finish(begun, SOURCE, recipe, extent, on_progress).await?;
        let audio = self.verify(job, recipe, &encoded).await?;
        Ok((encoded, audio))
    }

    async fn verify(
        &self,
        Job { workshop, scratch, probe, .. }: Job<'_>,
        recipe: &Recipe,
        encoded: &Encoded,
    ) -> Result<AudioFile, ConversionError> {
        let audio = match recipe.options.format {
            AudioFormat::Mp3 => {
                let output = encoded.output.clone();
                let measured = spawn_blocking(move || MpegAudio::measure(&output)).await;
                let measured = measured.map_err(|panic| MalformedAudio::Read(panic.into())).flatten();
                AudioFile::from(measured.map_err(ConversionError::Measure)?)
            }
            format => {
                let file = format!("file:{}", encoded.output.display());
                let child = self.ffprobe(audio_file::arguments(format, &file), scratch, workshop.keepers)?;
                audio_file::measure(child).await?
            }
        };
        let seconds = audio.duration_seconds;
        match verdict::judge_by_headers(probe, recipe, seconds, &encoded.log)? {
            Length::AsDeclared | Length::Unknown => {}
            Length::Contested => {
                let child = self.ffprobe(packets::arguments(SOURCE), scratch, workshop.keepers)?;
                let Range { start, end } = recipe.selection();
                let selection = start + probe.start_seconds..end + probe.start_seconds;
                let packets = packets::scan(child, probe.track.index, selection).await?;
                verdict::judge_by_packets(probe, recipe, packets, seconds, &encoded.log)?;
            }
        }
        Ok(audio)
    }
}

/// One conversion under way.
#[derive(Clone, Copy)]
struct Job<'a> {
    workshop: Workshop<'a>,
    scratch: &'a Scratch,
    probe: &'a Probe,
    report: &'a watch::Sender<Report>,
}

async fn within<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T, ConversionError>>,
) -> Result<T, ConversionError> {
    let ended = timeout_at(deadline, work).await;
    ended.unwrap_or_else(|_| Err(ConversionError::failed(FailureCode::TimedOut, "the deadline has passed")))
}

fn cores() -> u16 {
    std::thread::available_parallelism().map_or(1, |cores| u16::try_from(cores.get()).unwrap_or(u16::MAX))
}
