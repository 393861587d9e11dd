//! The boxes of MP4 and MOV files (ISO/IEC 14496-12, section 4.2). Each has a size and a name, and may
//! contain others.

use std::fs::File;
use std::io;

use super::bytes_at::array_at;

/// A box's header.
pub(super) struct BoxHead {
    pub(super) name: [u8; 4],
    /// The header's length in bytes.
    pub(super) head_bytes: u64,
    /// The box's declared size, header included. `None`: up to the end of the file.
    pub(super) size: Option<u64>,
}

/// Reads the header of the box at a position. `None`: there is none.
pub(super) fn head_at(file: &File, at: u64) -> io::Result<Option<BoxHead>> {
    let Some([s0, s1, s2, s3, name @ ..]) = array_at::<8>(file, at)? else { return Ok(None) };
    let (head_bytes, size) = match u32::from_be_bytes([s0, s1, s2, s3]) {
        0 => (8, None),
        1 => (16, Some(array_at(file, at + 8)?.map_or(u64::MAX, u64::from_be_bytes))),
        size => (8, Some(size.into())),
    };
    Ok(Some(BoxHead { name, head_bytes, size }))
}
