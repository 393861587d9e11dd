//! What a conversion works with, and what it does with it: one FFmpeg decodes, others encode, and samples are counted in between.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use contracts::Loudness;
use tokio_util::task::TaskTracker;

use super::arguments::{self, ABOUT, COVER};
use super::child::{Child, Ended, Launcher, Place};
use super::recipe::{Course, Recipe};
use super::restrictions::Input;
use crate::engine::error::ConversionError;
use crate::engine::output::loudness;
use crate::engine::parallel::slots::EncoderSlots;
use crate::engine::scratch::SOURCE;
use crate::engine::sound::track::{Found, Opened, Sound, Wanted};
use crate::engine::source::description::Description;
use crate::engine::source::packets::Scanner;
use crate::engine::source::probe::Probe;

/// What a conversion works with and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workshop<'a> {
    pub ffmpeg: &'a Path,
    pub ffprobe: &'a Path,
    /// The decoders that ffprobe may open.
    pub decoders: &'a str,
    pub launcher: &'a Launcher,
    pub slots: &'a EncoderSlots,
    pub directory: &'a Path,
    pub input: Input<'a>,
    pub keepers: &'a TaskTracker,
}

/// What a conversion has made.
pub(crate) enum Made {
    File(PathBuf, Box<Found>),
    /// There is no sound where it was asked for.
    NoSamples(Box<Found>),
    /// There was nothing to decode.
    NoSound(Ended),
}

impl<'a> Workshop<'a> {
    /// Makes and measures what a recipe needs to be complete.
    pub(crate) async fn prepare(
        self,
        recipe: &mut Recipe,
        probe: &Probe,
    ) -> Result<Option<Loudness>, ConversionError> {
        if let Some(picture) = recipe.picture
            && !self.cover(picture).await?
        {
            recipe.picture = None;
        }
        let Some(target) = recipe.options.normalize else { return Ok(None) };
        let (gain, loudness) = loudness::measure(self, recipe, target, probe.track.sample_rate_hz).await?;
        recipe.gain = Some(gain);
        Ok(Some(loudness))
    }

    /// Starts to decode.
    pub(crate) fn decode(self, recipe: &Recipe) -> Result<Child, ConversionError> {
        self.ffmpeg(arguments::decode(self.input, recipe), Place::of_source(self.directory), Stdio::null())
    }

    /// Starts to decode and to copy.
    fn copy(self, recipe: &Recipe) -> Result<Child, ConversionError> {
        let name = copy_name(recipe);
        self.empty_file(&name)?;
        let mut reads = vec![SOURCE, &name, ABOUT];
        reads.extend(recipe.picture.map(|_| COVER));
        let place = Place { directory: self.directory, reads: &reads, writes: Some(&name) };
        self.ffmpeg(arguments::copy(self.input, recipe, &name), place, Stdio::null())
    }

    /// Makes the file of what a decoder makes, which may have begun already; `on_progress` gets the seconds that are encoded.
    pub(crate) async fn finish(
        self,
        decoder: Option<Child>,
        recipe: &Recipe,
        wanted: Wanted,
        scanner: Scanner<'_>,
        approximate_seconds: Option<f64>,
        on_progress: impl FnMut(f64),
    ) -> Result<Made, ConversionError> {
        let mut about = Description::default();
        let decoder = match (decoder, recipe.copies) {
            (Some(decoder), _) => decoder,
            (None, false) => self.decode(recipe)?,
            (None, true) => {
                about = self.write_about(recipe, recipe.track.start_seconds, approximate_seconds).await?;
                self.copy(recipe)?
            }
        };
        let mut sound = match Sound::open(decoder, wanted, scanner).await? {
            Opened::Sound(sound) => sound,
            Opened::Silent(ended) => return Ok(Made::NoSound(ended)),
        };
        if !sound.begin().await? {
            return Ok(Made::NoSamples(Box::new(sound.found().await?)));
        }
        let course = recipe.course();
        if course != Course::Copy {
            about = self.write_about(recipe, sound.begins_at(), approximate_seconds).await?;
        }
        let output = match course {
            Course::Copy => {
                let _slot = self.slots.take();
                self.follow_copy(&mut sound, on_progress).await?;
                None
            }
            Course::Whole => {
                let _slot = self.slots.take();
                Some(self.encode_whole(&mut sound, recipe, on_progress).await?)
            }
            Course::Frames | Course::Segments => {
                let tag = self.tag(recipe, &about).await?;
                Some(self.encode_segments(&mut sound, recipe, tag, approximate_seconds, on_progress).await?)
            }
        };
        let found = Box::new(sound.found().await?);
        let output = match output {
            Some(output) => output,
            None => self.tagged_copy(recipe, &about, &found).await?,
        };
        let output = self.correct_about(recipe, &about, &found, output).await?;
        Ok(Made::File(output, found))
    }

    /// Starts FFmpeg.
    pub(crate) fn ffmpeg(
        self,
        arguments: Vec<String>,
        place: Place<'_>,
        stdin: Stdio,
    ) -> Result<Child, ConversionError> {
        self.launcher
            .start(self.ffmpeg, arguments, place, stdin, self.keepers)
            .map_err(ConversionError::ffmpeg)
    }

    /// Starts ffprobe on the source, with what it is to show.
    pub(crate) fn ask_ffprobe(
        self,
        shown: impl IntoIterator<Item = &'a str>,
    ) -> Result<Child, ConversionError> {
        let options = ["-hide_banner", "-loglevel", "level+warning"].map(str::to_owned).into_iter();
        let options = options.chain(self.input.ffprobe_options(self.decoders));
        let shown = shown.into_iter().chain([self.input.file]).map(str::to_owned);
        self.launcher
            .start(
                self.ffprobe,
                options.chain(shown),
                Place::of_source(self.directory),
                Stdio::null(),
                self.keepers,
            )
            .map_err(ConversionError::ffprobe)
    }

    /// What FFmpeg says of the source's tracks when it opens it, in its log.
    pub(crate) async fn list_tracks(self) -> Result<String, ConversionError> {
        let place = Place::of_source(self.directory);
        let listed = self.ffmpeg(arguments::list(self.input), place, Stdio::null())?;
        Ok(listed.ended().await.map_err(ConversionError::ffmpeg)?.log)
    }

    /// Makes an empty file for FFmpeg, which may write one and not make one.
    pub(crate) fn empty_file(self, name: &str) -> Result<PathBuf, ConversionError> {
        let path = self.directory.join(name);
        File::create(&path).map_err(ConversionError::Write)?;
        Ok(path)
    }
}

/// The name of a copy in the scratch directory.
pub(crate) fn copy_name(recipe: &Recipe) -> String {
    format!("copied.{}", recipe.options.format.as_str())
}
