//! A second parser of MPEG audio frames, independent of the converter's own.

const MPEG1: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const MPEG2: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

/// The frames of an MP3, without the tag at its beginning.
pub(crate) fn frames_of(mp3: &[u8]) -> Vec<&[u8]> {
    let mut rest = mp3;
    if mp3.starts_with(b"ID3") {
        let length = mp3[6..10].iter().fold(0, |length, byte| length << 7 | usize::from(*byte));
        rest = &mp3[10 + length..];
    }
    let mut frames = Vec::new();
    while !rest.is_empty() {
        assert!(rest[0] == 0xff && rest[1] & 0xe6 == 0xe2, "no frame behind {} of them", frames.len());
        let (rates, divisor, per_kilobit) = match rest[1] >> 3 & 3 {
            3 => (MPEG1, 1, 144_000),
            2 => (MPEG2, 2, 72_000),
            _ => (MPEG2, 4, 72_000),
        };
        let sample_rate = [44_100, 48_000, 32_000][usize::from(rest[2] >> 2 & 3)] / divisor;
        let length = per_kilobit * rates[usize::from(rest[2] >> 4)] / sample_rate;
        let (frame, behind) = rest.split_at(length + usize::from(rest[2] >> 1 & 1));
        frames.push(frame);
        rest = behind;
    }
    frames
}

/// The content of an info frame.
pub(crate) struct Info {
    pub(crate) name: String,
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
    pub(crate) seek_table: Vec<u8>,
    pub(crate) music_bytes: usize,
}

/// Reads the info frame of an MPEG-1 file in stereo, and checks its checksums.
pub(crate) fn info_of(mp3: &[u8]) -> Info {
    let frames = frames_of(mp3);
    let info = &frames[0][4 + 32..];
    let number = |at: usize| u32::from_be_bytes(info[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!(info[4..8], [0, 0, 0, 15]);
    let short = |at: usize| u16::from_be_bytes(info[at..at + 2].try_into().unwrap());
    assert_eq!(short(152), checksum(&frames[1..].concat()), "the sound's checksum");
    assert_eq!(short(154), checksum(&frames[0][..4 + 32 + 154]), "the frame's checksum");
    Info {
        name: String::from_utf8(info[..4].to_vec()).unwrap(),
        frames: number(8),
        bytes: number(12),
        seek_table: info[16..116].to_vec(),
        music_bytes: number(148),
    }
}

/// CRC-16/ARC, bit by bit.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xa001 } else { sum >> 1 })
    })
}
