//! The FFmpeg process that encodes decoded audio to a whole file.

use std::path::PathBuf;

use tokio::io::AsyncWriteExt as _;

use crate::engine::error::ConversionError;
use crate::engine::ffmpeg::{ABOUT, COVER, Place, Recipe, Workshop, arguments, complaints, log_of_encoder};
use crate::engine::sound::{Format, Pieces as _, Sound};

/// Samples of decoded audio that are passed on at once.
const PIECE_SAMPLES: usize = 8192;

impl Workshop<'_> {
    /// Encodes the decoded audio to a file. `on_progress` gets the encoded seconds.
    pub(crate) async fn encode_whole(
        self,
        sound: &mut Sound<'_>,
        recipe: &Recipe,
        mut on_progress: impl FnMut(f64),
    ) -> Result<PathBuf, ConversionError> {
        let format = sound.format();
        let name = format!("encoded.{}", recipe.options.format.as_str());
        let output = self.empty_file(&name)?;
        // FFmpeg reads an M4A back in order to move its index to the front.
        let mut reads = vec![&*name, ABOUT];
        reads.extend(recipe.picture.map(|_| COVER));
        let place = Place { directory: self.directory, reads: &reads, writes: Some(&name) };
        let (child, mut stdin) = self.encoder(arguments::encode_whole(recipe, format, &name), place)?;
        let mut is_taken = stdin.write_all(&format.wave_header(recipe.layout(format.channels))).await.is_ok();
        let piece_bytes = piece_bytes(format);
        loop {
            let piece = sound.piece(piece_bytes).await?;
            if piece.is_empty() {
                break;
            }
            // An encoder that ended early gives its reason at its end, below.
            is_taken = is_taken && stdin.write_all(&piece).await.is_ok();
            if !is_taken {
                break;
            }
            on_progress(sound.seconds());
        }
        drop(stdin);
        let log = log_of_encoder(child.ended().await.map_err(ConversionError::ffmpeg)?)?;
        if is_taken { Ok(output) } else { Err(ConversionError::encoder(complaints(&log))) }
    }
}

pub(super) fn piece_bytes(format: Format) -> usize {
    PIECE_SAMPLES * usize::try_from(format.bytes_per_sample()).unwrap_or(1)
}
