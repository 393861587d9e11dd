//! The end of an MP4 file and related formats.

use std::io;

use super::{Lack, MAX_PIECES, Reader};
use crate::engine::source::bytes_at::read_at;
use crate::engine::source::mp4_boxes::head_at;

impl Reader {
    /// Where the last box ends (ISO/IEC 14496-12, section 4.2).
    pub(super) fn iso_media(&self) -> io::Result<Lack> {
        let (mut at, mut is_fragmented) = (0, false);
        for _ in 0..MAX_PIECES {
            let Some(head) = head_at(&self.file, at)? else { break };
            let is_media = matches!(&head.name, b"mdat" | b"moof");
            is_fragmented |= &head.name == b"moof";
            let size = match head.size {
                // This box lasts up to the end of the file.
                None if &head.name == b"mdat" => return Ok(Lack::Nothing),
                size => size.unwrap_or(0),
            };
            // Garbage after the end is not a box.
            if size < 8 || !head.name.iter().all(u8::is_ascii_graphic) && head.name[0] != 0xa9 {
                let has_more = is_fragmented && self.has_fragment_behind(at)?;
                return Ok(if has_more { Lack::Rest } else { Lack::Nothing });
            }
            let end = at.saturating_add(size);
            if end > self.length {
                return Ok(match (is_media, is_fragmented) {
                    (false, _) => Lack::Nothing,
                    (true, true) => Lack::Rest,
                    (true, false) => Lack::Bytes(end - self.length),
                });
            }
            at = end;
        }
        Ok(Lack::Nothing)
    }

    /// Whether a fragment follows after a position that has no box.
    fn has_fragment_behind(&self, mut at: u64) -> io::Result<bool> {
        const PIECE: usize = 1 << 20;
        let mut piece = vec![0; PIECE];
        loop {
            let read = read_at(&self.file, at, &mut piece)?;
            // A fragment begins with its header box.
            if piece[..read].windows(12).any(|bytes| bytes.starts_with(b"moof") && bytes.ends_with(b"mfhd")) {
                return Ok(true);
            }
            if read < PIECE {
                return Ok(false);
            }
            at += (PIECE - 11) as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::lack_of;
    use super::*;

    fn iso_box(name: [u8; 4], declared: u32, content: usize) -> Vec<u8> {
        [&declared.to_be_bytes()[..], &name, &vec![0; content]].concat()
    }

    #[test]
    fn an_mp4_file_ends_with_a_whole_box() {
        let start = [iso_box(*b"ftyp", 16, 8), iso_box(*b"moov", 100, 92)].concat();
        let with = |more: &[Vec<u8>]| lack_of(&[start.clone(), more.concat()].concat());
        assert_eq!(with(&[iso_box(*b"mdat", 1008, 1000)]), Lack::Nothing);
        assert_eq!(with(&[iso_box(*b"mdat", 1008, 1000), vec![0; 50]]), Lack::Nothing, "garbage behind it");
        assert_eq!(with(&[iso_box(*b"mdat", 1008, 400)]), Lack::Bytes(600));
        assert_eq!(with(&[iso_box(*b"mdat", 0, 400)]), Lack::Nothing, "up to the end");
        assert_eq!(with(&[iso_box(*b"moof", 50, 42), iso_box(*b"mdat", 1008, 400)]), Lack::Rest);
        assert_eq!(with(&[iso_box(*b"mdat", 408, 400), iso_box(*b"udta", 100, 10)]), Lack::Nothing);
        let fragment =
            [iso_box(*b"moof", 24, 0), iso_box(*b"mfhd", 16, 8), iso_box(*b"mdat", 408, 400)].concat();
        let with_a_hole = [fragment.clone(), vec![0; 3 << 20], fragment.clone()];
        assert_eq!(with(&with_a_hole), Lack::Rest);
        assert_eq!(with(&with_a_hole[..2]), Lack::Nothing, "garbage behind it");
    }
}
