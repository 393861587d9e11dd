//! Writes the Xing/Info frame with LAME's extension. Players read it for the length, for seeking, and to play
//! without gaps.
//!
//! Format: <http://gabriel.mp3-tech.org/mp3infotag.html>.

use contracts::Mp3Rate;

use super::frame_header::Header;

/// LAME's encoder begins this many samples before the audio (`lame_get_encoder_delay`).
const ENCODER_DELAY: u64 = 576;

/// From the word `Xing` to the end: flags, frames, bytes, seek table, quality, LAME's extension.
const INFO_BYTES: usize = 4 + 4 + 4 + 4 + 100 + 4 + 36;

/// The frames that an info frame describes.
#[derive(Debug)]
pub(crate) struct Sound<'a> {
    pub rate: Mp3Rate,
    /// Header of the first frame.
    pub first: [u8; 4],
    /// Length of each frame, in bytes.
    pub frame_bytes: &'a [u16],
    /// Samples of the audio in each channel, without delay and padding.
    pub samples: u64,
    /// Checksum over all frames.
    pub checksum: u16,
}

/// The header of an info frame that matches the audio's frames. Its length is known before theirs.
pub(crate) fn header(first: [u8; 4], rate: Mp3Rate) -> Option<([u8; 4], Header)> {
    let [sync, version, rates, mode] = first;
    // Bit rates have the indices 1 to 14 in the upper half of the byte. The padding bit is off.
    let with_rate = |index: u8| [sync, version | 1, index << 4 | rates & 0x0c, mode & 0xcf];
    // The info frame keeps a constant bit rate too, if its content fits.
    let indices = match rate {
        Mp3Rate::Bitrate(_) => rates >> 4..15,
        Mp3Rate::Quality(_) => 1..15,
    };
    indices.map(with_rate).find_map(|bytes| {
        let header = Header::parse(bytes)?;
        let room = usize::try_from(header.frame_bytes()).ok()?;
        (room >= 4 + header.side_information_bytes() + INFO_BYTES).then_some((bytes, header))
    })
}

impl Sound<'_> {
    /// The whole info frame. `None`: the frames are malformed.
    pub(crate) fn info_frame(&self) -> Option<Vec<u8>> {
        let (bytes, header) = header(self.first, self.rate)?;
        let length = header.frame_bytes();
        let mut frame = Vec::with_capacity(usize::try_from(length).ok()?);
        frame.extend(bytes);
        frame.resize(4 + header.side_information_bytes(), 0);
        let total = u64::from(length) + self.frame_bytes.iter().map(|bytes| u64::from(*bytes)).sum::<u64>();
        let total_field = u32::try_from(total).unwrap_or(u32::MAX).to_be_bytes();
        let (name, method, quality, kilobits) = match self.rate {
            Mp3Rate::Quality(quality) => (b"Xing", 4, 100 - 10 * quality.level(), 0),
            Mp3Rate::Bitrate(_) => (b"Info", 1, 0, Header::parse(self.first)?.bitrate_bps / 1000),
        };
        frame.extend(name);
        // Flags: all four fields are present.
        frame.extend([0, 0, 0, 0x0f]);
        frame.extend(u32::try_from(self.frame_bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        frame.extend(total_field);
        frame.extend(self.seek_table(length, total));
        frame.extend(u32::from(quality).to_be_bytes());
        // FFmpeg encodes with LAME. Players trust delay and padding only with this name.
        frame.extend(b"LAME3.100");
        frame.push(method);
        // Low-pass, peak, two gains, flags: unknown.
        frame.extend([0; 10]);
        frame.push(u8::try_from(kilobits).unwrap_or(u8::MAX));
        frame.extend(self.delay_and_padding(header.samples()));
        // Miscellaneous, gain, preset: unknown.
        frame.extend([0; 4]);
        frame.extend(total_field);
        frame.extend(self.checksum.to_be_bytes());
        frame.extend(checksum(0, &frame).to_be_bytes());
        frame.resize(usize::try_from(length).ok()?, 0);
        Some(frame)
    }

    /// Where each hundredth of the playing time begins, in 256ths of the bytes.
    fn seek_table(&self, info_bytes: u32, total: u64) -> [u8; 100] {
        let mut table = [0; 100];
        let frames = self.frame_bytes.len();
        let (mut at, mut frame) = (u64::from(info_bytes), 0);
        for (hundredth, entry) in table.iter_mut().enumerate() {
            let until = frames * hundredth / 100;
            at += self.frame_bytes[frame..until].iter().map(|bytes| u64::from(*bytes)).sum::<u64>();
            frame = until;
            *entry = u8::try_from(at * 256 / total.max(1)).unwrap_or(u8::MAX);
        }
        table
    }

    /// Two numbers of 12 bits: the samples to remove at the beginning and at the end.
    fn delay_and_padding(&self, frame_samples: u32) -> [u8; 3] {
        let coded = self.frame_bytes.len() as u64 * u64::from(frame_samples);
        let padding = coded.saturating_sub(ENCODER_DELAY + self.samples).min(0xfff);
        let [.., first, second, third] = (ENCODER_DELAY << 12 | padding).to_be_bytes();
        [first, second, third]
    }
}

/// Samples that an MP3 decoder adds before the audio.
const DECODER_DELAY: u64 = 529;

/// Samples that a decoder removes from an MP3's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trimmed {
    pub start: u64,
    /// At both ends together.
    pub total: u64,
}

/// Corrects the info frame that FFmpeg wrote in front of a copy. FFmpeg takes the delay from the container,
/// which may be wrong. `false`: `frame` is not an info frame.
pub(crate) fn correct(frame: &mut [u8], trimmed: impl FnOnce(u64) -> Option<Trimmed>) -> bool {
    let Some(header) = frame.first_chunk().copied().and_then(Header::parse) else { return false };
    let info = 4 + header.side_information_bytes();
    let Some(part) = frame.get(info..info + INFO_BYTES) else { return false };
    let Some(frames) = part.get(8..12).and_then(|number| number.first_chunk().copied()) else { return false };
    if !(part.starts_with(b"Xing") || part.starts_with(b"Info")) || part[7] != 0x0f {
        return false;
    }
    let lame = info + 4 + 4 + 4 + 4 + 100 + 4;
    let trimmed = trimmed(u64::from(u32::from_be_bytes(frames)));
    let fields = trimmed.and_then(|Trimmed { start, total }| {
        let delay = start.checked_sub(DECODER_DELAY)?;
        let padding = total.checked_sub(delay)?;
        (delay <= 0xfff && padding <= 0xfff).then_some(delay << 12 | padding)
    });
    if fields.is_none() {
        // Without an encoder name, decoders remove nothing.
        frame[lame..lame + 9].fill(0);
    }
    frame[lame + 21..lame + 24].copy_from_slice(&fields.unwrap_or(0).to_be_bytes()[5..]);
    let sum = checksum(0, &frame[..info + INFO_BYTES - 2]);
    frame[info + INFO_BYTES - 2..info + INFO_BYTES].copy_from_slice(&sum.to_be_bytes());
    true
}

const CHECKSUMS: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "it is below 256")]
        let mut sum = byte as u16;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xa001 } else { sum >> 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};

/// CRC-16/ARC, continued from `sum`.
pub(crate) fn checksum(sum: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(sum, |sum, byte| sum >> 8 ^ CHECKSUMS[usize::from(sum.to_le_bytes()[0] ^ byte)])
}

#[cfg(test)]
mod tests {
    use contracts::Quality;

    use super::*;

    /// 128 kbit/s, 44.1 kHz, joint stereo, padded.
    const STEREO: [u8; 4] = [0xff, 0xfb, 0x92, 0x64];
    /// MPEG 2.5, 8 kbit/s, 8 kHz, mono.
    const SLOW: [u8; 4] = [0xff, 0xe3, 0x18, 0xc4];

    fn sound(first: [u8; 4], frame_bytes: &[u16], samples: u64) -> Sound<'_> {
        Sound { rate: Mp3Rate::Quality(Quality::default()), first, frame_bytes, samples, checksum: 0x1234 }
    }

    #[test]
    fn the_checksum_is_arc() {
        assert_eq!(checksum(0, b"123456789"), 0xbb3d);
        assert_eq!(checksum(checksum(0, b"1234"), b"56789"), 0xbb3d);
    }

    #[test]
    fn the_frame_has_room_and_is_as_long_as_its_header_says() {
        for first in [STEREO, SLOW] {
            let (bytes, header) = header(first, Mp3Rate::Quality(Quality::default())).unwrap();
            let frame = sound(first, &[100; 5], 5000).info_frame().unwrap();
            assert_eq!(frame.len(), usize::try_from(header.frame_bytes()).unwrap());
            assert_eq!((&frame[..4], header.padding), (&bytes[..], 0));
            assert_eq!(header.sample_rate_hz, Header::parse(first).unwrap().sample_rate_hz);
        }
    }

    #[test]
    fn a_constant_bit_rate_is_kept_where_there_is_room() {
        let option = |kilobits| Mp3Rate::Bitrate(str::parse(kilobits).unwrap());
        let rate = |first, kilobits| header(first, option(kilobits)).unwrap().1.bitrate_bps;
        assert_eq!(rate(STEREO, "128"), 128_000);
        assert_eq!(rate(SLOW, "32"), 24_000);
    }

    #[test]
    fn delay_and_padding_leave_the_sound() {
        let frame = sound(STEREO, &[418; 10], 10 * 1152 - 576 - 700).info_frame().unwrap();
        let lame = &frame[4 + 32 + 120..];
        assert!(lame.starts_with(b"LAME"));
        assert_eq!(lame[21..24], [0x24, 0x02, 0xbc]);
    }

    #[test]
    fn what_a_copy_says_of_its_ends_is_what_was_left_out() {
        let frame = sound(STEREO, &[418; 10], 10 * 1152 - 576 - 700).info_frame().unwrap();
        let corrected = |trimmed: Option<Trimmed>| {
            let mut frame = frame.clone();
            assert!(correct(&mut frame, |frames| {
                assert_eq!(frames, 10);
                trimmed
            }));
            frame
        };
        let same = corrected(Some(Trimmed { start: 576 + 529, total: 576 + 700 }));
        assert_eq!(same, frame);
        let lame = 4 + 32 + 120;
        for nothing in
            [None, Some(Trimmed { start: 0, total: 200 }), Some(Trimmed { start: 9000, total: 9000 })]
        {
            assert_eq!(
                corrected(nothing)[lame..lame + 24],
                [vec![0; 9], frame[lame + 9..lame + 21].to_vec(), vec![0; 3]].concat()
            );
        }
        assert!(!correct(&mut frame[..100].to_vec(), |_| None));
        assert!(!correct(&mut [0xff, 0xfb, 0x90, 0x64].repeat(100), |_| None));
    }

    #[test]
    fn the_seek_table_goes_by_bytes() {
        // The second half is three times as large.
        let frame_bytes: Vec<u16> = [vec![200; 500], vec![600; 500]].concat();
        let table = sound(STEREO, &frame_bytes, 1000 * 1152).seek_table(0, 400_000);
        assert_eq!((table[0], table[25], table[50], table[75]), (0, 32, 64, 160));
    }
}
