//! Pages of an Ogg file (RFC 3533, section 6).

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::ops::Range;

use crate::engine::source::bytes_at::read_at;

pub(super) const CAPTURE_PATTERN: [u8; 5] = *b"OggS\0";
pub(super) const HEAD_BYTES: usize = 27;

/// The page's first packet continues the last packet of the page before.
pub(super) const IS_CONTINUED: u8 = 1;
pub(super) const IS_FIRST: u8 = 2;
pub(super) const IS_LAST: u8 = 4;

/// The granule position of a page on which no packet ends.
pub(super) const NO_GRANULE: u64 = u64::MAX;

/// One page, from its capture pattern to its end.
pub(super) struct Page {
    pub(super) bytes: Vec<u8>,
    pub(super) head: usize,
}

impl Page {
    pub(super) fn has(&self, flag: u8) -> bool {
        self.bytes[5] & flag != 0
    }

    pub(super) fn granule(&self) -> u64 {
        self.bytes[6..].first_chunk().copied().map_or(NO_GRANULE, u64::from_le_bytes)
    }

    pub(super) fn serial(&self) -> [u8; 4] {
        self.bytes[14..].first_chunk().copied().unwrap_or_default()
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.bytes[self.head..]
    }

    /// Moves the page to another stream. A wrong checksum stays wrong.
    pub(super) fn change(&mut self, serial: [u8; 4], sequence: u32, granule: u64) {
        let found = self.bytes[CHECKSUM].to_vec();
        let is_whole = found == self.checksum();
        self.bytes[5] &= !(IS_FIRST | IS_LAST);
        self.bytes[6..14].copy_from_slice(&granule.to_le_bytes());
        self.bytes[14..18].copy_from_slice(&serial);
        self.bytes[18..22].copy_from_slice(&sequence.to_le_bytes());
        let mut checksum = self.checksum();
        if !is_whole {
            checksum[0] ^= 1;
        }
        self.bytes[CHECKSUM].copy_from_slice(&checksum);
    }

    /// The correct checksum. Its own field counts as zeros.
    pub(super) fn checksum(&self) -> [u8; 4] {
        let bytes = self.bytes.iter().enumerate();
        let bytes = bytes.map(|(at, byte)| if CHECKSUM.contains(&at) { 0 } else { *byte });
        let sum = bytes.fold(0_u32, |sum, byte| sum << 8 ^ CRC[usize::from((sum >> 24) as u8 ^ byte)]);
        sum.to_le_bytes()
    }
}

pub(super) const CHECKSUM: Range<usize> = 22..26;

/// The CRC of each byte, with the generator 0x04c11db7.
const CRC: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "it is below 256")]
        let mut sum = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum >> 31 == 1 { sum << 1 ^ 0x04c1_1db7 } else { sum << 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};

/// A part of a file.
pub(super) enum Piece {
    Page(Page),
    /// Bytes that are not a whole page.
    Garbage(Vec<u8>),
}

/// The parts of a file, one after another.
pub(super) struct Pieces<'a> {
    file: &'a File,
    position: u64,
    /// Bytes that were read but not returned yet.
    ahead: VecDeque<u8>,
}

impl<'a> Pieces<'a> {
    /// More than the longest page: 27 + 255 + 255 * 255 bytes.
    const AHEAD_BYTES: usize = 256 * 1024;
    const LONGEST_PAGE_BYTES: usize = 66 * 1024;

    pub(super) fn of(file: &'a File) -> Self {
        Self { file, position: 0, ahead: VecDeque::new() }
    }

    pub(super) fn next(&mut self) -> io::Result<Option<Piece>> {
        if self.ahead.len() < Self::LONGEST_PAGE_BYTES {
            self.read_ahead()?;
        }
        let ahead = self.ahead.make_contiguous();
        if ahead.is_empty() {
            return Ok(None);
        }
        if let Some((head, whole)) = page_lengths(ahead) {
            return Ok(Some(Piece::Page(Page { bytes: self.ahead.drain(..whole).collect(), head })));
        }
        let is_page = |rest: &[u8]| rest.starts_with(&CAPTURE_PATTERN) || CAPTURE_PATTERN.starts_with(rest);
        let end = (1..ahead.len()).find(|at| is_page(&ahead[*at..])).unwrap_or(ahead.len());
        Ok(Some(Piece::Garbage(self.ahead.drain(..end).collect())))
    }

    fn read_ahead(&mut self) -> io::Result<()> {
        let mut bytes = vec![0; Self::AHEAD_BYTES];
        let length = read_at(self.file, self.position, &mut bytes)?;
        self.position += length as u64;
        self.ahead.extend(&bytes[..length]);
        Ok(())
    }
}

/// The lengths of the header and of the page at the beginning of `bytes`. `None`: no whole page.
pub(in crate::engine::source) fn page_lengths(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = HEAD_BYTES + usize::from(*bytes.get(HEAD_BYTES - 1)?);
    let sizes = bytes.get(HEAD_BYTES..head)?;
    let whole = head + sizes.iter().map(|size| usize::from(*size)).sum::<usize>();
    (bytes.starts_with(&CAPTURE_PATTERN) && whole <= bytes.len()).then_some((head, whole))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A page with one packet.
    pub(crate) fn page(flags: u8, granule: u64, serial: u8, sequence: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = CAPTURE_PATTERN.to_vec();
        bytes.push(flags);
        bytes.extend(granule.to_le_bytes());
        bytes.extend([serial, 0, 0, 0, sequence, 0, 0, 0, 0, 0, 0, 0, 1, u8::try_from(body.len()).unwrap()]);
        bytes.extend(body);
        let mut page = Page { bytes, head: HEAD_BYTES + 1 };
        let checksum = page.checksum();
        page.bytes[CHECKSUM].copy_from_slice(&checksum);
        page.bytes
    }

    #[test]
    fn the_checksum_is_that_of_ogg() {
        // A page that FFmpeg wrote.
        let head = b"OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0";
        let mut page = Page { bytes: page(IS_FIRST, 0, 0, 0, head), head: HEAD_BYTES + 1 };
        page.bytes[14..18].copy_from_slice(&[0x80, 0x19, 0x89, 0x8b]);
        assert_eq!(page.checksum(), [0x9f, 0xe0, 0x83, 0x3b]);
    }
}
