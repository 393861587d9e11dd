//! The ID3 tag of an MP3 that is put together from frames, made by FFmpeg like every other file's.

use std::io::{self, Write as _};

use super::arguments::{self, COVER, SILENCE};
use super::child::Place;
use super::encode::log_of;
use super::failure::ConversionError;
use super::recipe::Recipe;
use super::scratch::SOURCE;
use super::workshop::Workshop;

/// Titles, chapters and a picture of a thousand pixels each way have room in it.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

impl Workshop<'_> {
    /// Makes the tag; empty if the file's titles cannot be read, whose sound may be fine.
    pub(crate) async fn tag(self, recipe: &Recipe) -> Result<Vec<u8>, ConversionError> {
        const NAME: &str = "tag.mp3";
        let (silence, mut writer) = io::pipe().map_err(ConversionError::ffmpeg)?;
        // A pipe holds more than that.
        writer.write_all(&SILENCE).map_err(ConversionError::ffmpeg)?;
        drop(writer);
        let path = self.empty_file(NAME)?;
        let reads: &[&str] = if recipe.picture.is_some() { &[SOURCE, COVER] } else { &[SOURCE] };
        let place = Place { directory: self.directory, reads, writes: Some(NAME) };
        let child = self.ffmpeg(arguments::tag(self.input, recipe, NAME), place, silence.into())?;
        match log_of(child.ended().await.map_err(ConversionError::ffmpeg)?) {
            Ok(_) => {}
            Err(error) if error.code().is_some() => {
                tracing::warn!(%error, "an MP3 gets no titles");
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        }
        let bytes = tokio::fs::metadata(&path).await.map_err(ConversionError::ffmpeg)?.len();
        if bytes > MAX_BYTES {
            tracing::warn!(bytes, "an MP3 gets no titles: they are too long");
            return Ok(Vec::new());
        }
        let mut mp3 = tokio::fs::read(&path).await.map_err(ConversionError::ffmpeg)?;
        mp3.truncate(tag_bytes(&mp3));
        Ok(mp3)
    }
}

/// The length of the tag at the start of an MP3 (ID3v2.4, section 3.1).
fn tag_bytes(mp3: &[u8]) -> usize {
    match mp3 {
        [b'I', b'D', b'3', _, _, _, a, b, c, d, ..] => {
            10 + [a, b, c, d].into_iter().fold(0, |length, byte| length << 7 | usize::from(byte & 0x7f))
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_as_long_as_it_says() {
        assert_eq!(tag_bytes(b"ID3\x04\0\0\0\0\x02\x01rest"), 10 + 257);
        assert_eq!(tag_bytes(b"\xff\xfb\x94\x64"), 0);
    }
}
