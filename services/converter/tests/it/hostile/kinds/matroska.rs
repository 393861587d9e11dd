//! Matroska files made by hand.

use contracts::FailureCode::{Damaged, NoAudioTrack, TooManyTracks};

use super::super::surgery::{element, matroska as of, matroska_track};
use super::super::{Kind, Outcome};
use super::bytes_of;
use crate::media::Workshop;

pub(crate) fn matroska(workshop: &Workshop) -> Vec<Kind> {
    let video = bytes_of(workshop.video("small.mkv", "1", &["-c:v", "mpeg4", "-c:a", "ac3"]));
    let silent = bytes_of(workshop.silent("silent.mkv", "1"));
    let info =
        element(&[0x15, 0x49, 0xa9, 0x66], &element(&[0x2a, 0xd7, 0xb1], &1_000_000_u32.to_be_bytes()));
    let years = element(
        &[0x15, 0x49, 0xa9, 0x66],
        &[
            element(&[0x2a, 0xd7, 0xb1], &1_000_000_u32.to_be_bytes()),
            element(&[0x44, 0x89], &1e15_f64.to_be_bytes()),
        ]
        .concat(),
    );
    let one = |rate, channels, bytes| {
        of(&[info.clone(), tracks(&[matroska_track(1, &audio(rate, channels))]), cluster(bytes)])
    };
    let many: Vec<_> = (1..=5000).map(|number| matroska_track(number, &audio(44_100.0, 2))).collect();
    vec![
        Kind::fails("no sound", silent, NoAudioTrack),
        Kind::fails("half of a file", &video[..video.len() / 2], Damaged),
        Kind::fails("only a head", &video[..200], Damaged),
        Kind::new("made by hand", one(44_100.0, 2, 176_400), Outcome::Converts(1.0)),
        Kind::new(
            "a length of years",
            of(&[years, tracks(&[matroska_track(1, &audio(44_100.0, 2))]), cluster(1000)]),
            Outcome::Converts(0.006),
        ),
        Kind::fails("thousands of tracks", of(&[info.clone(), tracks(&many), cluster(1000)]), TooManyTracks),
        Kind::fails("no sample rate", one(0.0, 2, 10_000), Damaged),
        Kind::new("a sample rate of 2^31", one(2_147_483_648.0, 2, 10_000), Outcome::Converts(0.3125)),
        Kind::new("a sample rate that is no number", one(f64::NAN, 2, 10_000), Outcome::Converts(0.3125)),
        Kind::fails("65535 channels", one(44_100.0, 65_535, 131_070), Damaged),
        Kind::fails("2^63 channels", one(44_100.0, 1 << 63, 10_000), Damaged),
        Kind::fails(
            "a codec's setup of 200 MB that is not there",
            of(&[
                info.clone(),
                tracks(&[[
                    &[0xae][..],
                    &((1_u64 << 56) + 200_000_100).to_be_bytes(),
                    &[0x63, 0xa2],
                    &((1_u64 << 56) + 200_000_000).to_be_bytes(),
                ]
                .concat()]),
            ]),
            Damaged,
        ),
        Kind::fails(
            "elements in elements",
            of(&[
                info,
                (0..30_000).fold(Vec::new(), |inner, _| {
                    [&[0xe1, 0x01, 0, 0, 0][..], &u32::try_from(inner.len()).unwrap().to_be_bytes(), &inner]
                        .concat()
                }),
            ]),
            Damaged,
        ),
    ]
}

fn audio(rate: f64, channels: u64) -> Vec<u8> {
    let fields = [
        element(&[0xb5], &rate.to_be_bytes()),
        element(&[0x9f], &channels.to_be_bytes()),
        element(&[0x62, 0x64], &[16]),
    ];
    element(&[0xe1], &fields.concat())
}

fn tracks(list: &[Vec<u8>]) -> Vec<u8> {
    element(&[0x16, 0x54, 0xae, 0x6b], &list.concat())
}

fn cluster(bytes: usize) -> Vec<u8> {
    let block = [&[0x81, 0, 0, 0x80][..], &vec![1; bytes]].concat();
    element(&[0x1f, 0x43, 0xb6, 0x75], &[element(&[0xe7], &[0]), element(&[0xa3], &block)].concat())
}
