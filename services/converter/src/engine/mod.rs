//! Turns a video into an audio file: ffprobe and FFmpeg as child processes, and a check of what came out.
//!
//! The video is the file [`Scratch::source`] of a scratch directory. It has no name of its own there.

mod config;
mod error;
mod ffmpeg;
mod mp3;
mod output;
mod parallel;
mod report;
mod scratch;
mod sound;
mod source;
mod verify;

use std::io;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use contracts::{AudioFormat, ConversionOptions, FailureCode, Loudness, Phase, SourceFacts};
use tokio::sync::{OnceCell, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::config::EngineConfig;
pub use self::error::ConversionError;
pub(crate) use self::error::is_of_a_full_disk;
pub use self::ffmpeg::UnusableFfmpeg;
use self::ffmpeg::child::{Child, Launcher};
use self::ffmpeg::exit::log_of;
pub use self::ffmpeg::programs::MissingProgram;
use self::ffmpeg::recipe::Recipe;
use self::ffmpeg::restrictions::Input;
use self::ffmpeg::workshop::Workshop;
use self::ffmpeg::{arguments, programs};
pub use self::mp3::mpeg_frames::{MalformedAudio, MpegAudio};
use self::output::finish::Made;
pub use self::parallel::joiner::JoinError;
use self::parallel::slots::EncoderSlots;
pub use self::report::Report;
pub use self::scratch::{Reservation, ReservationError, Scratch, ScratchSpace};
use self::sound::mixing::Join;
use self::sound::track::{Found, Wanted};
use self::source::avi_silence::Silence;
use self::source::ending::Lack;
use self::source::packets::Scanner;
use self::source::probe::{Answer, Probe};
use self::source::{chained_ogg, ending, mp4_index, probe};
pub use self::verify::audio_file::AudioFile;
use self::verify::verdict::{self, Evidence};
use crate::sandbox::Limits;

/// Converts one file at a time for each call; calls may run side by side.
#[derive(Debug)]
pub struct Engine {
    /// With the programs as they were found.
    config: EngineConfig,
    launcher: Launcher,
    decoders: OnceCell<String>,
    slots: EncoderSlots,
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
    /// Where its sound begins on the source's clock, in seconds.
    pub begins_at_seconds: f64,
    /// Which of the source's audio tracks are in it, counted from 0.
    pub tracks: Vec<u16>,
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
        let mut config = config.clone();
        let search_path = std::env::var_os("PATH");
        for program in [&mut config.ffmpeg, &mut config.ffprobe] {
            *program = programs::find(program, "ffmpeg", search_path.as_deref())?;
        }
        let limits = Limits {
            // It has no more than two threads at work.
            processor_seconds: config.max_conversion_time.as_secs().saturating_mul(2),
            file_bytes: config.max_audio_bytes,
            memory_bytes: config.max_memory_bytes,
        };
        let launcher = Launcher {
            program: config.launcher.clone(),
            limits,
            is_strict: !config.allow_unsandboxed_ffmpeg,
        };
        let slots = EncoderSlots::new(config.encoder_slots.map_or_else(cores, NonZeroU16::get));
        Ok(Self { config, launcher, decoders: OnceCell::new(), slots })
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
        let last = started + self.config.max_conversion_time;
        let source = scratch.source();
        within(last, reading(move || chained_ogg::join_links(&source))).await?;
        let workshop = Workshop {
            ffmpeg: &self.config.ffmpeg,
            ffprobe: &self.config.ffprobe,
            decoders: within(last, self.ffprobe_decoders()).await?,
            launcher: &self.launcher,
            slots: &self.slots,
            directory: scratch.directory(),
            input: Input { file: SOURCE_URL, max_tracks: self.config.max_tracks, is_patient: false },
            keepers,
        };
        // Starting a program costs more than running it in vain: FFmpeg begins to decode on a guess, while ffprobe checks it.
        let guess = Recipe::guess(options);
        let mut begun = guess.as_ref().map(|guess| workshop.decode(guess)).transpose()?;
        let (workshop, probe, lack) = within(last, self.probe(scratch, options, workshop)).await?;
        let file =
            SourceFile { bytes: scratch.source().metadata().map_err(ConversionError::Read)?.len(), lack };
        report.send_modify(|report| {
            report.progress.phase = Phase::Encoding;
            report.source = Some(probe.facts.clone());
        });

        let found = AtomicU64::new(0);
        let allowed = Allowed { started, last, declared: probe.declared_seconds(), found: &found };
        self.allowed(allowed, async {
            let mut refused = None;
            for probe in probe.with_each_track() {
                let guess = guess.as_ref().filter(|_| !workshop.input.is_patient);
                let begun = begun.take().zip(guess);
                let job = Job { workshop, probe: &probe, file, report, found: &found };
                match self.convert_track(job, options, begun).await {
                    // A track may be empty, or known by name alone: another may be neither.
                    Err(error) if error.is_of_the_track() => refused = refused.or(Some(error)),
                    converted => return converted,
                }
            }
            Err(refused.unwrap_or_else(|| {
                ConversionError::failed(FailureCode::NoAudioTrack, "there is no track to try")
            }))
        })
        .await
    }

    async fn convert_track(
        &self,
        job: Job<'_>,
        options: &ConversionOptions,
        begun: Option<(Child, &Recipe)>,
    ) -> Result<Converted, ConversionError> {
        let Job { workshop, probe, file, .. } = job;
        let mut recipe = Recipe::of(options, probe, |seconds| self.is_long(seconds, file.bytes));
        self.check_extent(job, &recipe).await?;
        let loudness = workshop.prepare(&mut recipe, probe).await?;
        let silence = Self::silence(job).await?;
        // One that began otherwise is ended here.
        let decoder =
            begun.and_then(|(begun, guess)| arguments::decode_alike(guess, &recipe).then_some(begun));
        let made = match self.make(job, decoder, &recipe, silence.clone()).await {
            // What a container holds is not always what the format allows: then it is decoded like any other.
            Err(error) if recipe.copies && error.is_of_the_copy() => {
                tracing::debug!(%error, "a copy would not do");
                recipe = recipe.without_copying();
                self.make(job, None, &recipe, silence).await?
            }
            made => made?,
        };
        let (path, found, audio, source) = made;
        Ok(Converted {
            path,
            format: recipe.options.format,
            audio,
            begins_at_seconds: found.begins_at,
            tracks: recipe.tracks(),
            is_copy: recipe.copies,
            has_cover: recipe.picture.is_some(),
            cover: recipe.picture.map(|_| workshop.directory.join(arguments::COVER)),
            loudness,
            peaks: found.peaks.finish(),
            source,
        })
    }

    /// Does the work within the time that its sound takes: the longer that turns out to be, the more.
    async fn allowed<T>(
        &self,
        allowed: Allowed<'_>,
        work: impl Future<Output = Result<T, ConversionError>>,
    ) -> Result<T, ConversionError> {
        let Allowed { started, last, declared, found } = allowed;
        let deadline = || {
            #[expect(clippy::cast_precision_loss, reason = "a second more or less is no matter")]
            let found = found.load(Ordering::Relaxed) as f64;
            let share = declared.map(|declared| declared.max(found) * self.config.conversion_time_factor);
            let share = share.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            share.map_or(last, |share| {
                last.min(started + self.config.base_conversion_time.saturating_add(share))
            })
        };
        let mut work = pin!(work);
        loop {
            let until = deadline();
            match timeout_at(until, &mut work).await {
                Ok(done) => return done,
                Err(_) if deadline() > until => {}
                Err(_) => {
                    return Err(ConversionError::failed(FailureCode::TimedOut, "the deadline has passed"));
                }
            }
        }
    }

    /// Probes the file, once more and further where its sound may begin late.
    async fn probe<'a>(
        &self,
        scratch: &Scratch,
        options: &ConversionOptions,
        workshop: Workshop<'a>,
    ) -> Result<(Workshop<'a>, Probe, Lack), ConversionError> {
        let source = scratch.source();
        let lack = reading(move || ending::lack(&source));
        let mut workshop = workshop;
        let mut answer = probe::answer(workshop.ask_ffprobe(probe::SHOWN)?).await;
        if answer.as_ref().is_ok_and(Answer::may_begin_late) {
            workshop.input.is_patient = true;
            answer = probe::answer(workshop.ask_ffprobe(probe::SHOWN)?).await;
        }
        let lack = lack.await?;
        // It opens a decoder for each track, and gives up with the first that refuses one. Another may do.
        if let Err(refusal) = &answer
            && let Some(refused) = refusal.refused_track
        {
            let listed = Answer::of_log(&workshop.list_tracks().await?, refused);
            let understood = listed.and_then(|listed| listed.understood(options.track.as_ref()).ok());
            if let Some(probe) = understood {
                return Ok((workshop, probe, lack));
            }
        }
        let answer = answer.map_err(|refusal| match refusal.error {
            // Nobody knows what the rest would have been.
            ConversionError::Failed { code: FailureCode::NotAMediaFile, detail } if lack != Lack::Nothing => {
                ConversionError::failed(FailureCode::Damaged, detail)
            }
            error => error,
        });
        let answer = answer?;
        let is_mp4 = answer.is_mp4();
        let probe = match answer.understood(options.track.as_ref()) {
            Err(error) if is_mp4 && error.code() == Some(FailureCode::NoAudioTrack) => {
                let source = scratch.source();
                // What is left of a broken index may show the picture alone.
                let is_whole = reading(move || mp4_index::is_whole(&source)).await?;
                let broken = || ConversionError::failed(FailureCode::Damaged, "its index is broken");
                return Err(if is_whole { error } else { broken() });
            }
            probe => probe?,
        };
        Ok((workshop, probe, lack))
    }

    /// Refuses before the work what is too long or would be too large, where the packets say so, too: a declared length is
    /// nobody's word.
    async fn check_extent(&self, job: Job<'_>, recipe: &Recipe) -> Result<(), ConversionError> {
        let Job { probe, .. } = job;
        let max_seconds = self.config.max_seconds();
        #[expect(clippy::cast_precision_loss, reason = "a byte more or less is no matter")]
        let max_bytes = self.launcher.limits.file_bytes as f64;
        let bytes = |seconds| {
            let selected = recipe.selected_seconds(seconds, probe.track.start_seconds);
            recipe.bytes_per_second().map_or(0.0, |rate| rate * selected)
        };
        let is_too_much = |seconds: f64| seconds > max_seconds || bytes(seconds) > max_bytes;
        if !probe.declared_seconds().is_some_and(is_too_much) {
            return Ok(());
        }
        let seconds = Self::scanner(job).scan(f64::INFINITY).await?.sound_seconds;
        if seconds > max_seconds {
            let detail = format!("its packets have {seconds:.0} s of sound");
            return Err(ConversionError::failed(FailureCode::TooLong, detail));
        }
        let bytes = bytes(seconds);
        if bytes > max_bytes {
            let detail = format!("the file will have {bytes:.0} bytes");
            return Err(ConversionError::failed(FailureCode::AudioTooLarge, detail));
        }
        Ok(())
    }

    fn scanner(Job { workshop, probe, .. }: Job<'_>) -> Scanner<'_> {
        Scanner {
            workshop,
            track: probe.track.index,
            start_seconds: probe.start_seconds,
            is_in_order: !probe.has_index(),
            raw_frame_bytes: probe.raw_frame_bytes(),
        }
    }

    /// The silence in it that FFmpeg does not tell of.
    async fn silence(Job { workshop, probe, .. }: Job<'_>) -> Result<Silence, ConversionError> {
        if probe.format != "avi" || probe.join.is_some() {
            return Ok(Silence::default());
        }
        let (source, track) = (workshop.directory.join(scratch::SOURCE), probe.track.index);
        reading(move || Silence::of_avi(&source, track)).await
    }

    /// Whether several encoders are worth their while, by the length of the sound, or by the file's size where that is unknown.
    fn is_long(&self, seconds: Option<f64>, file_bytes: u64) -> bool {
        // Twenty minutes of speech, or half a minute from a telephone: the guess need not be right.
        const LARGE_FILE_BYTES: u64 = 16 * 1024 * 1024;
        let is_long = match seconds {
            Some(seconds) => seconds >= self.config.parallel_from.as_secs_f64(),
            None => file_bytes >= LARGE_FILE_BYTES,
        };
        // One encoder gains nothing by being fed in segments.
        is_long && self.slots.total() > 1
    }

    /// Looks at each of several tracks as at a single one.
    async fn judge_joined(
        &self,
        job: Job<'_>,
        join: &Join,
        evidence: &Evidence<'_>,
        until: f64,
    ) -> Result<(), ConversionError> {
        if !evidence.is_doubtful() {
            return Ok(());
        }
        for track in &join.indices {
            let scanner = Scanner { track: *track, ..Self::scanner(job) };
            let packets = scanner.scan(until).await?;
            evidence.judge_one_of_several(*track, &packets)?;
        }
        Ok(())
    }

    /// Makes the file, and makes sure that it has all the sound there is.
    async fn make(
        &self,
        job: Job<'_>,
        decoder: Option<Child>,
        recipe: &Recipe,
        silence: Silence,
    ) -> Result<(PathBuf, Found, AudioFile, SourceFacts), ConversionError> {
        let Job { workshop, probe, file, report, .. } = job;
        let expected = probe
            .approximate_seconds
            .map(|seconds| recipe.selected_seconds(seconds, probe.track.start_seconds));
        let on_progress = |seconds: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a number of seconds"
            )]
            job.found.fetch_max(seconds as u64, Ordering::Relaxed);
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
        let wanted = Wanted {
            selection: recipe.selection(),
            clock_seconds: recipe.track.clock_seconds,
            max_seconds: self.config.max_seconds(),
            silence,
        };
        let until = wanted.selection.end;
        let scanner = Self::scanner(job);
        let made = workshop.finish(decoder, recipe, wanted, scanner, expected, on_progress).await?;
        let (output, found) = match made {
            Made::File(output, found) => (Some(output), found),
            Made::NoSamples(found) => (None, found),
            Made::NoSound(ended) => {
                let log = log_of(ended)?;
                // ffprobe may refuse to open what no decoder knows.
                if let Some(error) = verdict::unsupported(&log) {
                    return Err(error);
                }
                let packets = scanner.scan(f64::INFINITY).await?;
                return Err(verdict::of_nothing(probe, file.bytes, file.lack, &packets, &log));
            }
        };
        let evidence = Evidence { probe, found: &found, lack: file.lack, file_bytes: file.bytes, until };
        let is_empty = found.sound_seconds <= 0.0;
        let packets = if is_empty || evidence.is_doubtful() && recipe.join.is_none() {
            // Behind the end of a part, nothing was decoded.
            let decoded_until = if until.is_finite() { found.extent.end } else { f64::INFINITY };
            Some(scanner.scan(decoded_until).await?)
        } else {
            None
        };
        if let Some(packets) = &packets
            && is_empty
        {
            return Err(verdict::of_nothing(probe, file.bytes, file.lack, packets, &found.log));
        }
        match &recipe.join {
            Some(join) => self.judge_joined(job, join, &evidence, until).await?,
            None => evidence.judge(packets.as_ref())?,
        }
        let Some(output) = output else {
            let detail = "there is no sound in the selection";
            return Err(ConversionError::failed(FailureCode::EmptySelection, detail));
        };
        if recipe.copies && !found.is_uniform() {
            return Err(ConversionError::encoder("a copy cannot have gaps, nor change in the middle"));
        }
        let audio = workshop.verify(recipe.options.format, &output, &found).await?;
        let mut source = probe.facts.clone();
        source.declared_seconds = evidence.longer_declared_seconds();
        if !until.is_finite() {
            source.duration_seconds = Some(found.extent.end - found.extent.start);
        }
        report.send_modify(|report| report.source = Some(source.clone()));
        Ok((output, *found, audio, source))
    }
}

/// What is to be known of the file itself.
#[derive(Debug, Clone, Copy)]
struct SourceFile {
    bytes: u64,
    lack: Lack,
}

/// One conversion under way.
#[derive(Clone, Copy)]
struct Job<'a> {
    workshop: Workshop<'a>,
    probe: &'a Probe,
    file: SourceFile,
    report: &'a watch::Sender<Report>,
    /// How many seconds of sound were found so far.
    found: &'a AtomicU64,
}

/// What the time of a conversion depends on.
#[derive(Clone, Copy)]
struct Allowed<'a> {
    started: Instant,
    last: Instant,
    declared: Option<f64>,
    found: &'a AtomicU64,
}

async fn within<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T, ConversionError>>,
) -> Result<T, ConversionError> {
    let ended = timeout_at(deadline, work).await;
    ended.unwrap_or_else(|_| Err(ConversionError::failed(FailureCode::TimedOut, "the deadline has passed")))
}

/// Begins to read the source on a thread of its own.
fn reading<T: Send + 'static>(
    read: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> impl Future<Output = Result<T, ConversionError>> {
    let read = spawn_blocking(read);
    async { read.await.map_err(io::Error::from).flatten().map_err(ConversionError::Read) }
}

fn cores() -> u16 {
    std::thread::available_parallelism().map_or(1, |cores| u16::try_from(cores.get()).unwrap_or(u16::MAX))
}
