//! Joins the frames of encoders that took turns to one MP3.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use bytes::{Bytes, BytesMut};
use contracts::Mp3Rate;
use tokio::sync::{mpsc, oneshot, watch};

use super::repacker::{Repacker, Unpackable};
use super::segments::{LEAD_FRAMES, Segments, TAIL_FRAMES};
use crate::engine::mp3::info_frame::{self, Sound, checksum};
use crate::engine::mp3::{Header, Id3Tag};

/// Why the frames could not be joined.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// A write failed, perhaps because the disk is full.
    #[error("could not write the MP3")]
    Write(#[from] io::Error),
    /// It is larger than the configuration allows.
    #[error("the MP3 is larger than is allowed")]
    TooLarge,
    /// An encoder or the cutter ended too early. Its own error has the reason.
    #[error("the frames end early")]
    Short,
    /// The encoder's output is not what LAME writes.
    #[error("an encoder wrote something else than frames")]
    NoFrame,
}

impl From<Unpackable> for JoinError {
    fn from(_: Unpackable) -> Self {
        Self::NoFrame
    }
}

/// The form of the MP3.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub rate: Mp3Rate,
    /// Whether frames are repacked into the space that others leave unused.
    pub is_repacked: bool,
}

/// The joiner's inputs and its progress output.
#[derive(Debug)]
pub(crate) struct Orders {
    /// The encoders' output. Segment n comes from the encoder with the number n modulo their count.
    pub encoders: Vec<mpsc::Receiver<Bytes>>,
    /// One message for each segment after the first, sent as soon as the segment certainly exists.
    pub further_segments: mpsc::Receiver<()>,
    /// The audio's samples in each channel, once they are counted.
    pub samples: oneshot::Receiver<u64>,
    /// The tag at the beginning, possibly empty.
    pub tag: Id3Tag,
    /// Receives the number of joined frames.
    pub joined: watch::Sender<u64>,
}

/// How often progress is reported. These frames last more than a second, and encoding them takes tens of
/// milliseconds.
const REPORTED_FRAMES: u64 = 64;

/// Joins until the last encoder ends. Blocks.
pub(crate) fn join(
    path: &Path,
    style: Style,
    segments: Segments,
    max_bytes: u64,
    orders: Orders,
) -> Result<(), JoinError> {
    let Orders { encoders, mut further_segments, samples, tag, joined } = orders;
    let mut encoders: Vec<_> = encoders.into_iter().map(Frames::new).collect();
    let mut output = Output::create(path, tag.bytes(), style, max_bytes)?;
    let count = encoders.len();
    for (segment, encoder) in (0..).zip((0..count).cycle()) {
        let frames = &mut encoders[encoder];
        let mut own = segments.frames(segment);
        if segment == 0 {
            own += LEAD_FRAMES;
        } else {
            frames.skip(LEAD_FRAMES)?;
        }
        let mut is_whole = true;
        for _ in 0..own {
            let Some(frame) = frames.next()? else {
                is_whole = false;
                break;
            };
            output.add(&frame)?;
            if output.frames().is_multiple_of(REPORTED_FRAMES) {
                joined.send_replace(output.frames());
            }
        }
        if further_segments.blocking_recv().is_none() {
            while let Some(frame) = frames.next()? {
                output.add(&frame)?;
            }
            break;
        }
        if !is_whole {
            return Err(JoinError::Short);
        }
        frames.skip(TAIL_FRAMES)?;
    }
    joined.send_replace(output.frames());
    output.finish(samples.blocking_recv().map_err(|_| JoinError::Short)?)
}

/// The frames of one encoder.
struct Frames {
    pieces: mpsc::Receiver<Bytes>,
    buffer: BytesMut,
}

impl Frames {
    fn new(pieces: mpsc::Receiver<Bytes>) -> Self {
        Self { pieces, buffer: BytesMut::new() }
    }

    fn next(&mut self) -> Result<Option<Bytes>, JoinError> {
        if !self.fill(4) {
            return if self.buffer.is_empty() { Ok(None) } else { Err(JoinError::Short) };
        }
        let bytes = [self.buffer[0], self.buffer[1], self.buffer[2], self.buffer[3]];
        let header = Header::parse(bytes).ok_or(JoinError::NoFrame)?;
        let length = usize::try_from(header.frame_bytes()).unwrap_or(usize::MAX);
        if !self.fill(length) {
            return Err(JoinError::Short);
        }
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// Reads until `length` bytes are buffered. `false`: the output ends before.
    fn fill(&mut self, length: usize) -> bool {
        while self.buffer.len() < length {
            let Some(piece) = self.pieces.blocking_recv() else { return false };
            self.buffer.extend_from_slice(&piece);
        }
        true
    }

    fn skip(&mut self, frames: u32) -> Result<(), JoinError> {
        for _ in 0..frames {
            self.next()?.ok_or(JoinError::Short)?;
        }
        Ok(())
    }
}

/// The MP3 under construction.
struct Output {
    file: BufWriter<File>,
    rate: Mp3Rate,
    tag_bytes: u64,
    bytes_left: u64,
    first: Option<[u8; 4]>,
    frame_bytes: Vec<u16>,
    checksum: u16,
    repacker: Option<Repacker>,
}

impl Output {
    fn create(path: &Path, tag: &[u8], style: Style, max_bytes: u64) -> Result<Self, JoinError> {
        let mut file = BufWriter::with_capacity(256 * 1024, File::create(path)?);
        file.write_all(tag)?;
        Ok(Self {
            file,
            rate: style.rate,
            tag_bytes: tag.len() as u64,
            bytes_left: max_bytes.saturating_sub(tag.len() as u64),
            first: None,
            frame_bytes: Vec::new(),
            checksum: 0,
            repacker: style.is_repacked.then(Repacker::default),
        })
    }

    fn frames(&self) -> u64 {
        self.frame_bytes.len() as u64
    }

    fn add(&mut self, frame: &[u8]) -> Result<(), JoinError> {
        if self.first.is_none() {
            let first = [frame[0], frame[1], frame[2], frame[3]];
            self.first = Some(first);
            // Space for the info frame, which is written last, when its content is known.
            let (_, header) = info_frame::header(first, self.rate).ok_or(JoinError::NoFrame)?;
            self.write(&vec![0; usize::try_from(header.frame_bytes()).unwrap_or(0)])?;
        }
        let Some(repacker) = &mut self.repacker else {
            self.frame_bytes.push(u16::try_from(frame.len()).map_err(|_| JoinError::NoFrame)?);
            return self.write_sound(frame);
        };
        self.frame_bytes.push(repacker.add(frame)?);
        let complete = repacker.take();
        self.write_sound(&complete)
    }

    fn write_sound(&mut self, bytes: &[u8]) -> Result<(), JoinError> {
        self.checksum = checksum(self.checksum, bytes);
        self.write(bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), JoinError> {
        self.bytes_left = self.bytes_left.checked_sub(bytes.len() as u64).ok_or(JoinError::TooLarge)?;
        Ok(self.file.write_all(bytes)?)
    }

    fn finish(mut self, samples: u64) -> Result<(), JoinError> {
        if let Some(repacker) = self.repacker.take() {
            self.write_sound(&repacker.finish())?;
        }
        if let Some(first) = self.first {
            let (rate, checksum) = (self.rate, self.checksum);
            let sound = Sound { rate, first, frame_bytes: &self.frame_bytes, samples, checksum };
            let frame = sound.info_frame().ok_or(JoinError::NoFrame)?;
            self.file.seek(SeekFrom::Start(self.tag_bytes))?;
            self.file.write_all(&frame)?;
        }
        self.file.flush()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use contracts::Quality;

    use super::*;
    use crate::engine::sound::Format;

    /// 128 kbit/s, 48 kHz, stereo, filled with a number.
    fn frame(number: u8) -> Vec<u8> {
        let mut frame = vec![number; 384];
        frame[..4].copy_from_slice(&[0xff, 0xfb, 0x94, 0x64]);
        frame
    }

    /// The output of one encoder, in pieces whose ends are not the frames' ends.
    fn encoder(numbers: &[u8]) -> mpsc::Receiver<Bytes> {
        let bytes = numbers.iter().flat_map(|number| frame(*number)).collect::<Vec<_>>();
        let (sender, receiver) = mpsc::channel(bytes.len() / 1000 + 1);
        for piece in bytes.chunks(1000) {
            sender.try_send(Bytes::copy_from_slice(piece)).unwrap();
        }
        receiver
    }

    fn joined(
        encoders: Vec<mpsc::Receiver<Bytes>>,
        further: usize,
        max_bytes: u64,
    ) -> Result<Vec<u8>, JoinError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("joined.mp3");
        let (announce, further_segments) = mpsc::channel(10);
        (0..further).for_each(|_| announce.try_send(()).unwrap());
        drop(announce);
        let (count, samples) = oneshot::channel();
        count.send(1000).unwrap();
        let tag = Id3Tag::from(b"ID3".to_vec());
        let orders = Orders { encoders, further_segments, samples, tag, joined: watch::Sender::new(0) };
        let format = Format { channels: 2, sample_rate_hz: 48_000 };
        // The minimal length: 49 frames.
        let segments = Segments::new(format, 2, Some(1.0), 1 << 20);
        let style = Style { rate: Mp3Rate::Quality(Quality::default()), is_repacked: false };
        join(&path, style, segments, max_bytes, orders)?;
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes.starts_with(b"ID3\xff\xfb"));
        let info = frame_bytes(&bytes[3..]);
        Ok(bytes[3 + info..].chunks(384).map(|frame| frame[4]).collect())
    }

    fn frame_bytes(bytes: &[u8]) -> usize {
        let header = Header::parse([bytes[0], bytes[1], bytes[2], bytes[3]]).unwrap();
        usize::try_from(header.frame_bytes()).unwrap()
    }

    #[test]
    fn each_encoders_own_frames_are_joined_in_order() {
        // Frames 0 to 199. An encoder gets 49 + 98 of them for a segment. Frames of the lead-in and the tail
        // contain 255, so that a wrong one is noticed.
        let first = [(0..143).collect(), vec![255; 4]].concat();
        let second = [vec![255; 94], (143..200).collect::<Vec<u8>>()].concat();
        let numbers = joined(vec![encoder(&first), encoder(&second)], 1, 1 << 20).unwrap();
        assert_eq!(numbers, (0..200).collect::<Vec<u8>>());
    }

    #[test]
    fn one_encoder_alone_is_taken_whole() {
        let numbers: Vec<u8> = (0..30).collect();
        assert_eq!(joined(vec![encoder(&numbers)], 0, 1 << 20).unwrap(), numbers);
    }

    #[test]
    fn missing_frames_and_garbage_are_errors() {
        let short: Vec<u8> = (0..100).collect();
        let result = joined(vec![encoder(&short), encoder(&short)], 1, 1 << 20);
        assert!(matches!(result, Err(JoinError::Short)), "{result:?}");
        let (sender, garbage) = mpsc::channel(1);
        sender.try_send(Bytes::from_static(b"no frame")).unwrap();
        drop(sender);
        assert!(matches!(joined(vec![garbage], 0, 1 << 20), Err(JoinError::NoFrame)));
        assert!(matches!(joined(vec![encoder(&short)], 0, 10_000), Err(JoinError::TooLarge)));
    }
}
