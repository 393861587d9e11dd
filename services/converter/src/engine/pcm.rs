//! Decoded sound as it comes out of FFmpeg: a WAV file without an end, in 32-bit floating point.
//!
//! That holds every sample of the formats that LAME takes (16 and 24 bits, floating point) without a loss.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

const BYTES: u32 = 4;

/// What the samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    pub channels: u16,
    pub sample_rate_hz: u32,
}

impl Format {
    /// Bytes of one sample of each channel.
    pub(crate) fn bytes_per_sample(self) -> u32 {
        BYTES * u32::from(self.channels)
    }

    /// Samples of an MP3 frame in each channel (ISO/IEC 11172-3 and 13818-3, 2.4.2.1).
    pub(crate) fn frame_samples(self) -> u32 {
        if self.sample_rate_hz >= 32_000 { 1152 } else { 576 }
    }

    /// Length of so many bytes of sound.
    #[expect(clippy::cast_precision_loss, reason = "2^52 samples are three thousand years")]
    pub(crate) fn seconds(self, bytes: u64) -> f64 {
        bytes as f64 / f64::from(self.bytes_per_sample()) / f64::from(self.sample_rate_hz)
    }

    /// How many bytes of sound last so long.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a length is not negative")]
    pub(crate) fn bytes(self, seconds: f64) -> u64 {
        (seconds * f64::from(self.sample_rate_hz)) as u64 * u64::from(self.bytes_per_sample())
    }
}

/// What is in front of the samples.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub format: Format,
    /// As it was read.
    pub bytes: Bytes,
}

/// Reads what is in front of the samples. `None`: there is no sound.
pub(crate) async fn read_header(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Header>> {
    let mut riff = [0; 12];
    if let Err(error) = reader.read_exact(&mut riff).await {
        return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
    }
    let mut bytes = BytesMut::from(&riff[..]);
    let mut format = None;
    loop {
        let mut head = [0; 8];
        reader.read_exact(&mut head).await?;
        bytes.extend_from_slice(&head);
        let [name @ .., a, b, c, d] = head;
        if &name == b"data" {
            let unknown = || io::Error::other("the samples are of no known format");
            return Ok(Some(Header { format: format.ok_or_else(unknown)?, bytes: bytes.freeze() }));
        }
        // Those in front of the samples are all short.
        let length = u32::from_le_bytes([a, b, c, d]).min(64 * 1024).next_multiple_of(2);
        let mut content = vec![0; usize::try_from(length).unwrap_or_default()];
        reader.read_exact(&mut content).await?;
        bytes.extend_from_slice(&content);
        if let (b"fmt ", [_, _, c0, c1, r0, r1, r2, r3, ..]) = (&name, content.as_slice()) {
            format = Some(Format {
                channels: u16::from_le_bytes([*c0, *c1]),
                sample_rate_hz: u32::from_le_bytes([*r0, *r1, *r2, *r3]),
            });
        }
    }
}

/// The next so many bytes, or fewer at the end, or none behind it.
pub(crate) async fn read_piece(reader: &mut (impl AsyncRead + Unpin), bytes: usize) -> io::Result<Bytes> {
    let mut piece = BytesMut::with_capacity(bytes);
    while piece.len() < bytes {
        let missing = (bytes - piece.len()) as u64;
        if reader.take(missing).read_buf(&mut piece).await? == 0 {
            break;
        }
    }
    Ok(piece.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] =
        b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x03\0\x02\0\x44\xac\0\0\x20\x62\x05\0\x08\0\x20\0\
        LIST\x03\0\0\0abc\0data\xff\xff\xff\xff";

    #[tokio::test]
    async fn the_format_is_read_and_the_samples_follow() {
        let mut wave = &[HEADER, &[7; 20]].concat()[..];
        let header = read_header(&mut wave).await.unwrap().unwrap();
        assert_eq!(header.format, Format { channels: 2, sample_rate_hz: 44_100 });
        assert_eq!(header.bytes, HEADER);
        let pieces = [16, 16, 16].map(|_| 16);
        let mut lengths = Vec::new();
        for bytes in pieces {
            lengths.push(read_piece(&mut wave, bytes).await.unwrap().len());
        }
        assert_eq!(lengths, [16, 4, 0]);
    }

    #[tokio::test]
    async fn nothing_is_no_sound_and_half_a_header_an_error() {
        assert_eq!(read_header(&mut &[][..]).await.unwrap(), None);
        assert!(read_header(&mut &HEADER[..30]).await.is_err());
    }
}
