//! Reads bytes of a file at a position, as far as they exist.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// The kernel refuses offsets whose end is beyond `i64::MAX`. No file system has files of half that size.
const NO_FILE_REACHES: u64 = 1 << 62;

/// Fills as much of a buffer as possible. A position beyond any file's end reads nothing, because broken
/// sizes lead there.
pub(crate) fn read_at(file: &File, mut position: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        if position > NO_FILE_REACHES {
            break;
        }
        match file.read_at(&mut buffer[length..], position)? {
            0 => break,
            read => {
                length += read;
                position += read as u64;
            }
        }
    }
    Ok(length)
}

/// `N` bytes at a position. `None`: the file ends before.
pub(crate) fn array_at<const N: usize>(file: &File, position: u64) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    let read = read_at(file, position, &mut bytes)?;
    Ok((read == N).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_nothing_where_no_file_can_reach() {
        let file = File::open("/proc/self/exe").unwrap();
        for position in [i64::MAX as u64 - 2, i64::MAX as u64, 1 << 63, u64::MAX - 8, u64::MAX] {
            assert_eq!(array_at::<4>(&file, position).unwrap(), None, "{position}");
        }
    }
}
