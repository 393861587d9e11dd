//! Whether the index of an MP4 or MOV file is whole. FFmpeg skips the parts that it cannot follow, and shows
//! the tracks that are left. A file that lost its audio in this way is damaged, not silent.

use std::fs::File;
use std::io;
use std::path::Path;

use super::mp4_boxes::head_at;

/// The boxes that contain boxes, down to a track's.
const NESTED: [&[u8; 4]; 2] = [b"moov", b"trak"];

/// More boxes than any file has down to its tracks.
const MAX_BOXES: usize = 100_000;

/// Whether the file has an index whose boxes fill it exactly. Blocks.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn is_whole(path: &Path) -> io::Result<bool> {
    let file = File::open(path)?;
    let (mut at, end) = (0, file.metadata()?.len());
    // The ends of the boxes that are not finished yet.
    let mut open = Vec::new();
    for _ in 0..MAX_BOXES {
        while open.last() == Some(&at) {
            open.pop();
            if open.is_empty() {
                return Ok(true);
            }
        }
        let limit = open.last().copied().unwrap_or(end);
        let Some((name, content, next)) = box_at(&file, at, limit, open.is_empty())? else {
            return Ok(false);
        };
        let is_nested = NESTED.contains(&&name) && (name == *b"moov" || !open.is_empty());
        if is_nested {
            open.push(next);
        }
        at = if is_nested { content } else { next };
    }
    Ok(false)
}

/// A box that ends within a limit: its name, where its content begins, and where the next box begins.
fn box_at(file: &File, at: u64, limit: u64, is_outermost: bool) -> io::Result<Option<([u8; 4], u64, u64)>> {
    let Some(head) = head_at(file, at)? else { return Ok(None) };
    let content = at + head.head_bytes;
    let next = match head.size {
        Some(size) => at.checked_add(size),
        // The box lasts to the end of the file, which a nested box may not.
        None => is_outermost.then_some(limit),
    };
    Ok(next.filter(|next| *next >= content && *next <= limit).map(|next| (head.name, content, next)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(name: &[u8], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).unwrap();
        [&size.to_be_bytes()[..], name, content].concat()
    }

    fn is_whole_file(bytes: &[u8]) -> bool {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        is_whole(file.path()).unwrap()
    }

    #[test]
    fn an_index_is_whole_when_its_boxes_fill_it() {
        let track = boxed(b"trak", &[boxed(b"tkhd", &[0; 80]), boxed(b"mdia", b"not looked into")].concat());
        let index = boxed(b"moov", &[boxed(b"mvhd", &[0; 90]), track.clone(), track].concat());
        let file = [boxed(b"ftyp", b"isom"), index.clone(), b"junk of a camera".to_vec()].concat();
        assert!(is_whole_file(&file));
        let long = [&1_u32.to_be_bytes()[..], b"mdat", &16_u64.to_be_bytes(), &index].concat();
        assert!(is_whole_file(&long));

        let start = boxed(b"ftyp", b"isom").len();
        for (cut, size) in
            [(start, 20_u32), (start, u32::MAX), (start, 4), (start + 8, 97), (start + 106, 87)]
        {
            let mut broken = file.clone();
            broken[cut..cut + 4].copy_from_slice(&size.to_be_bytes());
            assert!(!is_whole_file(&broken), "{cut} {size}");
        }
        assert!(!is_whole_file(&file[..file.len() - 30]));
        assert!(!is_whole_file(&boxed(b"ftyp", b"isom")));
    }
}
