//! Turns a video into an audio file: ffprobe and FFmpeg as child processes, and a check of what came out.
//!
//! The video is the file [`Scratch::source`] of a scratch directory. It has no name of its own there.

mod arguments;
mod audio_file;
mod checks;
mod child;
mod cover;
mod cutter;
#[cfg_attr(not(test), expect(dead_code, reason = "the pipeline is about to use it"))]
#[expect(unused_imports, reason = "likewise")]
mod description;
mod encode;
mod ending;
mod failure;
mod frame_header;
mod info_frame;
mod joiner;
mod languages;
mod loudness;
#[cfg_attr(not(test), expect(dead_code, reason = "`track=all` is about to join tracks by it"))]
mod mixing;
mod mpeg_frames;
mod packets;
mod parallel;
mod pcm;
mod peaks;
mod probe;
mod programs;
mod recipe;
mod repacker;
mod restrictions;
mod scratch;
mod segments;
mod slots;
mod tag;
mod tracks;
mod verdict;
mod workshop;

use std::ffi::OsStr;
use std::io;
use std::num::NonZeroU16;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use contracts::{AudioFormat, ConversionOptions, FailureCode, Loudness, Phase};
use jobs::{Report, SourceFacts};
use tokio::sync::{OnceCell, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::audio_file::AudioFile;
pub use self::checks::UnusableFfmpeg;
use self::child::{Launcher, Place};
use self::encode::Encoded;
pub use self::failure::ConversionError;
pub use self::joiner::JoinError;
pub use self::mpeg_frames::{MalformedAudio, MpegAudio};
use self::peaks::Peaks;
use self::probe::Probe;
pub use self::programs::MissingProgram;
use self::recipe::Recipe;
use self::restrictions::Input;
use self::scratch::SOURCE;
pub use self::scratch::{Reservation, ReservationError, Scratch, ScratchSpace};
use self::slots::EncoderSlots;
use self::verdict::Length;
use self::workshop::{Begun, Extent, Workshop};
use crate::sandbox::Limits;

/// What the engine works with and within.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// FFmpeg, as a path or as a name on the `PATH`.
    pub ffmpeg: PathBuf,
    /// ffprobe, likewise.
    pub ffprobe: PathBuf,
    /// A program whose `main` asks [`crate::sandbox::run_if_asked`] first, with which they are started.
    pub launcher: PathBuf,
    /// Whether they are started also where they cannot be confined.
    pub allow_unsandboxed: bool,
    /// The longest sound that is converted.
    pub max_duration: Duration,
    /// The most tracks that a file may have, of all kinds.
    pub max_tracks: u16,
    /// The largest audio file that is made.
    pub max_audio_bytes: u64,
    /// What one process may take.
    pub max_memory_bytes: u64,
    /// The time that a conversion may take whatever its length.
    pub base_conversion_time: Duration,
    /// What comes on top, as a share of the sound's length.
    pub conversion_time_factor: f64,
    /// The longest time that a conversion may take in any case.
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
    decoders: OnceCell<String>,
    max_duration: Duration,
    max_tracks: u16,
    base_conversion_time: Duration,
    conversion_time_factor: f64,
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
    /// Where that picture is: a JPEG of at most 1000 by 1000 pixels.
    pub cover: Option<PathBuf>,
    /// How loud the source was, if it was to be made as loud as others.
    pub loudness: Option<Loudness>,
    /// Its waveform, as JSON.
    pub peaks: Vec<u8>,
    /// What was in the video.
    pub source: SourceFacts,
}

/// A killed process is gone at once, unless the disk below it hangs.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

const SOURCE_URL: &str = "file:source";

impl Engine {
    /// Finds the programs.
    pub fn new(config: &EngineConfig) -> Result<Self, MissingProgram> {
        let search_path = std::env::var_os("PATH");
        let find = |program: &Path, package| programs::find(program, package, search_path.as_deref());
        let limits = Limits {
            // It has no more than two threads at work.
            processor_seconds: config.max_conversion_time.as_secs().saturating_mul(2),
            file_bytes: config.max_audio_bytes,
            memory_bytes: config.max_memory_bytes,
        };
        Ok(Self {
            ffmpeg: find(&config.ffmpeg, "ffmpeg")?,
            ffprobe: find(&config.ffprobe, "ffmpeg")?,
            launcher: Launcher {
                program: config.launcher.clone(),
                limits,
                is_strict: !config.allow_unsandboxed,
            },
            decoders: OnceCell::new(),
            max_duration: config.max_duration,
            max_tracks: config.max_tracks,
            base_conversion_time: config.base_conversion_time,
            conversion_time_factor: config.conversion_time_factor,
            max_conversion_time: config.max_conversion_time,
            slots: EncoderSlots::new(config.encoder_slots.map_or_else(cores, NonZeroU16::get)),
            parallel_from: config.parallel_from,
        })
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
            input: Input { file: SOURCE_URL, max_tracks: self.max_tracks },
            keepers,
        };
        // Both programs take longer to start than to find out that they need not have: FFmpeg begins with what will most
        // likely be the recipe, while ffprobe looks whether that is right. Its verdict comes first all the same.
        let bytes = scratch.source().metadata().map_err(ConversionError::Read)?.len();
        let guess = Recipe::guess(options, self.is_long(None, bytes));
        let begun = guess.as_ref().map(|guess| workshop.begin(guess)).transpose()?;
        let probe = within(last, self.probe(scratch, options, workshop)).await?;
        let mut recipe = Recipe::of(options, &probe, |seconds| self.is_long(seconds, bytes))?;
        self.check_size(&probe, &recipe)?;
        report.send_modify(|report| {
            report.progress.phase = Phase::Encoding;
            report.source = Some(probe.facts.clone());
        });

        let deadline = last.min(started + self.allowance(&probe));
        within(deadline, async {
            let loudness = workshop.prepare(&mut recipe, &probe).await?;
            let begun = match (begun, guess) {
                (Some(begun), Some(guess)) if guess.begins_like(&recipe) => begun,
                (begun, _) => {
                    drop(begun);
                    workshop.begin(&recipe)?
                }
            };
            let job = Job { workshop, probe: &probe, report };
            let made = match self.make(job, begun, &recipe).await {
                // What a container holds is not always what the format allows: then it is decoded like any other.
                Err(ConversionError::Failed { .. } | ConversionError::Measure(_)) if recipe.copies => {
                    recipe = recipe.without_copying();
                    self.make(job, workshop.begin(&recipe)?, &recipe).await?
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
                cover: recipe.picture.map(|_| scratch.directory().join(arguments::COVER)),
                loudness,
                peaks: encoded.peaks.map_or_else(Vec::new, Peaks::finish),
                source: probe.facts.clone(),
            })
        })
        .await
    }

    fn allowance(&self, probe: &Probe) -> Duration {
        let length = probe.declared_seconds().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let share = length.map(|length| length.as_secs_f64() * self.conversion_time_factor);
        share
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .map_or(self.max_conversion_time, |share| self.base_conversion_time.saturating_add(share))
    }

    async fn probe(
        &self,
        scratch: &Scratch,
        options: &ConversionOptions,
        workshop: Workshop<'_>,
    ) -> Result<Probe, ConversionError> {
        let source = scratch.source();
        let is_cut_off = spawn_blocking(move || ending::is_cut_off(&source));
        let ffprobe_options = self.ffprobe_options().await?;
        let child = self.ffprobe(probe::arguments(ffprobe_options, SOURCE_URL), SOURCE, workshop)?;
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

    /// Before the work, where the length and the options tell.
    fn check_size(&self, probe: &Probe, recipe: &Recipe) -> Result<(), ConversionError> {
        let seconds = probe.declared_seconds();
        let seconds = seconds.map(|seconds| recipe.selected_seconds(seconds, probe.track.start_seconds));
        let (Some(seconds), Some(rate)) = (seconds, recipe.bytes_per_second()) else { return Ok(()) };
        let (bytes, max_bytes) = (seconds * rate, self.launcher.limits.file_bytes);
        #[expect(clippy::cast_precision_loss, reason = "a byte more or less is no matter")]
        if bytes > max_bytes as f64 {
            let detail = format!("the file will have {bytes:.0} bytes");
            return Err(ConversionError::failed(FailureCode::AudioTooLarge, detail));
        }
        Ok(())
    }

    fn ffprobe(
        &self,
        arguments: Vec<String>,
        reads: &str,
        workshop: Workshop<'_>,
    ) -> Result<child::Child, ConversionError> {
        let place = Place { directory: workshop.directory, reads: &[reads], writes: None };
        let options = ["-hide_banner", "-loglevel", "level+warning"].map(str::to_owned);
        self.launcher
            .start(
                &self.ffprobe,
                options.into_iter().chain(arguments),
                place,
                Stdio::null(),
                workshop.keepers,
            )
            .map_err(ConversionError::ffprobe)
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
        let encoded = workshop.finish(begun, recipe, extent, on_progress).await?;
        let audio = self.verify(job, recipe, &encoded).await?;
        Ok((encoded, audio))
    }

    async fn verify(
        &self,
        Job { workshop, probe, .. }: Job<'_>,
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
                let name = encoded.output.file_name().and_then(OsStr::to_str).unwrap_or_default();
                let arguments = audio_file::arguments(format, name);
                audio_file::measure(self.ffprobe(arguments, name, workshop)?).await?
            }
        };
        let seconds = audio.duration_seconds;
        match verdict::judge_by_headers(probe, recipe, seconds, &encoded.log)? {
            Length::AsDeclared | Length::Unknown => {}
            Length::Contested => {
                let options = self.ffprobe_options().await?;
                let arguments = packets::arguments(options, SOURCE_URL);
                let child = self.ffprobe(arguments, SOURCE, workshop)?;
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
