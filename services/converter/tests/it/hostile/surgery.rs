//! Builds and edits media files byte by byte.

use test_kit::seeded::Random;

/// The file with some flipped bits.
pub(crate) fn flipped(bytes: &[u8], seed: u64, bits: usize) -> Vec<u8> {
    let (mut random, mut bytes) = (Random(seed), bytes.to_vec());
    for _ in 0..bits {
        let at = random.below(bytes.len());
        bytes[at] ^= 1 << random.below(8);
    }
    bytes
}

/// The header fields of a WAV file.
#[derive(Clone, Copy)]
pub(crate) struct Wave {
    pub(crate) channels: u16,
    pub(crate) rate: u32,
    pub(crate) bits: u16,
    pub(crate) declared_bytes: u32,
}

impl Wave {
    /// A correct header for a tenth of a second at CD rate.
    pub(crate) const HONEST: Self = Self { channels: 2, rate: 44_100, bits: 16, declared_bytes: 17_640 };

    pub(crate) fn with(self, sound: &[u8]) -> Vec<u8> {
        let align = self.channels.wrapping_mul(self.bits / 8);
        let length = self.declared_bytes.saturating_add(36);
        [
            b"RIFF".as_slice(),
            &length.to_le_bytes(),
            b"WAVEfmt ",
            &16_u32.to_le_bytes(),
            &1_u16.to_le_bytes(),
            &self.channels.to_le_bytes(),
            &self.rate.to_le_bytes(),
            &self.rate.wrapping_mul(align.into()).to_le_bytes(),
            &align.to_le_bytes(),
            &self.bits.to_le_bytes(),
            b"data",
            &self.declared_bytes.to_le_bytes(),
            sound,
        ]
        .concat()
    }
}

/// A box of MP4.
pub(crate) fn mp4_box(name: &[u8], content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len() + 8).unwrap();
    [&length.to_be_bytes()[..], name, content].concat()
}

/// The range of the content of the first box with this name.
pub(crate) fn content_of(bytes: &[u8], name: &[u8]) -> std::ops::Range<usize> {
    let at = bytes.windows(4).position(|window| window == name).unwrap();
    let length = u32::from_be_bytes(bytes[at - 4..at].try_into().unwrap());
    at + 4..at - 4 + usize::try_from(length).unwrap()
}

/// The file with other bytes in a box, at an offset in its content.
pub(crate) fn patched(bytes: &[u8], name: &[u8], offset: usize, patch: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = content_of(&bytes, name).start + offset;
    bytes[at..at + patch.len()].copy_from_slice(patch);
    bytes
}

/// A file of one track whose index places each chunk `by` bytes further on.
pub(crate) fn moved_chunks(bytes: &[u8], by: i32) -> Vec<u8> {
    let table = content_of(bytes, b"stco").start + 8;
    let count = u32::from_be_bytes(*bytes[table - 4..].first_chunk().unwrap());
    (0..count as usize).fold(bytes.to_vec(), |mut moved, chunk| {
        let entry = moved[table + 4 * chunk..].first_chunk_mut().unwrap();
        *entry = u32::from_be_bytes(*entry).wrapping_add_signed(by).to_be_bytes();
        moved
    })
}

/// The file with a box renamed.
pub(crate) fn renamed(bytes: &[u8], name: &[u8], new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = content_of(&bytes, name).start - 4;
    bytes[at..at + 4].copy_from_slice(new);
    bytes
}

/// The file with another size in a box.
pub(crate) fn resized(bytes: &[u8], name: &[u8], size: u32) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = content_of(&bytes, name).start - 8;
    bytes[at..at + 4].copy_from_slice(&size.to_be_bytes());
    bytes
}

/// A file of one track with a box of its index replaced. `parents` are the boxes around it.
pub(crate) fn with_box(bytes: &[u8], name: &[u8], parents: &[&[u8]], new: &[u8]) -> Vec<u8> {
    with_index(bytes, |index| {
        let old = content_of(index, name);
        let old = old.start - 8..old.end;
        let grown = parents.iter().fold(index.to_vec(), |index, parent| {
            let size = content_of(&index, parent).len() + 8 + new.len() - old.len();
            resized(&index, parent, size.try_into().unwrap())
        });
        [&grown[..old.start], new, &grown[old.end..]].concat()
    })
}

/// The file with a changed index. The index is at the end, so the positions of the audio stay valid.
pub(crate) fn with_index(bytes: &[u8], change: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let moov = content_of(bytes, b"moov");
    let index = mp4_box(b"moov", &change(&bytes[moov.clone()]));
    [&bytes[..moov.start - 4], b"free", &bytes[moov.start..], &index].concat()
}

/// The range of a track in an index, with its header.
pub(crate) fn track_in(index: &[u8]) -> std::ops::Range<usize> {
    let content = content_of(index, b"trak");
    content.start - 8..content.end
}

/// A Matroska element, with its length in eight bytes.
pub(crate) fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
    let length = u64::try_from(content.len()).unwrap() | 1 << 56;
    [id, &length.to_be_bytes(), content].concat()
}

/// A Matroska file with these elements.
pub(crate) fn matroska(elements: &[Vec<u8>]) -> Vec<u8> {
    let head = element(&[0x42, 0x82], b"matroska");
    let segment = element(&[0x18, 0x53, 0x80, 0x67], &elements.concat());
    [element(&[0x1a, 0x45, 0xdf, 0xa3], &head), segment].concat()
}

/// A Matroska track.
pub(crate) fn matroska_track(number: u16, further: &[u8]) -> Vec<u8> {
    let number = number.to_be_bytes();
    let fields = [
        element(&[0xd7], &number),
        element(&[0x73, 0xc5], &number),
        element(&[0x83], &[2]),
        element(&[0x86], b"A_PCM/INT/LIT"),
        further.to_vec(),
    ];
    element(&[0xae], &fields.concat())
}
