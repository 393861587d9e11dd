//! The two courses that a conversion can take: one FFmpeg that does everything, or one that decodes and several that
//! encode.

use std::path::Path;
use std::process::Stdio;

use contracts::ConversionOptions;
use tokio_util::task::TaskTracker;

use super::child::Launcher;
use super::encode::{self, Encoded, Encoding};
use super::failure::ConversionError;
use super::parallel::{Decoding, Order};
use super::slots::{EncoderSlots, Slot};

/// What a conversion works with and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workshop<'a> {
    pub ffmpeg: &'a Path,
    pub launcher: &'a Launcher,
    pub slots: &'a EncoderSlots,
    pub directory: &'a Path,
    pub keepers: &'a TaskTracker,
}

/// Which course.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    Plain,
    Parallel,
}

/// A conversion that has begun. Dropping it kills what works on it.
pub(crate) enum Begun {
    Plain(Encoding, Slot),
    Parallel(Decoding),
}

impl Workshop<'_> {
    /// Begins to convert an audio track.
    pub(crate) fn begin(
        self,
        course: Course,
        input: &str,
        track: usize,
        options: ConversionOptions,
    ) -> Result<Begun, ConversionError> {
        match course {
            Course::Plain => {
                let slot = self.slots.take();
                Ok(Begun::Plain(self.encode_whole(input, track, options)?, slot))
            }
            Course::Parallel => Ok(Begun::Parallel(self.decode(input, track, options)?)),
        }
    }

    /// Goes on to the end; `on_progress` gets the seconds that are encoded.
    pub(crate) async fn finish(
        self,
        begun: Begun,
        order: Order,
        on_progress: impl FnMut(f64),
    ) -> Result<Encoded, ConversionError> {
        match begun {
            Begun::Plain(encoding, slot) => {
                let encoded = encoding.finished(order.max_seconds, on_progress).await;
                drop(slot);
                encoded
            }
            Begun::Parallel(decoding) => self.encode_segments(decoding, order, on_progress).await,
        }
    }

    fn encode_whole(
        self,
        input: &str,
        track: usize,
        options: ConversionOptions,
    ) -> Result<Encoding, ConversionError> {
        // A name for each track: an encoder that is being killed may still hold the file of the other one.
        let name = format!("track{track}.mp3");
        let arguments = encode::arguments(input, track, options, &format!("file:{name}"));
        let child = self
            .launcher
            .start(self.ffmpeg, arguments, self.directory, Stdio::null(), self.keepers)
            .map_err(|source| ConversionError::Run { program: "ffmpeg", source })?;
        Ok(Encoding { child, output: self.directory.join(name) })
    }
}
