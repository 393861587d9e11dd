//! A copy of sound that is in the requested format already: FFmpeg writes it beside what it decodes.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;
use std::process::Stdio;

use contracts::AudioFormat;

use super::encode::piece_bytes;
use crate::engine::error::ConversionError;
use crate::engine::ffmpeg::{ABOUT, COVER, Child, Place, Recipe, Workshop, arguments};
use crate::engine::mp3::info_frame::{self, Trimmed};
use crate::engine::scratch::SOURCE;
use crate::engine::sound::{Found, Pieces as _, Sound};
use crate::engine::source::Description;

impl Workshop<'_> {
    /// Starts to decode and to copy.
    pub(super) fn copy(self, recipe: &Recipe) -> Result<Child, ConversionError> {
        let name = copy_name(recipe);
        self.empty_file(&name)?;
        let mut reads = vec![SOURCE, &name, ABOUT];
        reads.extend(recipe.picture.map(|_| COVER));
        let place = Place { directory: self.directory, reads: &reads, writes: Some(&name) };
        self.ffmpeg(arguments::copy(self.input, recipe, &name), place, Stdio::null())
    }

    /// Follows a copy to its end by what it decodes.
    pub(crate) async fn follow_copy(
        self,
        sound: &mut Sound<'_>,
        mut on_progress: impl FnMut(f64),
    ) -> Result<(), ConversionError> {
        let piece_bytes = piece_bytes(sound.format());
        while !sound.piece(piece_bytes).await?.is_empty() {
            on_progress(sound.seconds());
        }
        Ok(())
    }

    /// Gives a finished copy its tag, if that is ours to write.
    pub(crate) async fn tagged_copy(
        self,
        recipe: &Recipe,
        about: &Description,
        found: &Found,
    ) -> Result<PathBuf, ConversionError> {
        let copy = self.directory.join(copy_name(recipe));
        if recipe.options.format != AudioFormat::Mp3 {
            return Ok(copy);
        }
        let tag = self.tag(recipe, about).await?;
        let tagged = self.directory.join("tagged.mp3");
        let result = tagged.clone();
        let left_out = left_out(found);
        let write = move || {
            let mut copy = File::open(&copy)?;
            let mut tagged = File::create(&tagged)?;
            tagged.write_all(tag.bytes())?;
            // The longest frame that holds it.
            let mut start = Vec::with_capacity(MAX_FRAME_BYTES);
            (&mut copy).take(MAX_FRAME_BYTES as u64).read_to_end(&mut start)?;
            info_frame::correct(&mut start, left_out);
            tagged.write_all(&start)?;
            io::copy(&mut copy, &mut tagged)
        };
        let written = self.keepers.spawn_blocking(write).await;
        written.map_err(io::Error::from).flatten().map_err(ConversionError::Write)?;
        Ok(result)
    }
}

/// The name of a copy in the scratch directory.
fn copy_name(recipe: &Recipe) -> String {
    format!("copied.{}", recipe.options.format.as_str())
}

/// Of MPEG-1 at 320 kbit/s and 32 kHz.
const MAX_FRAME_BYTES: usize = 1441;

/// What the decoder has left out of so many frames of MP3, by what it has made of them.
fn left_out(found: &Found) -> impl FnOnce(u64) -> Option<Trimmed> + use<> {
    let (edges, samples) = (found.edges, found.samples);
    let frame = u64::from(found.format.frame_samples());
    move |frames| {
        let total = (frames * frame).checked_sub(samples)?;
        let part = frame.checked_sub(edges.first)?;
        // Frames of which nothing is left are those in front of one that is cut.
        let start = if part > 0 { part + frames.saturating_sub(edges.blocks) * frame } else { 0 };
        Some(Trimmed { start, total })
    }
}
