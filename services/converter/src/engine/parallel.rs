//! Encodes one sound on several cores: one FFmpeg decodes, several encode segments of it, and their frames are joined.
//!
//! Without the bit reservoir no frame needs bits of another, so that the joined frames are those that one encoder would have
//! made of the whole sound.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use contracts::{ConversionOptions, FailureCode};
use futures_util::future::try_join_all;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixStream, unix::pipe};
use tokio::sync::{mpsc, oneshot, watch};

use super::child::Child;
use super::course::Workshop;
use super::encode::{
    Encoded, TAG_VERSION, input_arguments, log_of, metadata_arguments, quality_arguments, sample_rates,
};
use super::failure::{ConversionError, complaints};
use super::joiner::{self, JoinError, Orders};
use super::pcm::{self, Format, SAMPLES};
use super::segments::{Cutter, Feed, Segments, Uncut};
use super::slots::{EncoderSlots, JobNumber};

/// Decoded sound that may wait for the encoders of a job, all together.
const WAITING_BYTES: usize = 56 * 1024 * 1024;

/// More encoders than this wait for the decoder.
const MAX_ENCODERS: u16 = 16;

/// FFmpeg holds back up to 32 KiB of what it has encoded until it gets more to encode. So much may the segments of another
/// round be that were begun before the joiner sees the end of one; the shortest have 4 KiB of frames.
const SEGMENTS_AHEAD: usize = 16;

/// What FFmpeg's `libmp3lame` takes. One filter sets everything: of two, FFmpeg gives up on the rate between them.
const SAMPLE_RATES: &str = "44100|48000|32000|22050|24000|16000|11025|12000|8000";

/// A decoder at work. It waits when nobody takes what it has.
pub(crate) struct Decoding {
    child: Child,
    tag: oneshot::Receiver<Vec<u8>>,
}

/// What the sound shall become.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub options: ConversionOptions,
    pub output: PathBuf,
    pub max_seconds: f64,
    /// For an even division.
    pub approximate_seconds: Option<f64>,
}

fn decoder_arguments(input: &str, track: usize, options: ConversionOptions) -> Vec<String> {
    let mut arguments = input_arguments(input);
    let map = ["-map".to_owned(), format!("0:a:{track}")];
    let rates = sample_rates(options).unwrap_or(SAMPLE_RATES);
    let format = format!("aformat=sample_fmts=flt:sample_rates={rates}:channel_layouts=mono|stereo");
    arguments.extend(map.clone());
    arguments.extend(["-af".to_owned(), format]);
    let wave = ["-map_metadata", "-1", "-fflags", "+bitexact", "-c:a", "pcm_f32le"];
    arguments.extend(wave.map(str::to_owned));
    // In writes of 32 KiB instead of one for each packet: every one of them wakes us.
    arguments.extend(["-flush_packets", "0", "-f", "wav", "pipe:1"].map(str::to_owned));
    // A moment of it as MP3, for the tag in front. (A number of frames would not do: the encoder works on behind it.)
    arguments.extend(map);
    arguments.extend(metadata_arguments());
    arguments.extend(["-c:a", "libmp3lame", "-t", "0.05", "-write_xing", "0"].map(str::to_owned));
    arguments.extend(TAG_VERSION.map(str::to_owned));
    arguments.extend(["-flush_packets", "1", "-f", "mp3", "pipe:0"].map(str::to_owned));
    arguments
}

fn encoder_arguments(format: Format, options: ConversionOptions) -> Vec<String> {
    let (rate, channels) = (format.sample_rate_hz.to_string(), format.channels.to_string());
    let mut arguments = vec!["-hide_banner", "-nostdin", "-loglevel", "level+warning"];
    arguments.extend(["-protocol_whitelist", "pipe", "-f", SAMPLES, "-ar", &rate, "-ac", &channels]);
    arguments.extend(["-i", "pipe:0"]);
    let mut arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
    arguments.extend(quality_arguments(options));
    let output = ["-reservoir", "0", "-write_xing", "0", "-id3v2_version", "0"];
    arguments.extend(output.map(str::to_owned));
    arguments.extend(["-f", "mp3", "pipe:1"].map(str::to_owned));
    arguments
}

fn ran(source: io::Error) -> ConversionError {
    ConversionError::Run { program: "ffmpeg", source }
}

fn machine(detail: impl Into<String>) -> ConversionError {
    ConversionError::Machine { program: "ffmpeg", detail: detail.into() }
}

impl Workshop<'_> {
    /// Starts to decode one audio track.
    pub(crate) fn decode(
        self,
        input: &str,
        track: usize,
        options: ConversionOptions,
    ) -> Result<Decoding, ConversionError> {
        // FFmpeg writes the tag to what is another program's standard input: no other number is sure to stay open.
        let (tag, writer) = io::pipe().map_err(ran)?;
        let tag = pipe::Receiver::from_owned_fd(tag.into()).map_err(ran)?;
        let arguments = decoder_arguments(input, track, options);
        let child = self
            .launcher
            .start(self.ffmpeg, arguments, self.directory, writer.into(), self.keepers)
            .map_err(ran)?;
        let (sender, receiver) = oneshot::channel();
        self.keepers.spawn(read_tag(tag, sender));
        Ok(Decoding { child, tag: receiver })
    }

    /// Makes the MP3 of what is decoded; `on_progress` gets the seconds that are encoded.
    pub(crate) async fn encode_segments(
        self,
        decoding: Decoding,
        order: Order,
        on_progress: impl FnMut(f64),
    ) -> Result<Encoded, ConversionError> {
        let Decoding { mut child, tag } = decoding;
        let Some(format) = pcm::read_header(&mut child.stdout).await.map_err(ran)? else {
            // It was refused, or there is no sound in it, which is for others to judge.
            let log = log_of(child.ended().await.map_err(ran)?)?;
            let written = tokio::fs::write(&order.output, []).await;
            written.map_err(|error| ConversionError::Join(JoinError::Write(error)))?;
            return Ok(Encoded { output: order.output, log });
        };
        let count = self.slots.total().min(MAX_ENCODERS);
        let most = WAITING_BYTES / usize::from(count);
        let segments = Segments::new(format, count, order.approximate_seconds, most);
        let job = self.slots.begin_job();
        let (mut encoders, mut outputs, mut lanes) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..count {
            let (encoder, sound) = mpsc::channel(segments.pieces());
            // What an encoder may be ahead of the joiner: more than it makes of what it has.
            let (frames, output) = mpsc::channel(3 * segments.pieces() * 7);
            let (child, stdin) = self.encoder(format, order.options)?;
            encoders.push(encoder);
            outputs.push(output);
            let fed = feed(stdin, sound, self.slots.clone(), job);
            lanes.push(async { tokio::join!(fed, read(child, frames)).1 });
        }
        let (further, further_segments) = mpsc::channel(usize::from(count) * SEGMENTS_AHEAD);
        let (counted, samples) = oneshot::channel();
        let (joined, progress) = watch::channel(0);
        let orders = Orders { encoders: outputs, further_segments, samples, tag, joined };
        let cutter = Cutter { segments, encoders, further_segments: further };
        let (log, _, is_joined, ()) = tokio::try_join!(
            cut(child, cutter, format, order.max_seconds, counted),
            try_join_all(lanes),
            self.join(&order, segments, orders),
            follow(progress, format, on_progress),
        )?;
        match log {
            Some(log) if is_joined => Ok(Encoded { output: order.output, log }),
            Some(_) | None => Err(machine("an encoder ended before its input")),
        }
    }

    fn encoder(
        self,
        format: Format,
        options: ConversionOptions,
    ) -> Result<(Child, UnixStream), ConversionError> {
        // Not a pipe: the writer into a full pipe is woken for each page that is read, the one into a full socket when
        // most of it is.
        let (stdin, theirs) = net::UnixStream::pair().map_err(ran)?;
        stdin.set_nonblocking(true).map_err(ran)?;
        let stdin = UnixStream::from_std(stdin).map_err(ran)?;
        let arguments = encoder_arguments(format, options);
        let theirs = OwnedFd::from(theirs).into();
        let started = self.launcher.start(self.ffmpeg, arguments, self.directory, theirs, self.keepers);
        Ok((started.map_err(ran)?, stdin))
    }

    /// `false`: something that ended too early is at fault, and says so itself.
    async fn join(self, order: &Order, segments: Segments, orders: Orders) -> Result<bool, ConversionError> {
        let (path, options) = (order.output.clone(), order.options);
        let max_bytes = self.launcher.limits.file_bytes;
        let join = move || joiner::join(&path, options, segments, max_bytes, orders);
        match self.keepers.spawn_blocking(join).await.map_err(|panic| ran(panic.into()))? {
            Ok(()) => Ok(true),
            Err(JoinError::Short) => Ok(false),
            Err(JoinError::TooLarge) => {
                Err(ConversionError::failed(FailureCode::TooLong, "the MP3 is larger than is allowed"))
            }
            Err(error @ (JoinError::Write(_) | JoinError::NoFrame)) => Err(ConversionError::Join(error)),
        }
    }
}

/// Deals out what the decoder makes. `None`: it was not wanted any more.
async fn cut(
    mut child: Child,
    cutter: Cutter,
    format: Format,
    max_seconds: f64,
    counted: oneshot::Sender<u64>,
) -> Result<Option<String>, ConversionError> {
    let bytes = match cutter.cut(&mut child.stdout, format.bytes(max_seconds)).await {
        Ok(bytes) => bytes,
        Err(Uncut::Read(error)) => return Err(ran(error)),
        Err(Uncut::TooLong) => {
            return Err(ConversionError::failed(FailureCode::TooLong, "more was decoded than is allowed"));
        }
        Err(Uncut::Refused) => return Ok(None),
    };
    let log = log_of(child.ended().await.map_err(ran)?)?;
    // The joiner may have failed, which it says itself.
    let _ = counted.send(bytes / u64::from(format.bytes_per_sample()));
    Ok(Some(log))
}

/// Writes sound into an encoder until there is no more, or the encoder has ended, which is for its reader to explain.
async fn feed(mut stdin: UnixStream, mut sound: mpsc::Receiver<Feed>, slots: EncoderSlots, job: JobNumber) {
    let mut slot = None;
    while let Some(feed) = sound.recv().await {
        match feed {
            Feed::Piece(piece) => {
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
        if child.stdout.read_buf(&mut piece).await.map_err(ran)? == 0 {
            break;
        }
        if frames.send(piece.freeze()).await.is_err() {
            // The joiner has ended, and tells why if it was too early.
            return Ok(());
        }
    }
    let ended = child.ended().await.map_err(ran)?;
    if ended.status.signal() == Some(Signal::XCPU.as_raw()) {
        return Err(ConversionError::failed(FailureCode::TimedOut, "an encoder worked for too long"));
    }
    // Sound without a container is no reason for an encoder to fail.
    if !ended.status.success() {
        return Err(machine(format!("{}: {}", ended.status, complaints(&ended.log))));
    }
    Ok(())
}

/// Reads the ID3 tag at the start of an MP3, and on to its end.
async fn read_tag(mut mp3: pipe::Receiver, tag: oneshot::Sender<Vec<u8>>) {
    /// Titles and chapters, no pictures.
    const MAX_TAG_BYTES: u32 = 4 * 1024 * 1024;
    let mut bytes = vec![0; 10];
    let read = async {
        mp3.read_exact(&mut bytes).await?;
        if !bytes.starts_with(b"ID3") {
            return Ok(false);
        }
        let length = bytes[6..].iter().fold(0, |length, byte| length << 7 | u32::from(byte & 0x7f));
        bytes.resize(10 + usize::try_from(length.min(MAX_TAG_BYTES)).unwrap_or_default(), 0);
        mp3.read_exact(&mut bytes[10..]).await?;
        Ok::<_, io::Error>(length <= MAX_TAG_BYTES)
    };
    let is_whole = matches!(read.await, Ok(true));
    // Nobody waits for it if the conversion has ended.
    let _ = tag.send(if is_whole { bytes } else { Vec::new() });
    // Should nobody read it, FFmpeg would wait or die.
    let _ = tokio::io::copy(&mut mp3, &mut tokio::io::sink()).await;
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
