//! Makes one stream of the several that follow each other in a chained Ogg file, as recordings of web radios are.
//!
//! FFmpeg fails at the second link of a chain of Opus or FLAC, and takes the clock of one in Vorbis for the first one's. So all
//! links get the first one's serial number, and go on with its clock. Decoders other than Vorbis' need no new headers: these are
//! left out. The format is that of RFC 3533; Opus in it of RFC 7845, FLAC of RFC 9639, section 10.1; Vorbis I, section 4.2.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::bytes_at::{array_at, read_at};

const CAPTURE_PATTERN: [u8; 5] = *b"OggS\0";
const HEAD_BYTES: usize = 27;

/// A page begins the packet that the one before it did not end.
const IS_CONTINUED: u8 = 1;
const IS_FIRST: u8 = 2;
const IS_LAST: u8 = 4;

/// The granule position of a page on which no packet ends.
const NO_GRANULE: u64 = u64::MAX;

/// The kinds of streams that FFmpeg can decode in one go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    Opus,
    Flac,
    Speex,
    Vorbis,
}

impl Codec {
    /// By the first packet of a stream.
    fn of(header: &[u8]) -> Option<Self> {
        let magics: [(&[u8], Self); 4] = [
            (b"OpusHead", Self::Opus),
            (b"\x7fFLAC", Self::Flac),
            (b"Speex   ", Self::Speex),
            (b"\x01vorbis", Self::Vorbis),
        ];
        magics.into_iter().find_map(|(magic, codec)| header.starts_with(magic).then_some(codec))
    }

    /// Whether the packet that begins on a page behind the first is a header, too.
    fn is_header(self, place: u32, packet: &[u8]) -> bool {
        match self {
            // Its tags; then sound.
            Self::Opus | Self::Speex => place == 1,
            // Blocks of metadata, until a frame begins.
            Self::Flac => packet.first() != Some(&0xff),
            // Its tags, and then how to decode it, in packets of odd types.
            Self::Vorbis => packet.first().is_some_and(|kind| kind % 2 == 1),
        }
    }

    /// How many granules its clock has a second, by its first packet.
    fn rate_hz(self, header: &[u8]) -> Option<u64> {
        let bytes = |at: usize| header.get(at..at + 4)?.first_chunk().copied();
        let rate = match self {
            Self::Opus => Some(48_000),
            // 20 bits of its STREAMINFO.
            Self::Flac => bytes(27).map(|bytes| u32::from_be_bytes(bytes) >> 12),
            Self::Speex => bytes(36).map(u32::from_le_bytes),
            Self::Vorbis => bytes(12).map(u32::from_le_bytes),
        };
        rate.filter(|rate| *rate > 0).map(u64::from)
    }

    /// Whether decoders need the headers of each link.
    fn keeps_headers(self) -> bool {
        self == Self::Vorbis
    }
}

/// Joins the links of a file, if it is a chain of streams of one kind, in its place. Blocks.
///
/// # Errors
/// The file cannot be read or written. It is of no use then.
pub(crate) fn join_links(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let is_ogg = array_at(&file, 0)? == Some(CAPTURE_PATTERN);
    if !is_ogg || !is_chain(&mut Pieces::of(&file))? {
        return Ok(());
    }
    let mut pieces = Pieces::of(&file);
    let mut chain: Option<Chain> = None;
    // What is written never gets ahead of what is read.
    let mut length = 0;
    while let Some(piece) = pieces.next()? {
        let bytes = match piece {
            // Damage stays what it was.
            Piece::Garbage(bytes) => Some(bytes),
            Piece::Page(page) => match &mut chain {
                None => {
                    chain = Chain::begin(&page);
                    Some(page.bytes)
                }
                Some(chain) => chain.take(page),
            },
        };
        if let Some(bytes) = bytes {
            file.write_all_at(&bytes, length)?;
            length += bytes.len() as u64;
        }
    }
    file.set_len(length)
}

/// Whether more than one stream of a kind that can be joined follow each other, and nothing else is there.
fn is_chain(pieces: &mut Pieces<'_>) -> io::Result<bool> {
    let mut codec = None;
    let (mut links, mut is_begun) = (0_u32, false);
    while let Some(piece) = pieces.next()? {
        let Piece::Page(page) = piece else { continue };
        if !page.has(IS_FIRST) {
            is_begun = true;
            continue;
        }
        let found = Codec::of(page.body()).filter(|codec| codec.rate_hz(page.body()).is_some());
        let is_alone = links == 0 || is_begun;
        if found.is_none() || !is_alone || links > 0 && codec != found {
            return Ok(false);
        }
        (codec, is_begun) = (found, false);
        links = links.saturating_add(1);
    }
    Ok(links > 1)
}

/// How the pages of a chain become those of one stream.
struct Chain {
    codec: Codec,
    serial: [u8; 4],
    sequence: u32,
    link: u32,
    /// Granules a second, of the chain and of this link.
    rate_hz: u64,
    link_rate_hz: u64,
    /// The packet that begins next in this link.
    place: u32,
    is_in_headers: bool,
    /// The link's clock begins here on the chain's, once it is known.
    offset: Option<u64>,
    granule: u64,
}

impl Chain {
    fn begin(first: &Page) -> Option<Self> {
        let codec = Codec::of(first.body())?;
        let rate_hz = codec.rate_hz(first.body())?;
        Some(Self {
            codec,
            rate_hz,
            link_rate_hz: rate_hz,
            serial: first.serial(),
            sequence: 1,
            link: 0,
            place: 1,
            is_in_headers: true,
            offset: Some(0),
            granule: 0,
        })
    }

    /// Makes a page one of the stream. Nothing is left of headers of another link that no decoder needs.
    fn take(&mut self, mut page: Page) -> Option<Vec<u8>> {
        if page.has(IS_FIRST) {
            self.link += 1;
            self.link_rate_hz = self.codec.rate_hz(page.body())?;
            (self.place, self.is_in_headers, self.offset) = (1, true, None);
        } else if self.is_in_headers {
            // Headers end with their page.
            let begins = !page.has(IS_CONTINUED);
            self.is_in_headers = !begins || self.codec.is_header(self.place, page.body());
            self.place += u32::from(begins);
        }
        if self.is_in_headers && self.link > 0 && !self.codec.keeps_headers() {
            return None;
        }
        let granule = match page.granule() {
            NO_GRANULE => NO_GRANULE,
            _ if self.is_in_headers => self.granule,
            granule => self.on_its_clock(granule),
        };
        page.change(self.serial, self.sequence, granule);
        self.sequence = self.sequence.wrapping_add(1);
        Some(page.bytes)
    }

    fn on_its_clock(&mut self, granule: u64) -> u64 {
        /// Pages are shorter: a stream that begins with a later position was joined under way.
        const LONGEST_PAGE_SECONDS: u64 = 10;
        let granule = u128::from(granule) * u128::from(self.rate_hz) / u128::from(self.link_rate_hz);
        #[expect(clippy::cast_possible_truncation, reason = "positions count modulo 2^64")]
        let granule = granule as u64;
        let before = self.granule;
        let offset = *self.offset.get_or_insert_with(|| {
            let is_late = granule > LONGEST_PAGE_SECONDS * self.rate_hz;
            before.wrapping_sub(if is_late { granule } else { 0 })
        });
        self.granule = granule.wrapping_add(offset);
        self.granule
    }
}

/// One page, from its capture pattern to its end.
struct Page {
    bytes: Vec<u8>,
    head: usize,
}

impl Page {
    fn has(&self, flag: u8) -> bool {
        self.bytes[5] & flag != 0
    }

    fn granule(&self) -> u64 {
        self.bytes[6..].first_chunk().copied().map_or(NO_GRANULE, u64::from_le_bytes)
    }

    fn serial(&self) -> [u8; 4] {
        self.bytes[14..].first_chunk().copied().unwrap_or_default()
    }

    fn body(&self) -> &[u8] {
        &self.bytes[self.head..]
    }

    /// Makes it the next page of another stream. A checksum that was wrong stays wrong.
    fn change(&mut self, serial: [u8; 4], sequence: u32, granule: u64) {
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

    /// What belongs into the place of the checksum, which counts as zeros.
    fn checksum(&self) -> [u8; 4] {
        let bytes = self.bytes.iter().enumerate();
        let bytes = bytes.map(|(at, byte)| if CHECKSUM.contains(&at) { 0 } else { *byte });
        let sum = bytes.fold(0_u32, |sum, byte| sum << 8 ^ CRC[usize::from((sum >> 24) as u8 ^ byte)]);
        sum.to_le_bytes()
    }
}

const CHECKSUM: Range<usize> = 22..26;

/// Of each byte, with the generator 0x04c11db7.
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

/// What a file consists of.
enum Piece {
    Page(Page),
    /// What is no page, or not a whole one.
    Garbage(Vec<u8>),
}

/// The pieces of a file, one after the other.
struct Pieces<'a> {
    file: &'a File,
    position: u64,
    /// What was read ahead and not returned yet.
    ahead: VecDeque<u8>,
}

impl<'a> Pieces<'a> {
    /// More than the longest page: 27 + 255 + 255 * 255 bytes.
    const AHEAD_BYTES: usize = 256 * 1024;
    const LONGEST_PAGE_BYTES: usize = 66 * 1024;

    fn of(file: &'a File) -> Self {
        Self { file, position: 0, ahead: VecDeque::new() }
    }

    fn next(&mut self) -> io::Result<Option<Piece>> {
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

/// How long the head of the page that begins here is, and how long the page, if all of it is there.
fn page_lengths(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = HEAD_BYTES + usize::from(*bytes.get(HEAD_BYTES - 1)?);
    let sizes = bytes.get(HEAD_BYTES..head)?;
    let whole = head + sizes.iter().map(|size| usize::from(*size)).sum::<usize>();
    (bytes.starts_with(&CAPTURE_PATTERN) && whole <= bytes.len()).then_some((head, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(flags: u8, granule: u64, serial: u8, sequence: u8, body: &[u8]) -> Vec<u8> {
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

    fn link(serial: u8, magic: &[u8], granules: &[u64]) -> Vec<Vec<u8>> {
        let mut pages = vec![page(IS_FIRST, 0, serial, 0, magic), page(0, 0, serial, 1, b"tags")];
        let flags = |at| if at + 1 == granules.len() { IS_LAST } else { 0 };
        let sound = granules.iter().enumerate().zip(2..);
        pages.extend(sound.map(|((at, granule), n)| page(flags(at), *granule, serial, n, &[0xff, n])));
        pages
    }

    fn joined(pages: &[Vec<u8>]) -> Vec<u8> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), pages.concat()).unwrap();
        join_links(file.path()).unwrap();
        std::fs::read(file.path()).unwrap()
    }

    #[test]
    fn the_checksum_is_that_of_ogg() {
        // A page that FFmpeg wrote.
        let head = b"OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0";
        let mut page = Page { bytes: page(IS_FIRST, 0, 0, 0, head), head: HEAD_BYTES + 1 };
        page.bytes[14..18].copy_from_slice(&[0x80, 0x19, 0x89, 0x8b]);
        assert_eq!(page.checksum(), [0x9f, 0xe0, 0x83, 0x3b]);
    }

    /// The first packet of a stream.
    fn header(codec: Codec, rate_hz: u32) -> Vec<u8> {
        match codec {
            Codec::Opus => b"OpusHead and more".to_vec(),
            Codec::Flac => [&b"\x7fFLAC"[..], &[0; 22], &(rate_hz << 12).to_be_bytes()].concat(),
            Codec::Speex => [&b"Speex   "[..], &[0; 28], &rate_hz.to_le_bytes()].concat(),
            Codec::Vorbis => [&b"\x01vorbis"[..], &[0; 5], &rate_hz.to_le_bytes()].concat(),
        }
    }

    #[test]
    fn links_become_one_stream_with_one_clock() {
        for codec in [Codec::Opus, Codec::Flac, Codec::Speex] {
            let header = header(codec, 48_000);
            let first = link(7, &header, &[1000, 2000, NO_GRANULE, 3000]);
            let second = link(9, &header, &[1000, 2000]);
            // A stream that was joined under way.
            let third = link(7, &header, &[1_000_000, 1_001_000]);
            let mut expected = first.clone();
            expected[5] = page(0, 3000, 7, 5, &[0xff, 5]);
            let more = [(4000, 2), (5000, 3), (5000, 2), (6000, 3)];
            let more = more.into_iter().zip(6..);
            expected.extend(more.map(|((granule, body), n)| page(0, granule, 7, n, &[0xff, body])));
            let joined = joined(&[first, second, third].concat());
            assert!(joined == expected.concat(), "{codec:?}:\n{joined:02x?}\n{:02x?}", expected.concat());
        }
    }

    #[test]
    fn a_link_of_another_rate_goes_on_with_the_first_ones_clock() {
        let links = |codec| {
            joined(
                &[link(7, &header(codec, 24_000), &[1000]), link(9, &header(codec, 48_000), &[2000, 4000])]
                    .concat(),
            )
        };
        let flac = links(Codec::Flac);
        let more = [page(0, 2000, 7, 3, &[0xff, 2]), page(0, 3000, 7, 4, &[0xff, 3])].concat();
        assert!(flac.ends_with(&more));
    }

    #[test]
    fn links_of_vorbis_keep_their_headers() {
        let links = |serial, sequence: u8, granule, flag| {
            let sound = page(0, granule + 1000, serial, sequence + 2, &[0, 2]);
            let head = page(flag, granule, serial, sequence, &header(Codec::Vorbis, 44_100));
            [head, page(0, granule, serial, sequence + 1, b"\x03vorbis"), sound].concat()
        };
        let chain = [links(7, 0, 0, IS_FIRST), links(9, 0, 0, IS_FIRST)];
        assert_eq!(joined(&chain), [links(7, 0, 0, IS_FIRST), links(7, 3, 1000, 0)].concat());
    }

    #[test]
    fn other_files_stay_as_they_are() {
        let opus = link(1, &header(Codec::Opus, 0), &[1000, 2000]);
        let at_once = [opus[..1].to_vec(), link(2, b"OpusHead", &[1000])].concat();
        let kinds = [opus.clone(), link(2, &header(Codec::Flac, 8000), &[1000])].concat();
        let video = [link(1, b"\x80theora", &[1000]), link(2, b"\x80theora", &[1000])].concat();
        for pages in [opus, at_once, kinds, video, vec![b"RIFF....WAVE".to_vec()], vec![Vec::new()]] {
            assert_eq!(joined(&pages), pages.concat());
        }
    }

    #[test]
    fn damage_stays_damage() {
        let mut broken = link(2, b"OpusHead", &[1000, 2000]);
        broken[3][HEAD_BYTES + 2] ^= 1;
        let garbage = [&vec![0; 100_000][..], b"OggS\0Og"].concat();
        let cut = page(0, 3000, 2, 4, b"sound")[..20].to_vec();
        let pages = [link(1, b"OpusHead", &[1000]), vec![garbage.clone()], broken, vec![cut.clone()]];
        let joined = joined(&pages.concat());
        let mut wrong = page(0, 3000, 1, 4, &[0xff, 2]);
        wrong[HEAD_BYTES + 2] ^= 1;
        assert_eq!(joined.windows(garbage.len()).filter(|bytes| **bytes == garbage).count(), 1);
        assert!(joined.ends_with(&cut));
        let last = joined.len() - cut.len() - 30;
        let page = Page { bytes: joined[last..last + 30].to_vec(), head: HEAD_BYTES + 1 };
        assert_eq!(page.bytes[..5], CAPTURE_PATTERN);
        assert_ne!(page.bytes[CHECKSUM], page.checksum(), "it was wrong before");
    }
}
