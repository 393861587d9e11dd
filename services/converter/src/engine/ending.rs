//! Whether a file was cut off, for the containers of which FFmpeg does not tell: it reads what is there and takes
//! the length of that for the length of the recording.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Whether less of the file is there than its container says. Blocks.
pub(crate) fn is_cut_off(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let actual = file.metadata()?.len();
    let mut start = [0; 32];
    let length = read_up_to(&mut file, &mut start)?;
    let declared = match &start[..length] {
        [b'R', b'I', b'F', b'F', ..] => riff_bytes(&mut file, actual)?,
        start if start.starts_with(&ASF_HEADER) => asf_bytes(&mut file)?,
        [b'O', b'g', b'g', b'S', ..] => {
            ogg_bytes(&mut file, actual)?.map(|end| if end > actual { u64::MAX } else { 0 })
        }
        _ => None,
    };
    // The same tolerance as for the length of the sound: some cameras get the size wrong by a little.
    Ok(declared.is_some_and(|declared| actual < declared - declared / 50))
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..])? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

/// AVI and WAV: where the last `RIFF` chunk ends. An AVI above 1 GiB has several (`OpenDML` 1.02, section 3.0).
fn riff_bytes(file: &mut File, actual: u64) -> io::Result<Option<u64>> {
    let mut end = 0;
    loop {
        let mut header = [0; 8];
        file.seek(SeekFrom::Start(end))?;
        if read_up_to(file, &mut header)? < 8 || !header.starts_with(b"RIFF") {
            return Ok(Some(end));
        }
        let size = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        // What a recorder leaves that could not go back to the header, such as one that writes into a pipe.
        if size == 0 || size == u32::MAX {
            return Ok(None);
        }
        end += 8 + u64::from(size) + u64::from(size % 2);
        if end >= actual {
            return Ok(Some(end));
        }
    }
}

const ASF_HEADER: [u8; 16] =
    [0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, 0xa6, 0xd9, 0x00, 0xaa, 0x00, 0x62, 0xce, 0x6c];
const ASF_FILE_PROPERTIES: [u8; 16] =
    [0xa1, 0xdc, 0xab, 0x8c, 0x47, 0xa9, 0xcf, 0x11, 0x8e, 0xe4, 0x00, 0xc0, 0x0c, 0x20, 0x53, 0x65];

/// WMV and WMA: the size in the file properties object (ASF specification 1.20, section 3.2).
fn asf_bytes(file: &mut File) -> io::Result<Option<u64>> {
    let mut header = vec![0; 64 * 1024];
    file.seek(SeekFrom::Start(0))?;
    let length = read_up_to(file, &mut header)?;
    let Some(at) = header[..length].windows(16).position(|window| window == ASF_FILE_PROPERTIES) else {
        return Ok(None);
    };
    // Behind the object's id: its size, the file's id, the file's size.
    let Some(size) = header[..length].get(at + 40..at + 48) else { return Ok(None) };
    let is_broadcast = header.get(at + 88).is_none_or(|flags| flags & 1 == 1);
    let size = size.iter().rev().fold(0, |size, byte| size << 8 | u64::from(*byte));
    Ok(Some(size).filter(|_| !is_broadcast))
}

/// Ogg: where the last page ends (RFC 3533, section 6).
fn ogg_bytes(file: &mut File, actual: u64) -> io::Result<Option<u64>> {
    // The longest page has 27 + 255 + 255 * 255 bytes.
    let from = actual.saturating_sub(66 * 1024);
    file.seek(SeekFrom::Start(from))?;
    let mut end = Vec::new();
    file.take(66 * 1024).read_to_end(&mut end)?;
    let is_page = |at: &usize| end[*at..].starts_with(b"OggS\0");
    let Some(page) = (0..end.len()).rev().find(is_page) else { return Ok(None) };
    let Some(&segments) = end.get(page + 26) else { return Ok(Some(u64::MAX)) };
    let sizes = end.get(page + 27..page + 27 + usize::from(segments));
    let body = sizes.map(|sizes| sizes.iter().map(|size| u64::from(*size)).sum::<u64>());
    Ok(Some(body.map_or(u64::MAX, |body| from + page as u64 + 27 + u64::from(segments) + body)))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn is_cut_off(bytes: &[u8]) -> bool {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        super::is_cut_off(file.path()).unwrap()
    }

    fn riff(size: u32, content: usize) -> Vec<u8> {
        [b"RIFF".as_slice(), &size.to_le_bytes(), &vec![0; content]].concat()
    }

    #[test]
    fn a_riff_file_is_as_long_as_its_chunks() {
        assert!(!is_cut_off(&riff(1000, 1000)));
        assert!(!is_cut_off(&riff(1000, 990)), "within the tolerance");
        assert!(is_cut_off(&riff(1000, 900)));
        assert!(!is_cut_off(&riff(1000, 1200)), "garbage behind it");
        assert!(is_cut_off(&[riff(1000, 1000), riff(1000, 500)].concat()), "the second chunk of a large AVI");
        assert!(!is_cut_off(&riff(0, 500)) && !is_cut_off(&riff(u32::MAX, 500)), "a recorder's");
    }

    fn asf(size: u64, flags: u8, length: usize) -> Vec<u8> {
        let mut bytes = [
            &ASF_HEADER[..],
            &[0; 14],
            &ASF_FILE_PROPERTIES,
            &[0; 24],
            &size.to_le_bytes(),
            &[0; 40],
            &[flags],
        ]
        .concat();
        bytes.resize(length, 0);
        bytes
    }

    #[test]
    fn an_asf_file_says_how_long_it_is_unless_it_was_broadcast() {
        assert!(!is_cut_off(&asf(2000, 2, 2000)));
        assert!(is_cut_off(&asf(2000, 2, 1000)));
        assert!(!is_cut_off(&asf(2000, 3, 1000)));
    }

    #[test]
    fn an_ogg_file_ends_with_a_whole_page() {
        let page = [b"OggS\0".as_slice(), &[0; 21], &[2, 255, 45], &[7; 300]].concat();
        assert!(!is_cut_off(&page));
        assert!(!is_cut_off(&[page.clone(), page.clone()].concat()));
        assert!(is_cut_off(&page[..page.len() - 1]));
        assert!(is_cut_off(&[&page[..], &page[..28]].concat()));
        assert!(is_cut_off(&[&page[..], &page[..20]].concat()));
    }

    #[test]
    fn other_files_are_left_to_ffmpeg() {
        assert!(!is_cut_off(b"") && !is_cut_off(b"RIF") && !is_cut_off(&[0; 100]));
    }
}
