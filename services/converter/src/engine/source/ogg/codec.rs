//! The codecs of Ogg streams that can be joined: Opus (RFC 7845), FLAC (RFC 9639, section 10.1), Speex and
//! Vorbis (Vorbis I, section 4.2).

/// The kinds of streams that FFmpeg can decode after they are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Opus,
    Flac,
    Speex,
    Vorbis,
}

impl Codec {
    /// Detects the codec from a stream's first packet.
    pub(super) fn of(header: &[u8]) -> Option<Self> {
        let magics: [(&[u8], Self); 4] = [
            (b"OpusHead", Self::Opus),
            (b"\x7fFLAC", Self::Flac),
            (b"Speex   ", Self::Speex),
            (b"\x01vorbis", Self::Vorbis),
        ];
        magics.into_iter().find_map(|(magic, codec)| header.starts_with(magic).then_some(codec))
    }

    /// Whether a packet after the first page is a header, too.
    pub(super) fn is_header(self, place: u32, packet: &[u8]) -> bool {
        match self {
            // One packet of tags, then audio.
            Self::Opus | Self::Speex => place == 1,
            // Metadata blocks, until a frame begins.
            Self::Flac => packet.first() != Some(&0xff),
            // The tags and the decoder's setup. Header packets have odd types.
            Self::Vorbis => packet.first().is_some_and(|kind| kind % 2 == 1),
        }
    }

    /// Granules per second, from the first packet.
    pub(super) fn rate_hz(self, header: &[u8]) -> Option<u64> {
        let bytes = |at: usize| header.get(at..at + 4)?.first_chunk().copied();
        let rate = match self {
            Self::Opus => Some(48_000),
            // 20 bits of STREAMINFO.
            Self::Flac => bytes(27).map(|bytes| u32::from_be_bytes(bytes) >> 12),
            Self::Speex => bytes(36).map(u32::from_le_bytes),
            Self::Vorbis => bytes(12).map(u32::from_le_bytes),
        };
        rate.filter(|rate| *rate > 0).map(u64::from)
    }

    /// Whether decoders need each link's headers.
    pub(super) fn keeps_headers(self) -> bool {
        self == Self::Vorbis
    }
}
