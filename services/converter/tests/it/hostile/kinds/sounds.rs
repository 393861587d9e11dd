//! Audio files and AVI files with wrong headers.

use contracts::FailureCode::{Damaged, NotAMediaFile, TooLong, UnsupportedFormat};
use test_kit::seeded::Random;

use super::super::surgery::Wave;
use super::super::{Kind, Outcome};
use super::bytes_of;
use crate::media::Workshop;

pub(crate) fn sounds(workshop: &Workshop) -> Vec<Kind> {
    let flac = bytes_of(workshop.tone("tone.flac", "1", &[]));
    let mp3 = bytes_of(workshop.tone("tone.mp3", "1", &[]));
    let avi = bytes_of(workshop.video("small.avi", "1", &["-c:v", "mpeg4", "-c:a", "pcm_s16le"]));
    let ogg = bytes_of(workshop.tone("tone.ogg", "1", &["-c:a", "libvorbis"]));
    let patch = |bytes: &[u8], at: usize, patch: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[at..at + patch.len()].copy_from_slice(patch);
        bytes
    };
    let at = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).position(|window| window == text).unwrap();
    let strf = at(&avi, b"auds") + 4;
    let mut kinds = waves();
    kinds.extend([
        Kind::new("a FLAC of 2^36 samples", patch(&flac, 22, &[0xff; 4]), Outcome::Converts(1.0)),
        Kind::fails("a FLAC of no sample rate", patch(&flac, 18, &[0, 0, 0]), Damaged),
        Kind::new(
            "an MP3 of 2^32 frames",
            patch(&mp3, at(&mp3, b"Info") + 8, &[0xff; 4]),
            Outcome::Converts(1.0),
        ),
        Kind::fails(
            "an MP3 with a tag of 256 MB",
            [b"ID3\x03\0\0\x7f\x7f\x7f\x7f".as_slice(), &mp3].concat(),
            NotAMediaFile,
        ),
        Kind::fails(
            "an MP3 with a thousand tags",
            [[&b"ID3\x03\0\0\0\0\0\x0a"[..], &[0; 10]].concat().repeat(1000), mp3.clone()].concat(),
            NotAMediaFile,
        ),
        // The MP3 in it is used as it is, whatever the container declares.
        Kind::new("an AVI of no sample rate", patch(&avi, strf + 20, &[0; 4]), Outcome::Converts(1.0)),
        Kind::new("an AVI of a rate of nothing", patch(&avi, strf + 16, &[0; 8]), Outcome::Converts(1.0)),
        Kind::fails("an AVI whose index points anywhere", avi_with_wild_index(&avi), Damaged),
        Kind::fails(
            "an Ogg of years with a wrong checksum",
            patch(&ogg, last_page(&ogg) + 6, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f]),
            Damaged,
        ),
    ]);
    kinds
}

fn last_page(ogg: &[u8]) -> usize {
    (0..ogg.len() - 4).rev().find(|at| ogg[*at..].starts_with(b"OggS")).unwrap()
}

fn avi_with_wild_index(avi: &[u8]) -> Vec<u8> {
    let mut avi = avi.to_vec();
    let index = avi.windows(4).rposition(|window| window == b"idx1").unwrap() + 8;
    for entry in avi[index..].chunks_exact_mut(16) {
        entry[8..12].copy_from_slice(&[0xf0, 0xff, 0xff, 0x7f]);
    }
    avi
}

fn waves() -> Vec<Kind> {
    let sound = Random(5).bytes(17_640);
    let wave = |wave: Wave| wave.with(&sound);
    vec![
        Kind::new("an honest WAV", wave(Wave::HONEST), Outcome::Converts(0.1)),
        Kind::fails("a WAV of no sample rate", wave(Wave { rate: 0, ..Wave::HONEST }), Damaged),
        Kind::fails(
            "a WAV of one sample a second",
            wave(Wave { rate: 1, channels: 1, bits: 8, ..Wave::HONEST }),
            TooLong,
        ),
        Kind::fails("a WAV of 2^31 samples a second", wave(Wave { rate: 1 << 31, ..Wave::HONEST }), Damaged),
        Kind::fails(
            "a WAV of 2^32 - 1 samples a second",
            wave(Wave { rate: u32::MAX, ..Wave::HONEST }),
            Damaged,
        ),
        Kind::fails("a WAV of no channels", wave(Wave { channels: 0, ..Wave::HONEST }), Damaged),
        Kind::new(
            "a WAV of 64 channels",
            wave(Wave { channels: 64, ..Wave::HONEST }),
            Outcome::Converts(0.003),
        ),
        Kind::fails("a WAV of 255 channels", wave(Wave { channels: 255, ..Wave::HONEST }), UnsupportedFormat),
        Kind::fails("a WAV of 65535 channels", wave(Wave { channels: 65_535, ..Wave::HONEST }), Damaged),
        Kind::fails(
            "a WAV of samples without bits",
            wave(Wave { bits: 0, ..Wave::HONEST }),
            UnsupportedFormat,
        ),
        Kind::fails(
            "a WAV of 2^30 bytes that are not there",
            wave(Wave { declared_bytes: 1 << 30, ..Wave::HONEST }),
            Damaged,
        ),
        // A recorder that could not return to its header leaves this.
        Kind::new(
            "a WAV of 2^31 bytes that are not there",
            wave(Wave { declared_bytes: 1 << 31, ..Wave::HONEST }),
            Outcome::Converts(0.1),
        ),
    ]
}
