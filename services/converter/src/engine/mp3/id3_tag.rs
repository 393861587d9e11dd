//! The tag at the beginning of an MP3 (`ID3v2`).

/// A tag that can be overwritten in place.
#[derive(Debug, Default)]
pub(crate) struct Id3Tag(Vec<u8>);

/// The tag's header (ID3v2.4, section 3.1).
const HEADER_BYTES: usize = 10;

impl From<Vec<u8>> for Id3Tag {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Id3Tag {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same tag padded to a length. `None`: the tag is longer.
    pub(crate) fn padded(mut self, length: usize) -> Option<Self> {
        if self.0.is_empty() && length >= HEADER_BYTES {
            self.0 = b"ID3\x04\0\0\0\0\0\0".to_vec();
        }
        let content = u32::try_from(length.checked_sub(HEADER_BYTES)?).ok()?;
        if self.0.len() > length {
            return None;
        }
        self.0.resize(length, 0);
        // Seven bits of the size in each byte.
        for (byte, shift) in self.0.get_mut(6..HEADER_BYTES)?.iter_mut().zip([21, 14, 7, 0]) {
            *byte = u8::try_from(content >> shift & 0x7f).unwrap_or_default();
        }
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_filled_up_to_the_length_of_another() {
        let tag = Id3Tag(b"ID3\x04\0\0\0\0\0\x05hello".to_vec()).padded(10 + 300).unwrap();
        assert_eq!(tag.bytes().len(), 310);
        assert_eq!(tag.bytes()[..16], *b"ID3\x04\0\0\0\0\x02\x2chello\0");
        let empty = Id3Tag::default().padded(20).unwrap();
        assert_eq!(empty.bytes()[..10], *b"ID3\x04\0\0\0\0\0\x0a");
        assert!(Id3Tag(vec![0; 30]).padded(20).is_none());
        assert!(Id3Tag::default().padded(0).is_none());
    }
}
