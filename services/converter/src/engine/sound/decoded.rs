//! Reads FFmpeg's decoded audio: 32-bit floating point in Matroska, which carries a time with each block.
//!
//! 32 bits hold every sample of the encoders' input formats (16 and 24 bits, floating point) without loss.
//! Only the part of Matroska (RFC 9559) is read that FFmpeg writes for one PCM track.

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::pcm::Format;

/// Elements whose content is parsed, not skipped.
const CONTAINERS: [u32; 6] = [SEGMENT, TRACKS, TRACK_ENTRY, AUDIO, CLUSTER, BLOCK_GROUP];
const SEGMENT: u32 = 0x1853_8067;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK_ENTRY: u32 = 0xae;
const AUDIO: u32 = 0xe1;
const CLUSTER: u32 = 0x1f43_b675;
const BLOCK_GROUP: u32 = 0xa0;

const SAMPLING_FREQUENCY: u32 = 0xb5;
const CHANNELS: u32 = 0x9f;
const CLUSTER_TIMESTAMP: u32 = 0xe7;
const SIMPLE_BLOCK: u32 = 0xa3;
const BLOCK: u32 = 0xa1;

/// Bytes per read from the pipe.
const READ_BYTES: usize = 256 * 1024;

/// A block has the samples of one packet, and no decoder makes more of one.
const MAX_ELEMENT_BYTES: usize = 64 << 20;

/// The decoded samples of one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// Its beginning on the file's clock.
    pub milliseconds: i64,
    /// Samples, with the channels interleaved.
    pub pcm: Bytes,
}

/// Reads the blocks.
#[derive(Debug)]
pub(crate) struct Blocks<R> {
    reader: R,
    buffer: BytesMut,
    format: Format,
    cluster_milliseconds: i64,
}

struct Element {
    id: u32,
    content: Bytes,
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("decoded sound is malformed: {what}"))
}

impl<R: AsyncRead + Unpin> Blocks<R> {
    /// Reads the headers. `None`: there is no audio.
    pub(crate) async fn open(reader: R) -> io::Result<Option<Self>> {
        let unknown = Format { channels: 0, sample_rate_hz: 0 };
        let mut blocks = Self { reader, buffer: BytesMut::new(), format: unknown, cluster_milliseconds: 0 };
        while blocks.format.channels == 0 || blocks.format.sample_rate_hz == 0 {
            let Some(element) = blocks.element().await? else { return Ok(None) };
            blocks.describe(&element)?;
        }
        Ok(Some(blocks))
    }

    /// The samples' format.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// The next block. `None` after the last.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Block>> {
        while let Some(Element { id, mut content }) = self.element().await? {
            match id {
                CLUSTER_TIMESTAMP => {
                    let time = i64::try_from(number(&content)).map_err(|_| malformed("a time"))?;
                    self.cluster_milliseconds = time;
                }
                SIMPLE_BLOCK | BLOCK => {
                    // The track's number, a time, flags.
                    let [_, first, second, _] = *content.first_chunk().ok_or_else(|| malformed("a block"))?;
                    let milliseconds =
                        self.cluster_milliseconds + i64::from(i16::from_be_bytes([first, second]));
                    content.advance(4);
                    return Ok(Some(Block { milliseconds, pcm: content }));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    fn describe(&mut self, Element { id, content }: &Element) -> io::Result<()> {
        match *id {
            SAMPLING_FREQUENCY => {
                let rate = content.first_chunk().copied().map(f64::from_be_bytes);
                let rate = rate.filter(|rate| (1.0..=f64::from(u32::MAX)).contains(rate));
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was checked")]
                let rate = rate.ok_or_else(|| malformed("the sample rate"))?.round() as u32;
                self.format.sample_rate_hz = rate;
            }
            CHANNELS => {
                let channels = u16::try_from(number(content)).map_err(|_| malformed("the channels"))?;
                self.format.channels = channels;
            }
            _ => {}
        }
        Ok(())
    }

    /// The next element that contains no other elements.
    async fn element(&mut self) -> io::Result<Option<Element>> {
        loop {
            let Some((head, id, size)) = self.head().await? else { return Ok(None) };
            self.buffer.advance(head);
            if CONTAINERS.contains(&id) {
                continue;
            }
            let size = usize::try_from(size).ok().filter(|size| *size <= MAX_ELEMENT_BYTES);
            let size = size.ok_or_else(|| malformed("an element is too long"))?;
            if !self.fill(size).await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            return Ok(Some(Element { id, content: self.buffer.split_to(size).freeze() }));
        }
    }

    /// The next element's header: its length, identifier and size.
    async fn head(&mut self) -> io::Result<Option<(usize, u32, u64)>> {
        if !self.fill(1).await? {
            return Ok(None);
        }
        let id_bytes = self.buffer[0].leading_zeros() as usize + 1;
        if id_bytes > 4 || !self.fill(id_bytes + 1).await? {
            return Err(malformed("an identifier"));
        }
        let size_bytes = self.buffer[id_bytes].leading_zeros() as usize + 1;
        let head = id_bytes + size_bytes;
        if size_bytes > 8 || !self.fill(head).await? {
            return Err(malformed("a size"));
        }
        let id = self.buffer[..id_bytes].iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
        // The marker bit, which encodes the number's length, is removed.
        let size = number(&self.buffer[id_bytes..head]) & ((1 << (7 * size_bytes)) - 1);
        Ok(Some((head, id, size)))
    }

    /// Reads until that many bytes are buffered. `false`: the stream ends before.
    async fn fill(&mut self, bytes: usize) -> io::Result<bool> {
        while self.buffer.len() < bytes {
            self.buffer.reserve(READ_BYTES.max(bytes - self.buffer.len()));
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FFmpeg's output for a track of two channels at 44.1 kHz: the headers, and two clusters with a block
    /// each.
    fn stream() -> Vec<u8> {
        let head = b"\x1a\x45\xdf\xa3\x83\x42\x86\x81\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff\
            \xec\x01\0\0\0\0\0\0\x02\0\0\x16\x54\xae\x6b\x94\xae\x92\xd7\x81\x01\xe1\x8d\x9f\x81\x02\xb5\x88";
        let rate = 44_100_f64.to_be_bytes();
        let first = b"\x1f\x43\xb6\x75\x92\xe7\x82\x01\x14\xa3\x8c\x81\0\0\x80AAAABBBB";
        let second = b"\x1f\x43\xb6\x75\x92\xe7\x82\x07\xd0\xa3\x8c\x81\xff\xff\x80CCCCDDDD";
        [&head[..], &rate, first, second].concat()
    }

    async fn blocks(bytes: &[u8]) -> io::Result<Vec<(i64, Bytes)>> {
        let Some(mut blocks) = Blocks::open(bytes).await? else { return Ok(Vec::new()) };
        assert_eq!(blocks.format(), Format { channels: 2, sample_rate_hz: 44_100 });
        let mut all = Vec::new();
        while let Some(block) = blocks.next().await? {
            all.push((block.milliseconds, block.pcm));
        }
        Ok(all)
    }

    #[tokio::test]
    async fn blocks_have_their_times() {
        let found = blocks(&stream()).await.unwrap();
        assert_eq!(found, [(276, Bytes::from("AAAABBBB")), (1999, Bytes::from("CCCCDDDD"))]);
    }

    #[tokio::test]
    async fn nothing_is_no_sound_and_half_a_block_an_error() {
        assert_eq!(blocks(&[]).await.unwrap(), []);
        let whole = stream();
        for length in [1, 3, 30, whole.len() - 1] {
            assert!(blocks(&whole[..length]).await.is_err(), "{length}");
        }
    }
}
