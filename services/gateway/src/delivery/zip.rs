//! Writes a ZIP archive while it is sent. Files are stored uncompressed, since audio does not get smaller.
//!
//! The format is PKWARE's APPNOTE.TXT 6.3.10. A file's checksum is known only after the file was sent, so it
//! follows in a data descriptor.

use std::collections::HashSet;

use contracts::file_name_of;
use time::OffsetDateTime;

/// A file to be added, of a known length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) modified_at: OffsetDateTime,
}

/// Bit 3: the checksum and the lengths come after the file. Bit 11: names are UTF-8.
const FLAGS: u16 = 1 << 3 | 1 << 11;
const VERSION: u16 = 20;
const VERSION_64: u16 = 45;
/// Made on Unix, so that the attributes below count: a regular file that every user can read.
const MADE_BY: u16 = 3 << 8 | VERSION_64;
const ATTRIBUTES: u32 = 0o100_644 << 16;

/// The value of a field whose real value is in the ZIP64 extra field.
const ELSEWHERE: u32 = u32::MAX;
const ZIP64: u16 = 1;

/// Writes the headers of an archive, in the order in which they are sent.
#[derive(Debug)]
pub(crate) struct ZipWriter {
    /// Numbers from this value on need 64 bits.
    large_from: u64,
    offset: u64,
    current: Option<(Entry, crc32fast::Hasher)>,
    directory: Vec<u8>,
    entries: u64,
}

impl ZipWriter {
    pub(crate) fn new() -> Self {
        Self::with_large_from(ELSEWHERE.into())
    }

    fn with_large_from(large_from: u64) -> Self {
        Self { large_from, offset: 0, current: None, directory: Vec::new(), entries: 0 }
    }

    /// The header before a file's bytes.
    pub(crate) fn begin(&mut self, entry: Entry) -> Vec<u8> {
        let is_large = entry.bytes >= self.large_from;
        let mut header = Vec::with_capacity(64);
        put32(&mut header, 0x0403_4b50);
        put16(&mut header, if is_large { VERSION_64 } else { VERSION });
        put16(&mut header, FLAGS);
        put16(&mut header, 0);
        put32(&mut header, dos_time(entry.modified_at));
        put32(&mut header, 0);
        let length = if is_large { ELSEWHERE } else { 0 };
        put32(&mut header, length);
        put32(&mut header, length);
        put16(&mut header, length_of(&entry.name));
        put16(&mut header, if is_large { 20 } else { 0 });
        header.extend_from_slice(entry.name.as_bytes());
        if is_large {
            // Tells the reader that the descriptor has 64 bits for each length.
            put16(&mut header, ZIP64);
            put16(&mut header, 16);
            put64(&mut header, 0);
            put64(&mut header, 0);
        }
        self.current = Some((entry, crc32fast::Hasher::new()));
        header
    }

    /// Adds a piece of the file to its checksum.
    pub(crate) fn pass(&mut self, piece: &[u8]) {
        if let Some((_, checksum)) = &mut self.current {
            checksum.update(piece);
        }
    }

    /// The data descriptor after a file's bytes.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        let Some((entry, checksum)) = self.current.take() else { return Vec::new() };
        let checksum = checksum.finalize();
        let is_large = entry.bytes >= self.large_from;
        let mut descriptor = Vec::with_capacity(24);
        put32(&mut descriptor, 0x0807_4b50);
        put32(&mut descriptor, checksum);
        for _ in 0..2 {
            if is_large {
                put64(&mut descriptor, entry.bytes);
            } else {
                put32(&mut descriptor, narrow(entry.bytes));
            }
        }
        self.list(&entry, checksum);
        self.offset += sizes_around(&entry, is_large) + entry.bytes;
        descriptor
    }

    fn list(&mut self, entry: &Entry, checksum: u32) {
        let mut extra = Vec::new();
        let large_from = self.large_from;
        let mut short_form = |value: u64, times: usize| {
            if value < large_from {
                return narrow(value);
            }
            (0..times).for_each(|_| put64(&mut extra, value));
            ELSEWHERE
        };
        // Both lengths are the same. The extra field has the lengths first, then the offset.
        let length = short_form(entry.bytes, 2);
        let offset = short_form(self.offset, 1);
        let directory = &mut self.directory;
        put32(directory, 0x0201_4b50);
        put16(directory, MADE_BY);
        put16(directory, if extra.is_empty() { VERSION } else { VERSION_64 });
        put16(directory, FLAGS);
        put16(directory, 0);
        put32(directory, dos_time(entry.modified_at));
        put32(directory, checksum);
        put32(directory, length);
        put32(directory, length);
        put16(directory, length_of(&entry.name));
        let extra_bytes = u16::try_from(extra.len()).unwrap_or(u16::MAX);
        put16(directory, if extra.is_empty() { 0 } else { extra_bytes + 4 });
        // No comment, the first disk, no internal attributes.
        put16(directory, 0);
        put16(directory, 0);
        put16(directory, 0);
        put32(directory, ATTRIBUTES);
        put32(directory, offset);
        directory.extend_from_slice(entry.name.as_bytes());
        if !extra.is_empty() {
            put16(directory, ZIP64);
            put16(directory, extra_bytes);
            directory.extend_from_slice(&extra);
        }
        self.entries += 1;
    }

    /// The central directory and the records at the end, after the last file.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let bytes = self.directory.len() as u64;
        let is_large = self.offset >= self.large_from || bytes >= self.large_from;
        let mut end = std::mem::take(&mut self.directory);
        if is_large {
            put32(&mut end, 0x0606_4b50);
            put64(&mut end, 44);
            put16(&mut end, MADE_BY);
            put16(&mut end, VERSION_64);
            put32(&mut end, 0);
            put32(&mut end, 0);
            put64(&mut end, self.entries);
            put64(&mut end, self.entries);
            put64(&mut end, bytes);
            put64(&mut end, self.offset);
            // The locator: where that record is.
            put32(&mut end, 0x0706_4b50);
            put32(&mut end, 0);
            put64(&mut end, self.offset + bytes);
            put32(&mut end, 1);
        }
        put32(&mut end, 0x0605_4b50);
        put16(&mut end, 0);
        put16(&mut end, 0);
        // No archive of ours has 65535 files.
        let entries = u16::try_from(self.entries).unwrap_or(u16::MAX);
        put16(&mut end, entries);
        put16(&mut end, entries);
        put32(&mut end, if is_large { ELSEWHERE } else { narrow(bytes) });
        put32(&mut end, if is_large { ELSEWHERE } else { narrow(self.offset) });
        put16(&mut end, 0);
        end
    }
}

/// The length of the archive of these files.
pub(crate) fn archive_bytes(entries: &[Entry]) -> u64 {
    let mut writer = ZipWriter::new();
    for entry in entries {
        writer.begin(entry.clone());
        writer.end();
    }
    writer.offset + writer.finish().len() as u64
}

/// The bytes of a file's header and descriptor.
fn sizes_around(entry: &Entry, is_large: bool) -> u64 {
    let (header, descriptor) = if is_large { (30 + 20, 24) } else { (30, 16) };
    header + u64::from(length_of(&entry.name)) + descriptor
}

/// Names that differ on every file system, in the order of the files: `talk.mp3`, `talk (2).mp3`.
pub(crate) fn distinct_names(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut taken = HashSet::new();
    let distinct = |name: String| {
        let name = name.replace(['/', '\\', ':'], "_");
        let (stem, ending) = name.rsplit_once('.').unwrap_or((&name, ""));
        let dot = if ending.is_empty() { "" } else { "." };
        let mut candidate = name.clone();
        let mut number = 1;
        while !taken.insert(candidate.to_lowercase()) {
            number += 1;
            candidate = file_name_of(stem, &format!(" ({number}){dot}{ending}"));
        }
        candidate
    };
    names.into_iter().map(distinct).collect()
}

/// MS-DOS's date and time, in steps of two seconds, from 1980 on.
fn dos_time(moment: OffsetDateTime) -> u32 {
    let Ok(years) = u32::try_from(moment.year() - 1980) else { return 1 << 21 | 1 << 16 };
    let date = years.min(127) << 9 | u32::from(u8::from(moment.month())) << 5 | u32::from(moment.day());
    let time =
        u32::from(moment.hour()) << 11 | u32::from(moment.minute()) << 5 | u32::from(moment.second() / 2);
    date << 16 | time
}

fn length_of(name: &str) -> u16 {
    u16::try_from(name.len()).unwrap_or(u16::MAX)
}

/// For values that the caller has compared with the limit.
fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(ELSEWHERE)
}

fn put16(bytes: &mut Vec<u8>, value: u16) {
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn put32(bytes: &mut Vec<u8>, value: u32) {
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn put64(bytes: &mut Vec<u8>, value: u64) {
    bytes.extend_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use time::macros::datetime;

    use super::*;

    fn entry(name: &str, bytes: usize) -> Entry {
        Entry { name: name.to_owned(), bytes: bytes as u64, modified_at: datetime!(2026-11-21 14:30:59 UTC) }
    }

    fn archive(mut writer: ZipWriter, files: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, content) in files {
            bytes.extend(writer.begin(entry(name, content.len())));
            for piece in content.chunks(1000) {
                writer.pass(piece);
                bytes.extend_from_slice(piece);
            }
            bytes.extend(writer.end());
        }
        assert_eq!(bytes.len() as u64, writer.offset);
        bytes.extend(writer.finish());
        bytes
    }

    /// What Python's `zipfile` finds in an archive: each name, its date, its length and the sum of its bytes.
    fn read_by_python(archive: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zip");
        std::fs::write(&path, archive).unwrap();
        let program = "import sys, zipfile\n\
            with zipfile.ZipFile(sys.argv[1]) as archive:\n\
            \x20   assert archive.testzip() is None\n\
            \x20   for file in archive.infolist():\n\
            \x20       print(file.filename, *file.date_time, file.file_size, sum(archive.read(file)))\n";
        let read = Command::new("python3").arg("-c").arg(program).arg(&path).output().unwrap();
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        String::from_utf8(read.stdout).unwrap()
    }

    #[test]
    fn other_programs_read_the_archive_in_the_short_and_in_the_long_form() {
        let files = [("Übung.mp3", vec![1; 2500]), ("empty.mp3", Vec::new()), ("b.wav", vec![255; 10])];
        let expected = "Übung.mp3 2026 11 21 14 30 58 2500 2500\nempty.mp3 2026 11 21 14 30 58 0 0\n\
                        b.wav 2026 11 21 14 30 58 10 2550\n";
        let short = archive(ZipWriter::new(), &files);
        let entries: Vec<Entry> = files.iter().map(|(name, content)| entry(name, content.len())).collect();
        assert_eq!(archive_bytes(&entries), short.len() as u64);
        assert_eq!(read_by_python(&short), expected);
        // First as if the first file and all offsets after it were beyond four gibibytes, then as if
        // everything were.
        for large_from in [2000, 0] {
            assert_eq!(read_by_python(&archive(ZipWriter::with_large_from(large_from), &files)), expected);
        }
        assert_eq!(read_by_python(&archive(ZipWriter::new(), &[])), "");
    }

    #[test]
    fn the_length_of_an_archive_over_four_gibibytes_counts_the_longer_headers() {
        let large = Entry { bytes: u64::from(ELSEWHERE), ..entry("a", 0) };
        let around = (50 + 1 + 24) + (46 + 1 + 20) + (30 + 1 + 16) + (46 + 1 + 12) + 56 + 20 + 22;
        assert_eq!(archive_bytes(&[large.clone(), entry("b", 5)]), large.bytes + 5 + around);
    }

    #[test]
    fn names_are_told_apart_and_stay_in_the_folder() {
        let names = ["talk.mp3", "Talk.mp3", "talk.mp3", "talk (2).mp3", "../etc\\x", "README", "readme"];
        let expected = [
            "talk.mp3",
            "Talk (2).mp3",
            "talk (3).mp3",
            "talk (2) (2).mp3",
            ".._etc_x",
            "README",
            "readme (2)",
        ];
        assert_eq!(distinct_names(names.map(str::to_owned)), expected);
        let long = distinct_names([(); 2].map(|()| format!("{}.mp3", "é".repeat(125))));
        assert_eq!((long[0].len(), long[1].len()), (254, 254), "{long:?}");
        assert!(long[1].ends_with("é (2).mp3"), "{long:?}");
    }
}
