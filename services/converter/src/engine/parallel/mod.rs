//! Encodes decoded audio to an MP3: with one FFmpeg, or with several that encode segments whose frames are
//! joined.
//!
//! Several encoders work without the bit reservoir. Then no frame needs bits of another, so the joined frames
//! are the same as those of one encoder for the whole audio.

mod cutter;
pub(super) mod joiner;
mod repacker;
mod segments;
mod slots;

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use contracts::{Encoder, FailureCode};
use futures_util::future::try_join_all;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};

use self::cutter::{Cutter, Feed, Room, Uncut};
pub use self::joiner::JoinError;
use self::joiner::{Orders, Style};
use self::segments::Segments;
pub(super) use self::slots::EncoderSlots;
pub(crate) use self::slots::cores;
use self::slots::{JobNumber, Slot};
use crate::engine::error::ConversionError;
use crate::engine::ffmpeg::{Child, Course, Place, Recipe, Workshop, arguments, complaints};
use crate::engine::mp3::Id3Tag;
use crate::engine::sound::{Format, Sound};

/// Decoded audio that may wait for a job's encoders, all together.
const WAITING_BYTES: usize = 56 * 1024 * 1024;

/// More encoders than this would only wait for the decoder.
const MAX_ENCODERS: u16 = 16;

/// Segments that may be announced for each encoder before the joiner sees the end of its current one. FFmpeg
/// holds back up to 32 KiB of frames until it gets more audio, and the shortest segments have 4 KiB of
/// frames.
const SEGMENTS_AHEAD: usize = 16;

impl Workshop<'_> {
    /// Encodes the decoded audio to an MP3. `on_progress` gets the encoded seconds.
    pub(crate) async fn encode_segments(
        self,
        sound: &mut Sound<'_>,
        recipe: &Recipe,
        tag: Id3Tag,
        approximate_seconds: Option<f64>,
        on_progress: impl FnMut(f64),
    ) -> Result<PathBuf, ConversionError> {
        let output = self.directory.join("joined.mp3");
        let (format, rate) = (sound.format(), recipe.options.mp3_rate());
        let is_divided = recipe.course() == Course::Segments;
        let count = if is_divided { self.slots.total().min(MAX_ENCODERS) } else { 1 };
        let segments = if is_divided {
            Segments::new(format, count, approximate_seconds, WAITING_BYTES)
        } else {
            Segments::undivided(format)
        };
        let room = Room::new(WAITING_BYTES, segments.piece_bytes());
        let style = Style { rate, is_repacked: is_divided && recipe.options.encoder == Encoder::Repacked };
        let job = self.slots.begin_job();
        let header = Bytes::from(format.wave_header(recipe.layout(format.channels)));
        let (mut encoders, mut outputs, mut lanes) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..count {
            // Bounded by `room`.
            let (encoder, fed) = mpsc::unbounded_channel();
            // Each message may be a single frame. The channel must hold all frames ahead: an encoder that
            // waits for the joiner would deadlock.
            let (frames, output) = mpsc::channel(segments.frames_ahead());
            let arguments = arguments::encode_frames(rate, is_divided);
            let (child, stdin) = self.encoder(arguments, Place::without_files(self.directory))?;
            encoders.push(encoder);
            outputs.push(output);
            // A single encoder does not wait for its turn.
            let slot = (!is_divided).then(|| self.slots.take());
            let fed = feed(stdin, header.clone(), fed, self.slots.clone(), job, slot);
            lanes.push(async { tokio::join!(fed, read(child, frames)).1 });
        }
        let (further, further_segments) = mpsc::channel(usize::from(count) * SEGMENTS_AHEAD);
        let (counted, samples) = oneshot::channel();
        let (joined, progress) = watch::channel(0);
        let orders = Orders { encoders: outputs, further_segments, samples, tag, joined };
        let cutter = Cutter { segments, encoders, further_segments: further, room };
        let (is_cut, _, is_joined, ()) = tokio::try_join!(
            cut(sound, cutter, counted),
            try_join_all(lanes),
            self.join(&output, style, segments, orders),
            follow(progress, format, on_progress),
        )?;
        if is_cut && is_joined {
            Ok(output)
        } else {
            Err(ConversionError::encoder("an encoder ended before its input"))
        }
    }

    /// `false`: another part ended too early. It reports its own error.
    async fn join(
        self,
        path: &Path,
        style: Style,
        segments: Segments,
        orders: Orders,
    ) -> Result<bool, ConversionError> {
        let max_bytes = self.launcher.limits.file_bytes;
        let path = path.to_owned();
        let join = move || joiner::join(&path, style, segments, max_bytes, orders);
        let joined = self.keepers.spawn_blocking(join).await;
        match joined.map_err(|panic| ConversionError::ffmpeg(panic.into()))? {
            Ok(()) => Ok(true),
            Err(JoinError::Short) => Ok(false),
            Err(JoinError::TooLarge) => {
                Err(ConversionError::failed(FailureCode::AudioTooLarge, "the MP3 is larger than is allowed"))
            }
            Err(error @ (JoinError::Write(_) | JoinError::NoFrame)) => Err(ConversionError::Join(error)),
        }
    }
}

/// Distributes the decoder's output. `false`: an encoder or the joiner has ended.
async fn cut(
    sound: &mut Sound<'_>,
    cutter: Cutter,
    counted: oneshot::Sender<u64>,
) -> Result<bool, ConversionError> {
    let sample_bytes = u64::from(sound.format().bytes_per_sample());
    let bytes = match cutter.cut(sound).await {
        Ok(bytes) => bytes,
        Err(Uncut::Read(error)) => return Err(error),
        Err(Uncut::Refused) => return Ok(false),
    };
    // The joiner may have failed. It reports its own error.
    let _ = counted.send(bytes / sample_bytes);
    Ok(true)
}

/// Writes audio into an encoder until the audio or the encoder ends. The encoder's reader reports why it
/// ended.
async fn feed(
    mut stdin: UnixStream,
    header: Bytes,
    mut sound: mpsc::UnboundedReceiver<Feed>,
    slots: EncoderSlots,
    job: JobNumber,
    mut slot: Option<Slot>,
) {
    if stdin.write_all(&header).await.is_err() {
        return;
    }
    while let Some(feed) = sound.recv().await {
        match feed {
            Feed::Piece(piece, _room) => {
                if slot.is_none() {
                    slot = Some(slots.acquire(job).await);
                }
                if stdin.write_all(&piece).await.is_err() {
                    return;
                }
            }
            // The encoder still has a full pipe of audio then, which takes milliseconds.
            Feed::EndOfSegment => slot = None,
        }
    }
}

async fn read(mut child: Child, frames: mpsc::Sender<Bytes>) -> Result<(), ConversionError> {
    loop {
        let mut piece = BytesMut::with_capacity(32 * 1024);
        if child.stdout.read_buf(&mut piece).await.map_err(ConversionError::ffmpeg)? == 0 {
            break;
        }
        if frames.send(piece.freeze()).await.is_err() {
            // The joiner has ended. It reports its own error.
            return Ok(());
        }
    }
    let ended = child.ended().await.map_err(ConversionError::ffmpeg)?;
    if ended.status.signal() == Some(Signal::XCPU.as_raw()) {
        return Err(ConversionError::failed(FailureCode::TimedOut, "an encoder worked for too long"));
    }
    // Raw audio gives an encoder no reason to fail.
    if !ended.status.success() {
        return Err(ConversionError::encoder(format!("{}: {}", ended.status, complaints(&ended.log))));
    }
    Ok(())
}

async fn follow(
    mut joined: watch::Receiver<u64>,
    format: Format,
    mut on_progress: impl FnMut(f64),
) -> Result<(), ConversionError> {
    while joined.changed().await.is_ok() {
        on_progress(format.seconds(*joined.borrow() * u64::from(format.frame_samples())));
    }
    Ok(())
}
