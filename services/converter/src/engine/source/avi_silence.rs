//! The silence in an AVI file. AVI chunks have no times. Where a track is silent, writers put empty chunks,
//! each as long as one block of audio, and only these keep the track in step. FFmpeg skips them.
//!
//! The format is described in Microsoft's "AVI RIFF File Reference", and in `OpenDML` 1.02 for files above 1
//! GiB.

use std::fs::File;
use std::io;
use std::path::Path;

use super::bytes_at::array_at;

/// The silent stretches in a track's audio.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Silence(Vec<Stretch>);

#[derive(Debug, Clone, Copy, PartialEq)]
struct Stretch {
    /// Its position on a clock that counts audio alone, in seconds.
    at: f64,
    /// Total silence up to its end, in seconds.
    seconds_so_far: f64,
}

/// No recording has more, and they take little memory.
const MAX_STRETCHES: usize = 100_000;

impl Silence {
    /// Reads the silence from the chunks of a track. Blocks.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn of_avi(path: &Path, track: u32) -> io::Result<Self> {
        let file = File::open(path)?;
        let mut silence = Self::default();
        let (mut tracks, mut header, mut block) = (0, None, None);
        let (mut sound_blocks, mut is_silent) = (0_u32, false);
        let mut at = 0;
        while let Some([a, b, c, d, s0, s1, s2, s3]) = array_at(&file, at)? {
            let (name, size) = ([a, b, c, d], u32::from_le_bytes([s0, s1, s2, s3]));
            let content = at + 8;
            at = content + u64::from(size) + u64::from(size % 2);
            match &name {
                // Their content is chunks, after four letters.
                b"RIFF" | b"LIST" => at = content + 4,
                b"strh" => {
                    header = if tracks == track { array_at(&file, content)? } else { None };
                    tracks += 1;
                }
                b"strf" => {
                    let format = array_at(&file, content)?;
                    block =
                        block.or(header.zip(format).and_then(|(header, format)| Block::of(&header, &format)));
                }
                [tens, ones, b'w', b'b'] if is_number(*tens, *ones, track) => {
                    let Some(block) = &block else { break };
                    let blocks = size.div_ceil(block.bytes);
                    if blocks == 0 {
                        silence.add(block.seconds * f64::from(sound_blocks), block.seconds, is_silent);
                    }
                    is_silent = blocks == 0;
                    sound_blocks = sound_blocks.saturating_add(blocks);
                }
                name if !name.iter().all(|letter| (b' '..=b'~').contains(letter)) => break,
                _ => {}
            }
        }
        Ok(silence)
    }

    /// Whether there is no silence.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Seconds of silence before a time on the clock of audio alone.
    pub(crate) fn seconds_before(&self, time: f64) -> f64 {
        // A block begins where its silence ends, but times are rounded.
        const HALF_A_MILLISECOND: f64 = 0.0005;
        let passed = self.0.partition_point(|stretch| stretch.at <= time + HALF_A_MILLISECOND);
        passed.checked_sub(1).map_or(0.0, |last| self.0[last].seconds_so_far)
    }

    fn add(&mut self, at: f64, seconds: f64, goes_on: bool) {
        let seconds_so_far = self.0.last().map_or(0.0, |last| last.seconds_so_far) + seconds;
        if let Some(last) = self.0.last_mut().filter(|_| goes_on) {
            last.seconds_so_far = seconds_so_far;
        } else if self.0.len() < MAX_STRETCHES {
            self.0.push(Stretch { at, seconds_so_far });
        }
    }
}

/// The length of an empty chunk.
struct Block {
    bytes: u32,
    seconds: f64,
}

impl Block {
    /// From a track's header and format. `None`: its length is counted in samples, not in blocks.
    fn of(header: &[u8; 48], format: &[u8; 14]) -> Option<Self> {
        let number = |at: usize| header[at..].first_chunk().copied().map_or(0, u32::from_le_bytes);
        let (scale, rate, sample_bytes) = (number(20), number(24), number(44));
        let bytes = u32::from(u16::from_le_bytes([format[12], format[13]]));
        let is_sound = header.starts_with(b"auds");
        (is_sound && sample_bytes == 0 && bytes > 0 && rate > 0 && scale > 0)
            .then(|| Self { bytes, seconds: f64::from(scale) / f64::from(rate) })
    }
}

fn is_number(tens: u8, ones: u8, track: u32) -> bool {
    let digit = |letter: u8| char::from(letter).to_digit(10);
    digit(tens).zip(digit(ones)).is_some_and(|(tens, ones)| tens * 10 + ones == track)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn chunk(name: [u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len()).unwrap();
        let padding = vec![0; content.len() % 2];
        [&name[..], &size.to_le_bytes(), content, &padding].concat()
    }

    fn list(name: [u8; 4], kind: [u8; 4], chunks: &[Vec<u8>]) -> Vec<u8> {
        chunk(name, &[&kind[..], &chunks.concat()].concat())
    }

    fn track(kind: [u8; 4], sample_bytes: u32) -> Vec<u8> {
        let mut header = vec![0; 56];
        header[..4].copy_from_slice(&kind);
        header[20..24].copy_from_slice(&1_u32.to_le_bytes());
        header[24..28].copy_from_slice(&10_u32.to_le_bytes());
        header[44..48].copy_from_slice(&sample_bytes.to_le_bytes());
        let mut format = vec![0; 16];
        format[12..14].copy_from_slice(&100_u16.to_le_bytes());
        list(*b"LIST", *b"strl", &[chunk(*b"strh", &header), chunk(*b"strf", &format)])
    }

    fn silence(sample_bytes: u32, movies: &[&[&str]]) -> Silence {
        let movies = movies.iter().map(|chunks| {
            let chunks = chunks.iter().map(|chunk_of| {
                let (name, length) = chunk_of.split_once(' ').unwrap();
                chunk(*name.as_bytes().first_chunk().unwrap(), &vec![0; length.parse().unwrap()])
            });
            list(*b"LIST", *b"movi", &chunks.collect::<Vec<_>>())
        });
        let header = list(*b"LIST", *b"hdrl", &[track(*b"vids", 0), track(*b"auds", sample_bytes)]);
        let mut riffs = vec![header];
        riffs.extend(movies);
        let first = list(*b"RIFF", *b"AVI ", &riffs[..2]);
        let further = riffs[2..].iter().map(|movie| list(*b"RIFF", *b"AVIX", std::slice::from_ref(movie)));
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&[first, further.collect::<Vec<_>>().concat()].concat()).unwrap();
        Silence::of_avi(file.path(), 1).unwrap()
    }

    #[test]
    fn empty_chunks_are_blocks_of_silence() {
        let late = &["01wb 0", "00dc 7", "01wb 0", "01wb 99", "01wb 101", "00dc 0"][..];
        let found = silence(0, &[late, &["01wb 0", "01wb 50"]]);
        assert_eq!(found.0.len(), 2);
        let before = [-1.0, 0.0, 0.1, 0.299_99, 0.3, 9.0].map(|time| found.seconds_before(time));
        assert_eq!(
            before.map(|seconds| (seconds * 10.0).round().to_string()),
            ["0", "2", "2", "3", "3", "3"]
        );
    }

    #[test]
    fn only_tracks_that_are_counted_in_blocks_have_silence() {
        assert!(silence(4, &[&["01wb 0", "01wb 100"]]).is_empty());
        assert!(silence(0, &[&["01wb 80", "01wb 100", "02wb 0"]]).is_empty());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&[0xff; 100]).unwrap();
        assert!(Silence::of_avi(file.path(), 1).unwrap().is_empty());
    }
}
