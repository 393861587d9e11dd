//! The picture in an audio file.

use crate::engine::error::ConversionError;
use crate::engine::ffmpeg::{COVER, Picture, Place, Workshop, arguments, log_of};
use crate::engine::scratch::SOURCE;

impl Workshop<'_> {
    /// Makes the cover. `false`: there is none, because the picture cannot be decoded or the video ends
    /// before it. A missing cover must not fail the conversion.
    pub(crate) async fn cover(self, picture: Picture) -> Result<bool, ConversionError> {
        let path = self.empty_file(COVER)?;
        let place = Place { directory: self.directory, reads: &[SOURCE], writes: Some(COVER) };
        match log_of(self.run_ffmpeg(arguments::cover(self.input, picture), place).await?) {
            Ok(_) => {
                let written = tokio::fs::metadata(path).await;
                Ok(written.is_ok_and(|file| file.len() > 0))
            }
            Err(error) if error.code().is_some() => {
                tracing::info!(%error, "there is no cover");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}
