//! Copies audio that already has the requested format. FFmpeg writes the copy beside the decoded audio.

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
    /// Starts to decode and copy.
    pub(super) fn copy(self, recipe: &Recipe) -> Result<Child, ConversionError> {
        let name = copy_name(recipe);
        self.empty_file(&name)?;
        let mut reads = vec![SOURCE, &name, ABOUT];
        reads.extend(recipe.picture.map(|_| COVER));
        let place = Place { directory: self.directory, reads: &reads, writes: Some(&name) };
        self.ffmpeg(arguments::copy(self.input, recipe, &name), place, Stdio::null())
    }

    /// Follows a copy to its end by reading the decoded audio.
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

    /// Puts our own tag in front of a finished copy, if it is an MP3.
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
            // Enough bytes for the longest possible info frame.
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

/// A copy's file name in the scratch directory.
fn copy_name(recipe: &Recipe) -> String {
    format!("copied.{}", recipe.options.format.as_str())
}

/// The longest MP3 frame: MPEG-1 at 320 kbit/s and 32 kHz.
const MAX_FRAME_BYTES: usize = 1441;

/// The samples that the decoder removed, calculated from the number of frames in the file and the samples it
/// returned.
fn left_out(found: &Found) -> impl FnOnce(u64) -> Option<Trimmed> + use<> {
    let (edges, samples) = (found.edges, found.samples);
    let frame = u64::from(found.format.frame_samples());
    move |frames| {
        let total = (frames * frame).checked_sub(samples)?;
        let part = frame.checked_sub(edges.first)?;
        // The frames before a partly removed frame are removed whole.
        let start = if part > 0 { part + frames.saturating_sub(edges.blocks) * frame } else { 0 };
        Some(Trimmed { start, total })
    }
}
