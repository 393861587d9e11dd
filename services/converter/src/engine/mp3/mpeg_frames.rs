//! Measures an MP3 by walking its frames, independent of what its headers claim.
//!
//! The Xing/Info frame and LAME's fields in it:
//! <http://gabriel.mp3-tech.org/mp3infotag.html>. Tags: <https://id3.org/id3v2.3.0>.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use super::frame_header::Header;

/// What an MP3 contains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MpegAudio {
    /// Audio frames, without the Xing/Info frame.
    pub frames: u64,
    /// Samples in each channel. The encoder's delay and padding are not counted if the file declares them.
    pub samples: u64,
    /// Bytes of those frames.
    pub frame_bytes: u64,
    /// Bytes of the whole file.
    pub file_bytes: u64,
    /// Sample rate in Hz; 0 without a frame.
    pub sample_rate_hz: u32,
    /// Whether the file begins with a Xing/Info frame. Without one, players guess the length at a variable
    /// bit rate.
    pub has_info_frame: bool,
}

/// The file is not an unbroken sequence of MPEG audio frames.
#[derive(Debug, thiserror::Error)]
pub enum MalformedAudio {
    /// The file cannot be read.
    #[error("could not read the MP3")]
    Read(#[from] io::Error),
    /// There is no frame where one should begin.
    #[error("there is no frame at byte {0} of the MP3")]
    NoFrame(u64),
    /// The last frame is not complete.
    #[error("the last frame of the MP3 is cut off")]
    CutOff,
}

impl MpegAudio {
    /// Walks the frames of a file. Blocks.
    pub fn measure(path: &Path) -> Result<Self, MalformedAudio> {
        let file = File::open(path)?;
        let file_bytes = file.metadata()?.len();
        Self::walk(BufReader::with_capacity(256 * 1024, file), file_bytes)
    }

    fn walk(mut reader: BufReader<impl Read + Seek>, file_bytes: u64) -> Result<Self, MalformedAudio> {
        let mut audio = Self { file_bytes, ..Self::default() };
        let mut at = skip_id3v2(&mut reader)?;
        let mut trimmed = 0;
        while at < file_bytes {
            let mut bytes = [0; 4];
            if reader.read_exact(&mut bytes).is_err() {
                return Err(MalformedAudio::CutOff);
            }
            let header = Header::parse(bytes).ok_or(MalformedAudio::NoFrame(at))?;
            let rest = header.frame_bytes() - 4;
            at += u64::from(header.frame_bytes());
            if at > file_bytes {
                return Err(MalformedAudio::CutOff);
            }
            if audio.frames == 0 && !audio.has_info_frame {
                let mut frame = vec![0; usize::try_from(rest).unwrap_or_default()];
                reader.read_exact(&mut frame)?;
                if let Some(samples) = trimmed_samples(header, &frame) {
                    (audio.has_info_frame, trimmed) = (true, samples);
                    continue;
                }
            } else {
                reader.seek_relative(i64::from(rest))?;
            }
            audio.frames += 1;
            audio.samples += u64::from(header.samples());
            audio.frame_bytes += u64::from(header.frame_bytes());
            audio.sample_rate_hz = header.sample_rate_hz;
        }
        audio.samples = audio.samples.saturating_sub(trimmed);
        Ok(audio)
    }

    /// Length in seconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "2^52 samples are three thousand years")]
    pub fn duration_seconds(&self) -> f64 {
        if self.sample_rate_hz == 0 { 0.0 } else { self.samples as f64 / f64::from(self.sample_rate_hz) }
    }

    /// Mean bit rate in bit/s.
    #[must_use]
    pub fn bitrate_bps(&self) -> u32 {
        let samples = u128::from(self.samples.max(1));
        let bits = u128::from(self.frame_bytes) * 8 * u128::from(self.sample_rate_hz);
        u32::try_from(bits / samples).unwrap_or(u32::MAX)
    }
}

/// The position of the first frame.
fn skip_id3v2(reader: &mut BufReader<impl Read + Seek>) -> Result<u64, MalformedAudio> {
    if !reader.fill_buf()?.starts_with(b"ID3") {
        return Ok(0);
    }
    let mut header = [0; 10];
    reader.read_exact(&mut header).map_err(|_| MalformedAudio::CutOff)?;
    // Each byte holds seven bits, so that the size never looks like the start of a frame.
    let size = header[6..].iter().fold(0_u32, |size, byte| size << 7 | u32::from(byte & 0x7f));
    reader.seek_relative(i64::from(size))?;
    Ok(10 + u64::from(size))
}

/// Samples at both ends that the encoder added, from the frame after its header. `None`: it is not a
/// Xing/Info frame.
fn trimmed_samples(header: Header, frame: &[u8]) -> Option<u64> {
    let checksum = if header.has_checksum { 2 } else { 0 };
    let info = frame.get(checksum + header.side_information_bytes()..)?;
    if !info.starts_with(b"Xing") && !info.starts_with(b"Info") {
        return None;
    }
    let flags = *info.get(7)?;
    // Number of frames, number of bytes, table of contents, quality: each present only if its flag is set.
    let fields = [(1, 4), (2, 4), (4, 100), (8, 4)];
    let present =
        fields.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, length)| length).sum::<usize>();
    // Two numbers of 12 bits, 21 bytes into LAME's extension.
    let Some(&[first, second, third]) = info.get(8 + present + 21..8 + present + 24) else { return Some(0) };
    let delay = u64::from(first) << 4 | u64::from(second >> 4);
    let padding = u64::from(second & 0x0f) << 8 | u64::from(third);
    Some(delay + padding)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// 128 kbit/s, 44.1 kHz, joint stereo: 417 bytes.
    const MPEG1: [u8; 4] = [0xff, 0xfb, 0x90, 0x64];
    /// MPEG 2, 64 kbit/s, 22.05 kHz, mono: 208 bytes.
    const MPEG2: [u8; 4] = [0xff, 0xf3, 0x80, 0xc4];

    fn frame(header: [u8; 4], length: usize) -> Vec<u8> {
        let mut frame = vec![0; length];
        frame[..4].copy_from_slice(&header);
        frame
    }

    fn info_frame(delay: u16, padding: u16) -> Vec<u8> {
        let mut frame = frame(MPEG1, 417);
        let info = &mut frame[4 + 32..];
        info[..4].copy_from_slice(b"Xing");
        info[7] = 0x0f;
        let lame = &mut info[8 + 4 + 4 + 100 + 4..];
        lame[..4].copy_from_slice(b"LAME");
        let trimmed = (u32::from(delay) << 12 | u32::from(padding)).to_be_bytes();
        lame[21..24].copy_from_slice(&trimmed[1..]);
        frame
    }

    fn walk(bytes: &[u8]) -> Result<MpegAudio, MalformedAudio> {
        // A small buffer, so that frames cross its end.
        MpegAudio::walk(BufReader::with_capacity(100, Cursor::new(bytes)), bytes.len() as u64)
    }

    #[test]
    fn frames_are_counted_without_the_info_frame_and_the_trimmed_ends() {
        let bytes = [info_frame(576, 1000), frame(MPEG1, 417), frame(MPEG1, 417), frame(MPEG1, 417)].concat();
        let audio = walk(&bytes).unwrap();
        assert!(audio.has_info_frame);
        assert_eq!((audio.frames, audio.samples, audio.frame_bytes), (3, 3 * 1152 - 1576, 3 * 417));
        assert_eq!(audio.file_bytes, 4 * 417);
        assert!((audio.duration_seconds() - 1880.0 / 44_100.0).abs() < 1e-9);
    }

    #[test]
    fn frames_of_mpeg_2_have_half_the_samples() {
        let audio = walk(&[frame(MPEG2, 208), frame(MPEG2, 208)].concat()).unwrap();
        assert_eq!((audio.samples, audio.sample_rate_hz, audio.has_info_frame), (1152, 22_050, false));
        assert!(audio.bitrate_bps().abs_diff(64_000) < 500, "{}", audio.bitrate_bps());
    }

    #[test]
    fn a_padded_frame_is_one_byte_longer() {
        let mut padded = MPEG1;
        padded[2] |= 0b10;
        assert_eq!(walk(&[frame(padded, 418), frame(MPEG1, 417)].concat()).unwrap().frames, 2);
    }

    #[test]
    fn tags_in_front_are_skipped() {
        let mut tag = b"ID3\x03\0\0\0\0\x02\x01".to_vec();
        tag.resize(10 + 257, 0);
        assert_eq!(walk(&[tag.clone(), frame(MPEG1, 417)].concat()).unwrap().frames, 1);
        assert_eq!(walk(&tag).unwrap().frames, 0);
    }

    #[test]
    fn an_empty_file_has_no_sound() {
        let audio = walk(b"").unwrap();
        assert_eq!((audio.frames, audio.bitrate_bps()), (0, 0));
        assert!(audio.duration_seconds().abs() < f64::EPSILON);
    }

    #[test]
    fn a_cut_frame_and_garbage_between_frames_are_errors() {
        let two = [frame(MPEG1, 417), frame(MPEG1, 417)].concat();
        assert!(matches!(walk(&two[..833]), Err(MalformedAudio::CutOff)));
        assert!(matches!(walk(&two[..419]), Err(MalformedAudio::CutOff)));
        let garbage = [frame(MPEG1, 417), b"garbage".to_vec()].concat();
        assert!(matches!(walk(&garbage), Err(MalformedAudio::NoFrame(417))));
        for wrong in [
            [0xff, 0xfb, 0x00, 0x64],
            [0xff, 0xfb, 0xf0, 0x64],
            [0xff, 0xfb, 0x9c, 0x64],
            [0xff, 0xeb, 0x90, 0x64],
        ] {
            assert!(Header::parse(wrong).is_none(), "{wrong:x?}");
        }
    }
}
