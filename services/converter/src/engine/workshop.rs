//! What a conversion works with, and its two courses: one FFmpeg that does everything, or one that decodes and several that
//! encode.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use contracts::Loudness;
use tokio_util::task::TaskTracker;

use super::arguments::{self, COVER};
use super::child::{Child, Launcher, Place};
use super::encode::{Encoded, Encoding};
use super::failure::ConversionError;
use super::loudness;
use super::parallel::Decoding;
use super::probe::Probe;
use super::recipe::{Course, Recipe};
use super::restrictions::Input;
use super::scratch::SOURCE;
use super::slots::{EncoderSlots, Slot};

/// What a conversion works with and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workshop<'a> {
    pub ffmpeg: &'a Path,
    pub launcher: &'a Launcher,
    pub slots: &'a EncoderSlots,
    pub directory: &'a Path,
    pub input: Input<'a>,
    pub keepers: &'a TaskTracker,
}

/// How far a conversion may go, and how far it will.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub max_seconds: f64,
    /// For an even division.
    pub approximate_seconds: Option<f64>,
}

/// A conversion that has begun. Dropping it kills what works on it.
pub(crate) enum Begun {
    Plain(Encoding, Slot),
    Parallel(Decoding),
}

impl Workshop<'_> {
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

    /// Begins to make a file.
    pub(crate) fn begin(self, recipe: &Recipe) -> Result<Begun, ConversionError> {
        match recipe.course() {
            Course::Plain => {
                let slot = self.slots.take();
                Ok(Begun::Plain(self.encode_whole(recipe)?, slot))
            }
            Course::Parallel => Ok(Begun::Parallel(self.decode(recipe)?)),
        }
    }

    /// Goes on to the end; `on_progress` gets the seconds that are encoded.
    pub(crate) async fn finish(
        self,
        begun: Begun,
        recipe: &Recipe,
        extent: Extent,
        on_progress: impl FnMut(f64),
    ) -> Result<Encoded, ConversionError> {
        match begun {
            Begun::Plain(encoding, slot) => {
                let encoded = encoding.finished(extent.max_seconds, on_progress).await;
                drop(slot);
                encoded
            }
            Begun::Parallel(decoding) => self.encode_segments(decoding, recipe, extent, on_progress).await,
        }
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

    /// Makes an empty file for FFmpeg, which may write one and not make one.
    pub(crate) fn empty_file(self, name: &str) -> Result<PathBuf, ConversionError> {
        let path = self.directory.join(name);
        File::create(&path).map_err(ConversionError::Write)?;
        Ok(path)
    }

    fn encode_whole(self, recipe: &Recipe) -> Result<Encoding, ConversionError> {
        // A name for each recipe: an encoder that is being killed may still hold the file of another one.
        let means = if recipe.copies { "copied" } else { "encoded" };
        let picture = if recipe.picture.is_some() { "-with-cover" } else { "" };
        let name = format!("{means}{}{picture}.{}", recipe.track.place, recipe.options.format.as_str());
        let output = self.empty_file(&name)?;
        // To move the index of an M4A to the front, its writer reads it.
        let reads: &[&str] =
            if recipe.picture.is_some() { &[SOURCE, &name, COVER] } else { &[SOURCE, &name] };
        let place = Place { directory: self.directory, reads, writes: Some(&name) };
        let child = self.ffmpeg(arguments::whole(self.input, recipe, &name), place, Stdio::null())?;
        Ok(Encoding { child, output })
    }
}
