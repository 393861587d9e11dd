//! The FFmpeg process that makes a whole file of decoded sound.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;

use contracts::{AudioFormat, FailureCode};
use rustix::process::Signal;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;

use crate::engine::error::{self, ConversionError, complaints};
use crate::engine::ffmpeg::arguments::{self, ABOUT, COVER};
use crate::engine::ffmpeg::child::{Ended, Place};
use crate::engine::ffmpeg::recipe::Recipe;
use crate::engine::ffmpeg::workshop::{Workshop, copy_name};
use crate::engine::mp3::info_frame::{self, Trimmed};
use crate::engine::parallel::cutter::Pieces as _;
use crate::engine::sound::pcm::Format;
use crate::engine::sound::track::{Found, Sound};
use crate::engine::source::description::Description;

/// Of decoded sound that is passed on at once, in samples.
const PIECE_SAMPLES: usize = 8192;

impl Workshop<'_> {
    /// Makes a file of what is decoded; `on_progress` gets the seconds that are encoded.
    pub(crate) async fn encode_whole(
        self,
        sound: &mut Sound<'_>,
        recipe: &Recipe,
        mut on_progress: impl FnMut(f64),
    ) -> Result<PathBuf, ConversionError> {
        let format = sound.format();
        let name = format!("encoded.{}", recipe.options.format.as_str());
        let output = self.empty_file(&name)?;
        // To move the index of an M4A to the front, its writer reads it.
        let mut reads = vec![&*name, ABOUT];
        reads.extend(recipe.picture.map(|_| COVER));
        let place = Place { directory: self.directory, reads: &reads, writes: Some(&name) };
        let (mut stdin, theirs) = pipe()?;
        let arguments = arguments::encode_whole(recipe, format, &name);
        let child = self.ffmpeg(arguments, place, theirs.into())?;
        let mut is_taken = stdin.write_all(&format.wave_header(recipe.layout(format.channels))).await.is_ok();
        let piece_bytes = piece_bytes(format);
        loop {
            let piece = sound.piece(piece_bytes).await?;
            if piece.is_empty() {
                break;
            }
            // An encoder that has ended early says why.
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

fn piece_bytes(format: Format) -> usize {
    PIECE_SAMPLES * usize::try_from(format.bytes_per_sample()).unwrap_or(1)
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

/// What an encoder reads from, and the end that is written to.
///
/// Not a pipe: the writer into a full pipe is woken for each page that is read, the one into a full socket when most of it is.
pub(crate) fn pipe() -> Result<(UnixStream, OwnedFd), ConversionError> {
    let (ours, theirs) = net::UnixStream::pair().map_err(ConversionError::ffmpeg)?;
    ours.set_nonblocking(true).map_err(ConversionError::ffmpeg)?;
    Ok((UnixStream::from_std(ours).map_err(ConversionError::ffmpeg)?, theirs.into()))
}

/// The log of an encoder that succeeded. What it got is sound without a container, so that it is at fault itself if it fails.
pub(crate) fn log_of_encoder(Ended { status, log }: Ended) -> Result<String, ConversionError> {
    // First of all: an encoder without room may say anything else besides, or call it a success.
    if error::is_out_of_room(&log) {
        return Err(ConversionError::no_room("ffmpeg", status, &log));
    }
    if status.success() {
        return Ok(log);
    }
    let signal = status.signal();
    if signal == Some(Signal::XCPU.as_raw()) {
        return Err(ConversionError::failed(FailureCode::TimedOut, "an encoder worked for too long"));
    }
    if signal == Some(Signal::XFSZ.as_raw()) {
        return Err(ConversionError::failed(
            FailureCode::AudioTooLarge,
            "the file is larger than is allowed",
        ));
    }
    if let Some(code) = error::exceeded(&log) {
        return Err(ConversionError::failed(code, complaints(&log)));
    }
    // It looked at what it is to encode, and would not begin.
    if log.contains("Error initializing output stream") {
        return Err(ConversionError::failed(FailureCode::UnsuitableFormat, complaints(&log)));
    }
    Err(ConversionError::encoder(format!("{status}: {}", complaints(&log))))
}

/// The log of an FFmpeg that succeeded in working on a stranger's file, or why it did not.
pub(crate) fn log_of(Ended { status, log }: Ended) -> Result<String, ConversionError> {
    if let Some(error) = ConversionError::of_the_machine("ffmpeg", status, &log) {
        return Err(error);
    }
    if status.success() {
        return Ok(log);
    }
    let signal = status.signal();
    let code = if signal == Some(Signal::XCPU.as_raw()) {
        FailureCode::TimedOut
    } else if signal == Some(Signal::XFSZ.as_raw()) {
        FailureCode::AudioTooLarge
    } else if let Some(code) = error::exceeded(&log) {
        code
    } else if error::is_unsupported(&log) {
        FailureCode::UnsupportedFormat
    } else {
        FailureCode::Damaged
    };
    Err(ConversionError::failed(code, format!("ffmpeg ended with {status}: {}", complaints(&log))))
}
