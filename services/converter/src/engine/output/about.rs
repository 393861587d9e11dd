//! What a finished file says about itself: written when it is begun, and once more if its sound turns out otherwise.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use contracts::AudioFormat;

use super::encode::log_of_encoder;
use crate::engine::error::ConversionError;
use crate::engine::ffmpeg::arguments::{self, ABOUT, COVER};
use crate::engine::ffmpeg::child::Place;
use crate::engine::ffmpeg::recipe::Recipe;
use crate::engine::ffmpeg::workshop::Workshop;
use crate::engine::sound::track::Found;
use crate::engine::source::description::Description;

/// The beginning of an MP3, which can be written once more.
#[derive(Debug, Default)]
pub(crate) struct Id3Tag(Vec<u8>);

/// In front of everything else in a tag (ID3v2.4, section 3.1).
const HEADER_BYTES: usize = 10;

impl From<Vec<u8>> for Id3Tag {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Id3Tag {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same, filled up to a length, which it must not exceed.
    fn padded(mut self, length: usize) -> Option<Self> {
        if self.0.is_empty() && length >= HEADER_BYTES {
            self.0 = b"ID3\x04\0\0\0\0\0\0".to_vec();
        }
        let content = u32::try_from(length.checked_sub(HEADER_BYTES)?).ok()?;
        if self.0.len() > length {
            return None;
        }
        self.0.resize(length, 0);
        // Seven bits in each byte.
        for (byte, shift) in self.0.get_mut(6..HEADER_BYTES)?.iter_mut().zip([21, 14, 7, 0]) {
            *byte = u8::try_from(content >> shift & 0x7f).unwrap_or_default();
        }
        Some(self)
    }
}

impl Workshop<'_> {
    /// Writes for FFmpeg what the file is to say. `begin` is where its sound begins on the source's clock.
    pub(crate) async fn write_about(
        self,
        recipe: &Recipe,
        begin: f64,
        seconds: Option<f64>,
    ) -> Result<Description, ConversionError> {
        let description = recipe.description.clone().on_clock(begin, seconds);
        let text = description.ffmetadata(recipe.options.format);
        let written = tokio::fs::write(self.directory.join(ABOUT), text).await;
        written.map_err(ConversionError::Write)?;
        Ok(description)
    }

    /// What an MP3 is to say.
    pub(crate) async fn tag(
        self,
        recipe: &Recipe,
        description: &Description,
    ) -> Result<Id3Tag, ConversionError> {
        let cover = match recipe.picture {
            Some(_) => {
                let cover = tokio::fs::read(self.directory.join(COVER)).await;
                Some(cover.map_err(ConversionError::Write)?)
            }
            None => None,
        };
        Ok(description.id3(cover.as_deref()).into())
    }

    /// Corrects what a file says, which was written before it was known how long its sound is.
    pub(crate) async fn correct_about(
        self,
        recipe: &Recipe,
        written: &Description,
        found: &Found,
        output: PathBuf,
    ) -> Result<PathBuf, ConversionError> {
        let description = recipe.description.clone().on_clock(found.begins_at, Some(found.seconds()));
        if description == *written {
            return Ok(output);
        }
        if recipe.options.format == AudioFormat::Mp3 {
            let length = self.tag(recipe, written).await?.bytes().len();
            let tag = self.tag(recipe, &description).await?.padded(length);
            return self.overwrite(output, tag.unwrap_or_default()).await;
        }
        self.write_about(recipe, found.begins_at, Some(found.seconds())).await?;
        self.described_again(recipe, &output).await
    }

    async fn overwrite(self, output: PathBuf, tag: Id3Tag) -> Result<PathBuf, ConversionError> {
        let write = move || {
            let mut file = File::options().write(true).open(&output)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(tag.bytes())?;
            Ok(output)
        };
        let written = self.keepers.spawn_blocking(write).await;
        written.map_err(io::Error::from).flatten().map_err(ConversionError::Write)
    }

    async fn described_again(self, recipe: &Recipe, file: &Path) -> Result<PathBuf, ConversionError> {
        let name = format!("described.{}", recipe.options.format.as_str());
        let output = self.empty_file(&name)?;
        let file = file.file_name().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
        let mut reads = vec![file, &name, ABOUT];
        reads.extend(recipe.picture.map(|_| COVER));
        let place = Place { directory: self.directory, reads: &reads, writes: Some(&name) };
        let child = self.ffmpeg(arguments::describe_again(recipe, file, &name), place, Stdio::null())?;
        log_of_encoder(child.ended().await.map_err(ConversionError::ffmpeg)?)?;
        Ok(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_filled_up_to_the_length_of_another() {
        let tag = Id3Tag(b"ID3\x04\0\0\0\0\0\x05hello".to_vec()).padded(10 + 300).unwrap();
        assert_eq!(tag.bytes().len(), 310);
        assert_eq!(tag.bytes()[..16], *b"ID3\x04\0\0\0\0\x02\x2chello\0");
        let empty = Id3Tag::default().padded(20).unwrap();
        assert_eq!(empty.bytes()[..10], *b"ID3\x04\0\0\0\0\0\x0a");
        assert!(Id3Tag(vec![0; 30]).padded(20).is_none());
        assert!(Id3Tag::default().padded(0).is_none());
    }
}
