//! The description in a finished file. It is written when the file is begun, and again if the audio's length
//! or beginning differs from the estimate.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use contracts::AudioFormat;

use crate::engine::error::ConversionError;
use crate::engine::ffmpeg::{ABOUT, COVER, Place, Recipe, Workshop, arguments, log_of_encoder};
use crate::engine::mp3::Id3Tag;
use crate::engine::sound::Found;
use crate::engine::source::Description;

impl Workshop<'_> {
    /// Writes the file's description for FFmpeg. `begin` is where its audio begins on the source's clock.
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

    /// The tag of an MP3.
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

    /// Writes the description again if the audio's real beginning and length change it.
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
        log_of_encoder(self.run_ffmpeg(arguments::describe_again(recipe, file, &name), place).await?)?;
        Ok(output)
    }
}
