//! MP4 files whose boxes do not match their content.

use contracts::FailureCode::{Damaged, NoAudioTrack, TooComplex, TooManyTracks};

use super::super::surgery::{
    content_of, moved_chunks, mp4_box, patched, renamed, resized, track_in, with_index,
};
use super::super::{Kind, Outcome};
use super::{bytes_of, small};
use crate::media::Workshop;

pub(crate) fn mp4(workshop: &Workshop) -> Vec<Kind> {
    let video = small(workshop);
    let silent = bytes_of(workshop.silent("silent.mp4", "1"));
    let alone = bytes_of(workshop.tone("alone.m4a", "1", &[]));
    let tracks = |count: usize| {
        with_index(&video, |index| {
            let track = track_in(index);
            [&index[..track.end], &index[track.clone()].repeat(count), &index[track.end..]].concat()
        })
    };
    let nested = |depth: usize| {
        let boxes = (0..depth).fold(Vec::new(), |inner, _| mp4_box(b"udta", &inner));
        with_index(&video, |index| [index, &boxes].concat())
    };
    let huge = u32::MAX.to_be_bytes();
    let (failed, converted) = (
        |name, bytes, code| Kind::fails(name, bytes, code),
        |name, bytes| Kind::new(name, bytes, Outcome::Converts(1.0)),
    );
    let mut kinds = tables(&alone);
    kinds.extend([
        failed("no sound", silent, NoAudioTrack),
        Kind::new("sound alone", alone.clone(), Outcome::Converts(1.0)),
        failed("only a head", video[..content_of(&video, b"ftyp").end].to_vec(), Damaged),
        converted("an index of a size beyond the end", resized(&video, b"moov", u32::MAX)),
        failed("an index of no size", resized(&video, b"moov", 2), Damaged),
        failed("an index that ends before the sound", resized(&video, b"moov", 600), Damaged),
        failed(
            "an index of 2^63 bytes",
            [&video[..content_of(&video, b"ftyp").end], b"\0\0\0\x01moov\x7f\xff\xff\xff\xff\xff\xff\xff"]
                .concat(),
            Damaged,
        ),
        converted(
            "a file of years",
            patched(&patched(&video, b"mvhd", 16, &huge), b"mvhd", 12, &1_u32.to_be_bytes()),
        ),
        converted("a clock of no ticks", patched(&video, b"mvhd", 12, &[0; 4])),
        failed(
            "a track of years",
            patched(&patched(&alone, b"mdhd", 16, &huge), b"mdhd", 12, &1_u32.to_be_bytes()),
            Damaged,
        ),
        failed("a track's clock of no ticks", patched(&alone, b"mdhd", 12, &[0; 4]), Damaged),
        failed("packets of years", patched(&alone, b"stts", 12, &i32::MAX.to_be_bytes()), Damaged),
        failed("thousands of tracks", tracks(3000), TooManyTracks),
        failed("a track more than is allowed", tracks(99), TooManyTracks),
        converted("as many tracks as are allowed", tracks(98)),
        failed("boxes in boxes", nested(20_000), Damaged),
        converted("boxes in boxes, a few", nested(5)),
        converted("a million brands", [video.clone(), mp4_box(b"ftyp", &b"isom".repeat(1 << 20))].concat()),
        converted(
            "thousands of empty boxes",
            with_index(&video, |index| [&mp4_box(b"free", b"").repeat(50_000), index].concat()),
        ),
    ]);
    kinds
}

/// Tables of a track that do not match its data.
fn tables(alone: &[u8]) -> Vec<Kind> {
    let huge = u32::MAX.to_be_bytes();
    vec![
        Kind::fails("samples without end", patched(alone, b"stsz", 8, &huge), Damaged),
        Kind::fails("samples of 4 GiB", patched(alone, b"stsz", 4, &huge), Damaged),
        Kind::fails("chunks without end", patched(alone, b"stco", 4, &huge), TooComplex),
        Kind::fails("chunks in the wrong places", moved_chunks(alone, 7), Damaged),
        Kind::fails("chunks in other wrong places", moved_chunks(alone, -300), Damaged),
        Kind::fails("a table of no chunks", patched(alone, b"stco", 4, &[0; 4]), Damaged),
        Kind::fails("no table of chunks", renamed(alone, b"stco", b"free"), Damaged),
        Kind::fails("no table of samples in chunks", renamed(alone, b"stsc", b"free"), Damaged),
        Kind::fails("no table of sizes", renamed(alone, b"stsz", b"free"), Damaged),
        Kind::fails("no table of times", renamed(alone, b"stts", b"free"), Damaged),
        Kind::fails("chunks beyond the end", patched(alone, b"stco", 8, &huge), Damaged),
    ]
}
