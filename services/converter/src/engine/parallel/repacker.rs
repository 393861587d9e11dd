//! Repacks frames that were encoded without the bit reservoir, and saves what the reservoir would have saved.
//! The unused space of one frame is filled with the data of the next, which then needs a lower bit rate. The
//! frames' data stay the same, bit by bit, and so does the audio.
//!
//! ISO/IEC 11172-3, 2.4.1.7 and 2.4.2.7; ISO/IEC 13818-3, 2.4.1.7. The idea is mp3packer's.

use std::collections::VecDeque;
use std::ops::Range;

use crate::engine::mp3::Header;

const HEADER_BYTES: usize = 4;

/// The frames that are being packed.
#[derive(Debug, Default)]
pub(crate) struct Repacker {
    /// The first incomplete frame and all frames behind it.
    buffer: Vec<u8>,
    /// The ranges of `buffer` that are free for main data, in order.
    gaps: VecDeque<Range<usize>>,
}

/// A frame that cannot be packed: it refers to other frames or is malformed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unpackable;

impl Repacker {
    /// Adds a frame. Returns the length of the packed frame.
    pub(crate) fn add(&mut self, frame: &[u8]) -> Result<u16, Unpackable> {
        let (first, _) = frame.split_first_chunk::<HEADER_BYTES>().ok_or(Unpackable)?;
        let header = Header::parse(*first).filter(|header| !header.has_checksum).ok_or(Unpackable)?;
        let head_bytes = HEADER_BYTES + header.side_information_bytes();
        let (head, rest) = frame.split_at_checked(head_bytes).ok_or(Unpackable)?;
        let layout = Layout::of(header);
        let side = &head[HEADER_BYTES..];
        let main = rest.get(..layout.main_data_bytes(side)).ok_or(Unpackable)?;
        if bits(side, 0, layout.begin_bits) != 0 {
            return Err(Unpackable);
        }

        let before: usize = self.gaps.iter().map(Range::len).sum();
        let fitting = (1..15).map(|index| [first[0], first[1], index << 4 | first[2] & 0x0d, first[3]]);
        let fitting = fitting.filter_map(|bytes| Some((bytes, Header::parse(bytes)?.frame_bytes())));
        let mut fitting = fitting.filter_map(|(bytes, length)| Some((bytes, usize::try_from(length).ok()?)));
        let (first, length) =
            fitting.find(|(_, length)| before + length >= head_bytes + main.len()).ok_or(Unpackable)?;

        let at = self.buffer.len();
        self.buffer.extend(first);
        self.buffer.extend(side);
        layout.set_begin(&mut self.buffer[at + HEADER_BYTES..], before);
        self.buffer.resize(at + length, 0);
        self.gaps.push_back(at + head_bytes..at + length);
        self.fill(main.len(), |gap, filled| gap.copy_from_slice(&main[filled]));
        // `main_data_begin` cannot refer to data further back.
        let left: usize = self.gaps.iter().map(Range::len).sum();
        self.fill(left.saturating_sub(layout.furthest()), |_, _| {});
        u16::try_from(length).map_err(|_| Unpackable)
    }

    /// Consumes that many bytes of the gaps. Calls `each` with the free bytes and their range in the data.
    fn fill(&mut self, bytes: usize, mut each: impl FnMut(&mut [u8], Range<usize>)) {
        let mut filled = 0;
        while let Some(gap) = self.gaps.front_mut().filter(|_| filled < bytes) {
            let length = gap.len().min(bytes - filled);
            each(&mut self.buffer[gap.start..gap.start + length], filled..filled + length);
            filled += length;
            gap.start += length;
            if gap.start == gap.end {
                self.gaps.pop_front();
            }
        }
    }

    /// Returns and removes the complete frames.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let end = self.gaps.front().map_or(self.buffer.len(), |gap| gap.start);
        for gap in &mut self.gaps {
            *gap = gap.start - end..gap.end - end;
        }
        let rest = self.buffer.split_off(end);
        std::mem::replace(&mut self.buffer, rest)
    }

    /// Returns all remaining frames.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.buffer
    }
}

/// The positions of fields in the side information.
#[derive(Debug, Clone, Copy)]
struct Layout {
    /// Bits of `main_data_begin`, which comes first.
    begin_bits: usize,
    /// Position of the first granule of the first channel, in bits.
    first: usize,
    /// Bits of one granule of one channel, which begins with `part2_3_length`.
    granule_bits: usize,
    granules: usize,
}

const LENGTH_BITS: usize = 12;

impl Layout {
    fn of(header: Header) -> Self {
        let channels = if header.is_mono { 1 } else { 2 };
        if header.is_mpeg1 {
            // Private bits and `scfsi` come in between.
            let first = if header.is_mono { 9 + 5 + 4 } else { 9 + 3 + 2 * 4 };
            Self { begin_bits: 9, first, granule_bits: 59, granules: 2 * channels }
        } else {
            let first = if header.is_mono { 8 + 1 } else { 8 + 2 };
            Self { begin_bits: 8, first, granule_bits: 63, granules: channels }
        }
    }

    fn main_data_bytes(self, side: &[u8]) -> usize {
        let length = |granule| bits(side, self.first + granule * self.granule_bits, LENGTH_BITS);
        (0..self.granules).map(length).sum::<usize>().div_ceil(8)
    }

    /// How far before its frame main data may begin.
    fn furthest(self) -> usize {
        (1 << self.begin_bits) - 1
    }

    /// Sets where main data begin: `bytes` before the frame, without counting headers and side information.
    fn set_begin(self, side: &mut [u8], bytes: usize) {
        let word = u16::from_be_bytes([side[0], side[1]]);
        let shift = 16 - self.begin_bits;
        let begin = u16::try_from(bytes).unwrap_or(u16::MAX) << shift;
        side[..2].copy_from_slice(&(begin | word & ((1 << shift) - 1)).to_be_bytes());
    }
}

/// A number of up to 16 bits at a bit position.
fn bits(bytes: &[u8], at: usize, count: usize) -> usize {
    let byte = |index| bytes.get(index).copied().map_or(0, usize::from);
    let word = byte(at / 8) << 16 | byte(at / 8 + 1) << 8 | byte(at / 8 + 2);
    word >> (24 - at % 8 - count) & ((1 << count) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mono frame at 48 kHz and 320 kbit/s with `main_bytes` bytes of main data, each of them `value`.
    fn frame(main_bytes: usize, value: u8) -> Vec<u8> {
        let mut frame = vec![0; 960];
        frame[..4].copy_from_slice(&[0xff, 0xfb, 0xe4, 0xc4]);
        // All data are in the first granule, whose length field begins at bit 18.
        let length = u32::try_from(main_bytes * 8).unwrap() << (24 - 2 - 12);
        frame[4 + 2..4 + 5].copy_from_slice(&length.to_be_bytes()[1..]);
        frame[4 + 17..4 + 17 + main_bytes].fill(value);
        frame[4 + 17 + main_bytes..].fill(0xaa);
        frame
    }

    /// The main data of each frame, read as a decoder reads it.
    fn unpacked(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let (mut stream, mut found) = (Vec::new(), Vec::new());
        while let Some((first, _)) = bytes.split_first_chunk::<4>() {
            let header = Header::parse(*first).unwrap();
            let (frame, rest) = bytes.split_at(header.frame_bytes() as usize);
            let (side, own) = frame[4..].split_at(header.side_information_bytes());
            let layout = Layout::of(header);
            let begin = stream.len() - bits(side, 0, layout.begin_bits);
            stream.extend_from_slice(own);
            found.push(stream[begin..begin + layout.main_data_bytes(side)].to_vec());
            bytes = rest;
        }
        found
    }

    #[test]
    fn frames_fill_the_room_that_others_leave() {
        // A granule has at most 511 bytes.
        let sizes = [100, 0, 500, 3, 300, 301, 302, 511, 40, 0, 0, 0, 0, 0, 0, 0, 0, 200];
        let mut repacker = Repacker::default();
        let (mut packed, mut length) = (Vec::new(), 0);
        for (value, size) in (1..).zip(sizes) {
            length += usize::from(repacker.add(&frame(size, value)).unwrap());
            packed.extend(repacker.take());
        }
        packed.extend(repacker.finish());
        assert_eq!(packed.len(), length);
        let expected: Vec<_> = (1..).zip(sizes).map(|(value, size)| vec![value; size]).collect();
        assert_eq!(unpacked(&packed), expected);
        assert!(length * 3 < sizes.len() * 960, "{length} bytes");
    }

    #[test]
    fn what_refers_to_other_frames_or_is_none_is_not_packed() {
        let mut refers = frame(100, 1);
        refers[4] = 1;
        let too_short = &frame(100, 1)[..100];
        for frame in [&refers[..], too_short, b"nothing at all", b""] {
            assert_eq!(Repacker::default().add(frame), Err(Unpackable));
        }
    }
}
