//! Joins the links of a chained Ogg file, such as a recording of web radio, to one stream.
//!
//! FFmpeg fails at the second link of a chain in Opus or FLAC. In Vorbis, it reads each link's clock as the
//! first one's. So all links get the first link's serial number and continue its clock. Decoders other than
//! Vorbis need no new headers, so these are left out.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::codec::Codec;
use super::pages::{CAPTURE_PATTERN, IS_CONTINUED, IS_FIRST, NO_GRANULE, Page, Piece, Pieces};
use crate::engine::source::bytes_at::array_at;

/// Joins a file's links in place, if it is a chain of streams of one kind. Blocks.
///
/// # Errors
/// The file cannot be read or written. It is then unusable.
pub(crate) fn join_links(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let is_ogg = array_at(&file, 0)? == Some(CAPTURE_PATTERN);
    if !is_ogg || !is_chain(&mut Pieces::of(&file))? {
        return Ok(());
    }
    let mut pieces = Pieces::of(&file);
    let mut chain: Option<Chain> = None;
    // Writing never overtakes reading, because pages do not grow.
    let mut length = 0;
    while let Some(piece) = pieces.next()? {
        let bytes = match piece {
            // Damaged bytes are kept unchanged.
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

/// Whether the file consists of several streams of one kind that can be joined, one after another, and
/// nothing else.
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

/// Converts a chain's pages to pages of one stream.
struct Chain {
    codec: Codec,
    serial: [u8; 4],
    sequence: u32,
    link: u32,
    /// Granules per second of the chain and of this link.
    rate_hz: u64,
    link_rate_hz: u64,
    /// The number of the link's next packet.
    place: u32,
    is_in_headers: bool,
    /// Where the link's clock begins on the chain's clock, once it is known.
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

    /// Converts a page to one of the joined stream. `None`: it holds only headers of a later link, which no
    /// decoder needs.
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
        /// No page is longer. A stream that begins at a later position was joined while it was running.
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

#[cfg(test)]
mod tests {
    use super::super::pages::tests::page;
    use super::super::pages::{CHECKSUM, HEAD_BYTES, IS_LAST};
    use super::*;

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
            // A stream that was joined while it was running.
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
