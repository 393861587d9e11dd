//! Makes an audio file: one FFmpeg decodes, others encode, and the converter counts samples in between.

use std::path::PathBuf;

use contracts::Loudness;

use super::loudness;
use crate::engine::error::ConversionError;
use crate::engine::ffmpeg::{Child, Course, Ended, Recipe, Workshop};
use crate::engine::sound::{Found, Opened, Sound, Wanted};
use crate::engine::source::{Description, Probe, Scanner};

/// The result of making a file.
pub(crate) enum Made {
    File(PathBuf, Box<Found>),
    /// The source has audio, but none in the selected range.
    NoSamples(Box<Found>),
    /// The decoder produced nothing.
    NoSound(Ended),
}

impl Workshop<'_> {
    /// Makes and measures what the recipe still lacks: the cover and the gain.
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

    /// Makes the file from a decoder that may already run. `on_progress` gets the encoded seconds.
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
}
