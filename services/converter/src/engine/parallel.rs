//! Encodes one sound on several cores: one FFmpeg decodes, several encode segments of it, and their frames are joined.
//!
//! Without the bit reservoir no frame needs bits of another, so that the joined frames are those that one encoder would have
//! made of the whole sound.

use std::os::fd::OwnedFd;
use std::os::unix::net;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use bytes::{Bytes, BytesMut};
use contracts::{Encoder, FailureCode, Mp3Rate};
use futures_util::future::try_join_all;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::ChildStdout;
use tokio::sync::{mpsc, oneshot, watch};

use super::arguments;
use super::child::{Child, Place};
use super::cutter::{Cutter, Feed, Room, Uncut};
use super::encode::{Encoded, log_of};
use super::failure::{ConversionError, complaints};
use super::joiner::{self, JoinError, Orders, Style};
use super::pcm::{self, Format};
use super::peaks::Peaks;
use super::recipe::Recipe;
use super::scratch::SOURCE;
use super::segments::Segments;
use super::slots::{EncoderSlots, JobNumber};
use super::workshop::{Extent, Workshop};

/// Decoded sound that may wait for the encoders of a job, all together.
const WAITING_BYTES: usize = 56 * 1024 * 1024;

/// More encoders than this wait for the decoder.
const MAX_ENCODERS: u16 = 16;

/// FFmpeg holds back up to 32 KiB of what it has encoded until it gets more to encode. So much may the segments of another
/// round be that were begun before the joiner sees the end of one; the shortest have 4 KiB of frames.
const SEGMENTS_AHEAD: usize = 16;

/// A decoder at work. It waits when nobody takes what it has.
pub(crate) struct Decoding {
    child: Child,
}

fn machine(detail: impl Into<String>) -> ConversionError {
    ConversionError::Machine { program: "ffmpeg", detail: detail.into() }
}

impl Workshop<'_> {
    /// Starts to decode one audio track.
    pub(crate) fn decode(self, recipe: &Recipe) -> Result<Decoding, ConversionError> {
        let place = Place { directory: self.directory, reads: &[SOURCE], writes: None };
        Ok(Decoding { child: self.ffmpeg(arguments::decoder(self.input, recipe), place, Stdio::null())? })
    }

    /// Makes the MP3 of what is decoded; `on_progress` gets the seconds that are encoded.
    pub(crate) async fn encode_segments(
        self,
        Decoding { mut child }: Decoding,
        recipe: &Recipe,
        extent: Extent,
        on_progress: impl FnMut(f64),
    ) -> Result<Encoded, ConversionError> {
        let output = self.directory.join("joined.mp3");
        widen(&child.stdout);
        let header = pcm::read_header(&mut child.stdout).await.map_err(ConversionError::ffmpeg)?;
        let Some(pcm::Header { format, bytes: header }) = header else {
            // It was refused, or there is no sound in it, which is for others to judge.
            let log = log_of(child.ended().await.map_err(ConversionError::ffmpeg)?)?;
            let written = tokio::fs::write(&output, []).await;
            written.map_err(|error| ConversionError::Join(JoinError::Write(error)))?;
            return Ok(Encoded { output, log, peaks: None });
        };
        let count = self.slots.total().min(MAX_ENCODERS);
        let segments = Segments::new(format, count, extent.approximate_seconds, WAITING_BYTES);
        let room = Room::new(WAITING_BYTES, segments.piece_bytes());
        let rate = recipe.options.mp3_rate();
        let style = Style { rate, is_repacked: recipe.options.encoder == Encoder::Repacked };
        let job = self.slots.begin_job();
        let (mut encoders, mut outputs, mut lanes) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..count {
            // Bounded by the room.
            let (encoder, sound) = mpsc::unbounded_channel();
            // Each message may be a frame. An encoder that had to wait for the joiner would wait for ever.
            let (frames, output) = mpsc::channel(segments.frames_ahead());
            let (child, stdin) = self.encoder(rate)?;
            encoders.push(encoder);
            outputs.push(output);
            let fed = feed(stdin, header.clone(), sound, self.slots.clone(), job);
            lanes.push(async { tokio::join!(fed, read(child, frames)).1 });
        }
        let (further, further_segments) = mpsc::channel(usize::from(count) * SEGMENTS_AHEAD);
        let (counted, samples) = oneshot::channel();
        let (tagged, tag) = oneshot::channel();
        let (joined, progress) = watch::channel(0);
        let orders = Orders { encoders: outputs, further_segments, samples, tag, joined };
        let peaks = Peaks::new(format);
        let cutter = Cutter { segments, encoders, further_segments: further, room, peaks };
        let tag = async {
            // The joiner may have failed, which it says itself.
            let _ = tagged.send(self.tag(recipe).await?);
            Ok(())
        };
        let (cut, (), _, is_joined, ()) = tokio::try_join!(
            cut(child, cutter, format, extent.max_seconds, counted),
            tag,
            try_join_all(lanes),
            self.join(output.clone(), style, segments, orders),
            follow(progress, format, on_progress),
        )?;
        match cut {
            Some((log, peaks)) if is_joined => Ok(Encoded { output, log, peaks: Some(peaks) }),
            Some(_) | None => Err(machine("an encoder ended before its input")),
        }
    }

    fn encoder(self, rate: Mp3Rate) -> Result<(Child, UnixStream), ConversionError> {
        // Not a pipe: the writer into a full pipe is woken for each page that is read, the one into a full socket when
        // most of it is.
        let (stdin, theirs) = net::UnixStream::pair().map_err(ConversionError::ffmpeg)?;
        stdin.set_nonblocking(true).map_err(ConversionError::ffmpeg)?;
        let stdin = UnixStream::from_std(stdin).map_err(ConversionError::ffmpeg)?;
        let place = Place::without_files(self.directory);
        let child = self.ffmpeg(arguments::encoder(rate), place, OwnedFd::from(theirs).into())?;
        Ok((child, stdin))
    }

    /// `false`: something that ended too early is at fault, and says so itself.
    async fn join(
        self,
        path: PathBuf,
        style: Style,
        segments: Segments,
        orders: Orders,
    ) -> Result<bool, ConversionError> {
        let max_bytes = self.launcher.limits.file_bytes;
        let join = move || joiner::join(&path, style, segments, max_bytes, orders);
        match self
            .keepers
            .spawn_blocking(join)
            .await
            .map_err(|panic| ConversionError::ffmpeg(panic.into()))?
        {
            Ok(()) => Ok(true),
            Err(JoinError::Short) => Ok(false),
            Err(JoinError::TooLarge) => {
                Err(ConversionError::failed(FailureCode::AudioTooLarge, "the MP3 is larger than is allowed"))
            }
            Err(error @ (JoinError::Write(_) | JoinError::NoFrame)) => Err(ConversionError::Join(error)),
        }
    }
}

/// Lets the decoder write a megabyte before it waits for us, where the kernel allows that.
fn widen(pipe: &ChildStdout) {
    // At 64 KiB, as it is otherwise, both are woken twenty times as often.
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, 1 << 20);
}

/// Deals out what the decoder makes. `None`: it was not wanted any more.
async fn cut(
    mut child: Child,
    cutter: Cutter,
    format: Format,
    max_seconds: f64,
    counted: oneshot::Sender<u64>,
) -> Result<Option<(String, Peaks)>, ConversionError> {
    let (bytes, peaks) = match cutter.cut(&mut child.stdout, format.bytes(max_seconds)).await {
        Ok(cut) => cut,
        Err(Uncut::Read(error)) => return Err(ConversionError::ffmpeg(error)),
        Err(Uncut::TooLong) => {
            return Err(ConversionError::failed(FailureCode::TooLong, "more was decoded than is allowed"));
        }
        Err(Uncut::Refused) => return Ok(None),
    };
    let log = log_of(child.ended().await.map_err(ConversionError::ffmpeg)?)?;
    // The joiner may have failed, which it says itself.
    let _ = counted.send(bytes / u64::from(format.bytes_per_sample()));
    Ok(Some((log, peaks)))
}

/// Writes sound into an encoder until there is no more, or the encoder has ended, which is for its reader to explain.
async fn feed(
    mut stdin: UnixStream,
    header: Bytes,
    mut sound: mpsc::UnboundedReceiver<Feed>,
    slots: EncoderSlots,
    job: JobNumber,
) {
    if stdin.write_all(&header).await.is_err() {
        return;
    }
    let mut slot = None;
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
            // What is left to encode then is a pipe full of sound: milliseconds.
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
            // The joiner has ended, and tells why if it was too early.
            return Ok(());
        }
    }
    let ended = child.ended().await.map_err(ConversionError::ffmpeg)?;
    if ended.status.signal() == Some(Signal::XCPU.as_raw()) {
        return Err(ConversionError::failed(FailureCode::TimedOut, "an encoder worked for too long"));
    }
    // Sound without a container is no reason for an encoder to fail.
    if !ended.status.success() {
        return Err(machine(format!("{}: {}", ended.status, complaints(&ended.log))));
    }
    Ok(())
}

async fn follow(
    mut joined: watch::Receiver<u64>,
    format: Format,
    mut on_progress: impl FnMut(f64),
) -> Result<(), ConversionError> {
    while joined.changed().await.is_ok() {
        let samples = *joined.borrow() * u64::from(format.frame_samples());
        on_progress(format.seconds(samples * u64::from(format.bytes_per_sample())));
    }
    Ok(())
}
