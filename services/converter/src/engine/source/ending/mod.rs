//! Whether a file was cut off, judged by the sizes that its container declares. FFmpeg often reads what is
//! left and takes its length for the recording's length.

mod mp4;

use std::fs::File;
use std::io;
use std::path::Path;

use super::bytes_at::{array_at, read_at};
use super::ogg::page_lengths;

/// What is missing at the end of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// Nothing that the container declares.
    Nothing,
    /// This many bytes of its media.
    Bytes(u64),
    /// It ends inside a piece of media of unknown size.
    Rest,
    /// It ends inside a piece of media, or other data follow the media.
    Tail,
}

/// Finds what is missing at the end of a file. Blocks.
pub(crate) fn lack(path: &Path) -> io::Result<Lack> {
    let file = File::open(path)?;
    let file = Reader { length: file.metadata()?.len(), file };
    let mut start = [0; 32];
    let read = read_at(&file.file, 0, &mut start)?;
    match &start[..read] {
        [b'R', b'I', b'F', b'F', ..] => file.riff(),
        [b'F', b'O', b'R', b'M', ..] => file.chunks(12, &[b"SSND"], u32::from_be_bytes),
        [b'O', b'g', b'g', b'S', ..] => file.ogg(),
        [b'F', b'L', b'V', 1, ..] => file.flv(),
        [0x1a, 0x45, 0xdf, 0xa3, ..] => file.matroska(),
        [b'c', b'a', b'f', b'f', ..] => file.core_audio(),
        start if start.starts_with(&ASF_HEADER) => file.asf(),
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => file.iso_media(),
        _ => Ok(Lack::Nothing),
    }
}

/// Whether the size is a placeholder of nearly 2 or 4 GiB. Writers leave it when they cannot return to the
/// header, for example in a pipe.
fn is_placeholder(size: u32) -> bool {
    const NEAR: u32 = 64 * 1024;
    size == 0 || size >= u32::MAX - NEAR || size.abs_diff(1 << 31) <= NEAR
}

/// Pieces after this many are ignored.
const MAX_PIECES: usize = 1_000_000;

/// A file and its length.
struct Reader {
    file: File,
    length: u64,
}

impl Reader {
    fn up_to(&self, end: u64) -> Lack {
        if end > self.length { Lack::Bytes(end - self.length) } else { Lack::Nothing }
    }

    /// AVI and WAV. An AVI above 1 GiB has several `RIFF` chunks (`OpenDML` 1.02, section 3.0).
    fn riff(&self) -> io::Result<Lack> {
        let mut at = 0;
        let mut lack = Lack::Nothing;
        while lack == Lack::Nothing
            && let Some([b'R', b'I', b'F', b'F', a, b, c, d]) = array_at(&self.file, at)?
        {
            let size = u32::from_le_bytes([a, b, c, d]);
            if is_placeholder(size) {
                break;
            }
            lack = self.chunks(at + 12, &[b"movi", b"data"], u32::from_le_bytes)?;
            at += 8 + u64::from(size) + u64::from(size % 2);
        }
        Ok(lack)
    }

    /// Finds a chunk of media, by its name or by its list's name.
    fn chunks(&self, mut at: u64, media: &[&[u8; 4]], number: impl Fn([u8; 4]) -> u32) -> io::Result<Lack> {
        for _ in 0..MAX_PIECES {
            let Some([a, b, c, d, s0, s1, s2, s3]) = array_at(&self.file, at)? else { break };
            let (name, size) = ([a, b, c, d], number([s0, s1, s2, s3]));
            let list = if &name == b"LIST" { array_at(&self.file, at + 8)? } else { None };
            let end = at + 8 + u64::from(size) + u64::from(size % 2);
            if media.contains(&&list.unwrap_or(name)) {
                return Ok(if is_placeholder(size) { Lack::Nothing } else { self.up_to(end) });
            }
            if &name == b"RIFF" {
                break;
            }
            if end > self.length {
                return Ok(if is_placeholder(size) { Lack::Nothing } else { self.up_to(end) });
            }
            at = end;
        }
        Ok(Lack::Nothing)
    }

    /// WMV and WMA: the header object, then the data object (ASF specification 1.20, sections 3 and 5).
    fn asf(&self) -> io::Result<Lack> {
        let mut header = vec![0; 64 * 1024];
        let read = read_at(&self.file, 0, &mut header)?;
        let header = &header[..read];
        let number = |at: usize| -> Option<u64> {
            header.get(at..at + 8)?.first_chunk().copied().map(u64::from_le_bytes)
        };
        let properties = header.windows(16).position(|window| window == ASF_FILE_PROPERTIES);
        // After the object's id: its size, the file's id and size, more fields, then flags.
        let flags = properties.and_then(|at| header.get(at + 88));
        let is_broadcast = flags.is_none_or(|flags| flags & 1 == 1);
        let Some(data) = number(16).filter(|_| !is_broadcast) else { return Ok(Lack::Nothing) };
        let Some(object) = array_at::<24>(&self.file, data)? else {
            return Ok(properties
                .and_then(|at| number(at + 40))
                .map_or(Lack::Nothing, |end| self.up_to(end)));
        };
        let size = object.last_chunk().copied().map_or(0, u64::from_le_bytes);
        Ok(self.up_to(data.saturating_add(size)))
    }

    /// Ogg: where the last page ends (RFC 3533, section 6).
    fn ogg(&self) -> io::Result<Lack> {
        // The longest page has 27 + 255 + 255 * 255 bytes.
        let from = self.length.saturating_sub(66 * 1024);
        let mut end = vec![0; 66 * 1024];
        let read = read_at(&self.file, from, &mut end)?;
        end.truncate(read);
        let is_page = |at: &usize| end[*at..].starts_with(b"OggS\0");
        let Some(page) = (0..end.len()).rev().find(is_page) else { return Ok(Lack::Nothing) };
        let is_whole = page_lengths(&end[page..]).is_some();
        Ok(if is_whole { Lack::Nothing } else { Lack::Rest })
    }

    /// FLV: each tag is followed by its size (Video File Format Specification 10.1, annex E.3).
    fn flv(&self) -> io::Result<Lack> {
        let Some(from) = self.length.checked_sub(4) else { return Ok(Lack::Tail) };
        let size = array_at(&self.file, from)?.map_or(0, u32::from_be_bytes);
        let tag = from.checked_sub(u64::from(size));
        let Some(tag) = tag else { return Ok(Lack::Tail) };
        let head = array_at::<4>(&self.file, tag)?.unwrap_or_default();
        let content = u32::from_be_bytes([0, head[1], head[2], head[3]]);
        let is_whole = matches!(head[0] & 0x1f, 8 | 9 | 18) && content + 11 == size;
        Ok(if is_whole { Lack::Nothing } else { Lack::Tail })
    }

    /// Matroska: the segment's length (RFC 9559, section 5.1), unless it was written live.
    fn matroska(&self) -> io::Result<Lack> {
        let mut start = [0; 4096];
        let read = read_at(&self.file, 0, &mut start)?;
        let start = &start[..read];
        let Some((content, size)) = start.get(4..).and_then(vint) else { return Ok(Lack::Nothing) };
        let segment = 4 + content + usize::try_from(size).unwrap_or(usize::MAX).min(4096);
        if !start.get(segment..).is_some_and(|segment| segment.starts_with(&[0x18, 0x53, 0x80, 0x67])) {
            return Ok(Lack::Nothing);
        }
        let Some((length, size)) = start.get(segment + 4..).and_then(vint) else { return Ok(Lack::Nothing) };
        let is_unknown = size == (1 << (7 * length)) - 1;
        let end = (segment as u64 + 4 + length as u64).saturating_add(size);
        Ok(if is_unknown { Lack::Nothing } else { self.up_to(end) })
    }

    /// CAF: the end of the data, if known (Core Audio Format specification, "Audio Data Chunk").
    fn core_audio(&self) -> io::Result<Lack> {
        let mut at = 8;
        for _ in 0..MAX_PIECES {
            let Some(head) = array_at::<12>(&self.file, at)? else { break };
            let size = head.last_chunk().copied().map_or(-1, i64::from_be_bytes);
            let Ok(size) = u64::try_from(size) else { break };
            let end = at.saturating_add(12).saturating_add(size);
            if head.starts_with(b"data") {
                return Ok(self.up_to(end));
            }
            at = end;
        }
        Ok(Lack::Nothing)
    }
}

const ASF_HEADER: [u8; 16] =
    [0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, 0xa6, 0xd9, 0x00, 0xaa, 0x00, 0x62, 0xce, 0x6c];
const ASF_FILE_PROPERTIES: [u8; 16] =
    [0xa1, 0xdc, 0xab, 0x8c, 0x47, 0xa9, 0xcf, 0x11, 0x8e, 0xe4, 0x00, 0xc0, 0x0c, 0x20, 0x53, 0x65];

/// An EBML number: its length in bytes, and its value (RFC 8794, section 4).
fn vint(bytes: &[u8]) -> Option<(usize, u64)> {
    let length = bytes.first()?.leading_zeros() as usize + 1;
    let number = bytes.get(..length).filter(|_| length <= 8)?;
    let number = number.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Some((length, number & ((1 << (7 * length)) - 1)))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    pub(super) fn lack_of(bytes: &[u8]) -> Lack {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        lack(file.path()).unwrap()
    }

    fn chunk(name: [u8; 4], declared: u32, content: &[u8]) -> Vec<u8> {
        [&name[..], &declared.to_le_bytes(), content].concat()
    }

    fn riff(declared: u32, content: usize) -> Vec<u8> {
        let junk = chunk(*b"JUNK", 8, &[0; 8]);
        let movi = chunk(*b"LIST", declared + 4, &[b"movi".as_slice(), &vec![0; content]].concat());
        let index = chunk(*b"idx1", 100, &[]);
        let size = 4 + 16 + 12 + declared + 108;
        chunk(*b"RIFF", size, &[b"AVI ".to_vec(), junk, movi, index].concat())
    }

    #[test]
    fn a_riff_file_lacks_what_its_media_chunk_lacks() {
        assert_eq!(lack_of(&riff(1000, 1000)), Lack::Nothing, "the index alone is cut off");
        assert_eq!(lack_of(&riff(1000, 900)[..940]), Lack::Bytes(100));
        assert_eq!(lack_of(&riff(1000, 900)[..25]), Lack::Bytes(3), "not even its head is there");
        let mut large = riff(1000, 1000);
        large.extend([0; 100]);
        large.extend(&riff(1000, 500)[..540]);
        assert_eq!(lack_of(&large), Lack::Bytes(500), "the second chunk of a large AVI");
        for size in [0, u32::MAX, u32::MAX - 36, 0x7fff_ffff, 0x8000_0024] {
            let wave = chunk(*b"RIFF", size, &[b"WAVE".to_vec(), chunk(*b"data", size, &[1; 500])].concat());
            assert_eq!(lack_of(&wave), Lack::Nothing, "{size}: a recorder's");
        }
        let wave = chunk(*b"RIFF", 1012, &[b"WAVE".to_vec(), chunk(*b"data", 1000, &[1; 500])].concat());
        assert_eq!(lack_of(&wave), Lack::Bytes(500));
    }

    fn asf(data: u64, flags: u8, length: usize) -> Vec<u8> {
        let mut bytes = [&ASF_HEADER[..], &200_u64.to_le_bytes(), &[0; 6]].concat();
        bytes.extend(
            [&ASF_FILE_PROPERTIES[..], &[0; 24], &2000_u64.to_le_bytes(), &[0; 40], &[flags]].concat(),
        );
        bytes.resize(200, 0);
        bytes.extend([&[7; 16][..], &data.to_le_bytes()].concat());
        bytes.resize(length, 0);
        bytes
    }

    #[test]
    fn an_asf_file_says_how_long_its_data_are_unless_it_was_broadcast() {
        assert_eq!(lack_of(&asf(1500, 2, 2000)), Lack::Nothing);
        assert_eq!(lack_of(&asf(1500, 2, 1000)), Lack::Bytes(700));
        assert_eq!(lack_of(&asf(1500, 3, 1000)), Lack::Nothing);
    }

    #[test]
    fn an_ogg_file_ends_with_a_whole_page() {
        let page = [b"OggS\0".as_slice(), &[0; 21], &[2, 255, 45], &[7; 300]].concat();
        assert_eq!(lack_of(&page), Lack::Nothing);
        assert_eq!(lack_of(&[page.clone(), page.clone()].concat()), Lack::Nothing);
        for cut in
            [&page[..page.len() - 1], &[&page[..], &page[..28]].concat(), &[&page[..], &page[..20]].concat()]
        {
            assert_eq!(lack_of(cut), Lack::Rest);
        }
    }

    #[test]
    fn an_flv_file_ends_with_the_size_of_its_last_tag() {
        let tag = [&[8, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0][..], b"abc", &14_u32.to_be_bytes()].concat();
        let whole = [b"FLV\x01\x05\0\0\0\x09\0\0\0\0".as_slice(), &tag, &tag].concat();
        assert_eq!(lack_of(&whole), Lack::Nothing);
        for cut in 1..18 {
            assert_eq!(lack_of(&whole[..whole.len() - cut]), Lack::Tail, "{cut}");
        }
    }

    #[test]
    fn a_matroska_file_says_how_long_it_is_unless_it_was_live() {
        let head = b"\x1a\x45\xdf\xa3\x84\x42\x86\x81\x01\x18\x53\x80\x67";
        let known = [&head[..], b"\x01\0\0\0\0\0\x03\xe8", &[0; 1000]].concat();
        assert_eq!(lack_of(&known), Lack::Nothing);
        assert_eq!(lack_of(&known[..known.len() - 300]), Lack::Bytes(300));
        let live = [&head[..], b"\x01\xff\xff\xff\xff\xff\xff\xff", &[0; 100]].concat();
        assert_eq!(lack_of(&live), Lack::Nothing);
    }

    #[test]
    fn a_caf_file_says_how_long_its_data_are_unless_it_was_recorded_live() {
        let caf = |size: i64| {
            let head = [b"caff\0\x01\0\0desc".as_slice(), &4_i64.to_be_bytes(), &[0; 4], b"data"].concat();
            lack_of(&[&head[..], &size.to_be_bytes(), &[0; 500]].concat())
        };
        assert_eq!((caf(500), caf(800), caf(-1)), (Lack::Nothing, Lack::Bytes(300), Lack::Nothing));
    }

    #[test]
    fn other_files_are_left_to_ffmpeg() {
        for bytes in [&b""[..], b"RIF", &[0; 100]] {
            assert_eq!(lack_of(bytes), Lack::Nothing);
        }
    }
}
