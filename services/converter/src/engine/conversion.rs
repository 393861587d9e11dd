//! One conversion: decoding starts on a guess, and the finished file is checked.

use std::path::PathBuf;

use contracts::{AudioFormat, ConversionOptions, FailureCode, Loudness, Phase, SourceFacts};
use tokio::sync::watch;

use super::error::ConversionError;
use super::ffmpeg::{Child, Ended, Recipe, Workshop, arguments, log_of};
use super::output::Made;
use super::report::Report;
use super::sound::Wanted;
use super::source::{Examined, Lack, Probe, Scanner, Silence, examine, reading};
use super::time_limit::TimeLimit;
use super::verify::{AudioFile, Evidence, extent, verdict};

/// A finished and checked audio file in the scratch directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Converted {
    /// Its path.
    pub path: PathBuf,
    /// Its format.
    pub format: AudioFormat,
    /// Its size, length and bit rate.
    pub audio: AudioFile,
    /// Where its audio begins on the source's clock, in seconds.
    pub begins_at_seconds: f64,
    /// The source's audio tracks in it, counted from 0.
    pub tracks: Vec<u16>,
    /// Whether the source's audio was copied, not re-encoded.
    pub is_copy: bool,
    /// Whether a picture is embedded in it.
    pub has_cover: bool,
    /// Path of that picture: a JPEG of at most 1000 by 1000 pixels.
    pub cover: Option<PathBuf>,
    /// The source's loudness, if normalization was asked for.
    pub loudness: Option<Loudness>,
    /// Its waveform, as JSON.
    pub peaks: Vec<u8>,
    /// Facts about the video.
    pub source: SourceFacts,
}

/// Converts the source of a workshop.
pub(super) async fn convert(
    time: &TimeLimit<'_>,
    workshop: Workshop<'_>,
    options: &ConversionOptions,
    report: &watch::Sender<Report>,
) -> Result<Converted, ConversionError> {
    // Starting a program costs more than running it in vain, so FFmpeg starts to decode on a guess while
    // ffprobe checks it.
    let guess = Recipe::guess(options);
    let mut begun = guess.as_ref().map(|guess| workshop.decode(guess)).transpose()?;
    let Examined { workshop, probe, lack } = time.within_longest(examine(workshop, options)).await?;
    let file_bytes = workshop.source().metadata().map_err(ConversionError::Read)?.len();
    report.send_modify(|report| {
        report.progress.phase = Phase::Encoding;
        report.source = Some(probe.facts.clone());
    });

    time.within(probe.declared_seconds(), async {
        let mut refused = None;
        for probe in probe.with_each_track() {
            let guess = guess.as_ref().filter(|_| !workshop.input.is_patient);
            let begun = begun.take().zip(guess);
            let job = Job { time, workshop, probe: &probe, file_bytes, lack, report };
            match job.convert_track(options, begun).await {
                // This track may be empty or of a codec without a decoder. Another may have audio.
                Err(error) if error.is_of_the_track() => refused = refused.or(Some(error)),
                converted => return converted,
            }
        }
        let none = || ConversionError::failed(FailureCode::NoAudioTrack, "there is no track to try");
        Err(refused.unwrap_or_else(none))
    })
    .await
}

/// The conversion of one track.
#[derive(Clone, Copy)]
struct Job<'a> {
    time: &'a TimeLimit<'a>,
    workshop: Workshop<'a>,
    probe: &'a Probe,
    file_bytes: u64,
    lack: Lack,
    report: &'a watch::Sender<Report>,
}

impl<'a> Job<'a> {
    async fn convert_track(
        self,
        options: &ConversionOptions,
        begun: Option<(Child, &Recipe)>,
    ) -> Result<Converted, ConversionError> {
        let mut recipe = Recipe::of(options, self.probe, |seconds| self.is_long(seconds));
        extent::check(self.probe, &recipe, self.scanner()).await?;
        let loudness = self.workshop.prepare(&mut recipe, self.probe).await?;
        let silence = self.silence().await?;
        // A decoder that started on another recipe is killed here.
        let decoder =
            begun.and_then(|(begun, guess)| arguments::decode_alike(guess, &recipe).then_some(begun));
        let made = match self.make(decoder, &recipe, silence.clone()).await {
            // Not every stream that a container holds is allowed in the format. Then it is decoded and
            // encoded like any other.
            Err(error) if recipe.copies && error.is_of_the_copy() => {
                tracing::debug!(%error, "a copy would not do");
                self.make(None, &Recipe { copies: false, ..recipe }, silence).await?
            }
            made => made?,
        };
        Ok(Converted { loudness, ..made })
    }

    /// Makes the file and checks that all of the audio is in it.
    async fn make(
        self,
        decoder: Option<Child>,
        recipe: &Recipe,
        silence: Silence,
    ) -> Result<Converted, ConversionError> {
        let Self { workshop, probe, .. } = self;
        let expected = probe
            .approximate_seconds
            .map(|seconds| recipe.selected_seconds(seconds, probe.track.start_seconds));
        let wanted =
            Wanted { selection: recipe.selection(), clock_seconds: recipe.track.clock_seconds, silence };
        let until = wanted.selection.end;
        let on_progress = |seconds| self.tell_progress(seconds, expected);
        let made = workshop.finish(decoder, recipe, wanted, self.scanner(), expected, on_progress).await?;
        let (output, found) = match made {
            Made::File(output, found) => (Some(output), found),
            Made::NoSamples(found) => (None, found),
            Made::NoSound(ended) => return Err(self.why_silent(ended).await?),
        };
        let evidence = Evidence { probe, found: &found, lack: self.lack, file_bytes: self.file_bytes, until };
        evidence.decide(self.scanner(), recipe.join.as_ref()).await?;
        let Some(path) = output else {
            let detail = "there is no sound in the selection";
            return Err(ConversionError::failed(FailureCode::EmptySelection, detail));
        };
        if recipe.copies && !found.is_uniform() {
            return Err(ConversionError::encoder("a copy cannot have gaps, nor change in the middle"));
        }
        // Players do not recognise an MP3 of a single frame. An encoder adds more.
        if recipe.copies && found.edges.blocks < 3 {
            return Err(ConversionError::encoder("a copy has too few frames"));
        }
        // If our decoder cannot decode a packet, other decoders cannot either. The frames of an MP3 are
        // checked one by one instead.
        let is_walked = recipe.options.format == AudioFormat::Mp3;
        if recipe.copies && !is_walked && verdict::has_decoder_error(&found.log) {
            return Err(ConversionError::encoder("a copy cannot hold what does not decode"));
        }
        let audio = workshop.verify(recipe.options.format, &path, &found).await?;
        let source = evidence.source_facts();
        self.report.send_modify(|report| report.source = Some(source.clone()));
        Ok(Converted {
            path,
            format: recipe.options.format,
            audio,
            begins_at_seconds: found.begins_at,
            tracks: recipe.tracks(),
            is_copy: recipe.copies,
            has_cover: recipe.picture.is_some(),
            cover: recipe.picture.map(|_| workshop.directory.join(arguments::COVER)),
            loudness: None,
            peaks: found.peaks.finish(),
            source,
        })
    }

    /// Why a decoder ended without any audio.
    async fn why_silent(self, ended: Ended) -> Result<ConversionError, ConversionError> {
        let log = log_of(ended)?;
        // ffprobe may refuse a file that no decoder knows, so FFmpeg's log comes first.
        if let Some(error) = verdict::unsupported(&log) {
            return Ok(error);
        }
        let packets = self.scanner().scan(f64::INFINITY).await?;
        Ok(verdict::of_nothing(self.probe, self.file_bytes, self.lack, &packets, &log))
    }

    fn tell_progress(self, seconds: f64, expected: Option<f64>) {
        self.time.note_found(seconds);
        let ratio = expected.map_or(0.0, |length| (seconds / length).clamp(0.0, 1.0));
        // The estimated length may have been too short. A progress bar must not go back.
        self.report.send_if_modified(|report| {
            let is_further = ratio > report.progress.ratio;
            if is_further {
                report.progress.ratio = ratio;
            }
            is_further
        });
    }

    fn scanner(self) -> Scanner<'a> {
        Scanner { workshop: self.workshop, probe: self.probe, track: self.probe.track.index }
    }

    /// Silence in the file that FFmpeg does not report.
    async fn silence(self) -> Result<Silence, ConversionError> {
        if self.probe.format != "avi" || self.probe.join.is_some() {
            return Ok(Silence::default());
        }
        let (source, track) = (self.workshop.source(), self.probe.track.index);
        reading(move || Silence::of_avi(&source, track)).await
    }

    /// Whether several encoders pay off. Judged by the length of the audio, or by the file's size where the
    /// length is unknown.
    fn is_long(self, seconds: Option<f64>) -> bool {
        // Twenty minutes of speech, or half a minute of a phone's video. The guess need not be right.
        const LARGE_FILE_BYTES: u64 = 16 * 1024 * 1024;
        let is_long = match seconds {
            Some(seconds) => seconds >= self.workshop.config.parallel_from.as_secs_f64(),
            None => self.file_bytes >= LARGE_FILE_BYTES,
        };
        // One encoder gains nothing by being fed in segments.
        is_long && self.workshop.slots.total() > 1
    }
}
