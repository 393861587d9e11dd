//! The kinds of hostile files.

mod matroska;
mod mp4;
mod references;
mod sounds;

use contracts::FailureCode::NotAMediaFile;
use test_kit::seeded::Random;

pub(super) use self::matroska::matroska;
pub(super) use self::mp4::mp4;
pub(super) use self::references::references;
pub(super) use self::sounds::sounds;
use super::canary::Canary;
use super::{Kind, Outcome};
use crate::media::{FASTSTART, Workshop};

fn bytes_of(path: std::path::PathBuf) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// A small video of one second.
fn small(workshop: &Workshop) -> Vec<u8> {
    bytes_of(workshop.video("small.mp4", "1", &FASTSTART))
}

/// One file of each container, as small as possible.
pub(super) fn containers(workshop: &Workshop) -> Vec<(&'static str, Vec<u8>)> {
    let made: [(&str, &[&str]); 10] = [
        ("a.mp4", &FASTSTART),
        ("a.mov", &["-c:v", "mpeg4", "-c:a", "pcm_s16le"]),
        ("a.mkv", &["-c:v", "mpeg4", "-c:a", "ac3"]),
        ("a.webm", &["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"]),
        ("a.avi", &["-c:v", "mpeg4", "-c:a", "libmp3lame"]),
        ("a.flv", &["-c:v", "flv1", "-c:a", "libmp3lame"]),
        ("a.wmv", &["-c:v", "wmv2", "-c:a", "wmav2"]),
        ("a.ts", &["-c:v", "mpeg2video", "-r", "25", "-c:a", "mp2"]),
        ("a.mpg", &["-c:v", "mpeg2video", "-r", "25", "-c:a", "mp2"]),
        ("a.ogv", &["-c:v", "libtheora", "-c:a", "libvorbis"]),
    ];
    let mut files: Vec<_> =
        made.iter().map(|(name, codecs)| (*name, bytes_of(workshop.video(name, "1", codecs)))).collect();
    let sounds = ["a.mp3", "a.flac", "a.wav", "a.aiff", "a.caf", "a.w64", "a.aac", "a.tta", "a.wv"];
    files.extend(sounds.map(|name| (name, bytes_of(workshop.tone(name, "1", &[])))));
    files
}

pub(super) fn no_media(workshop: &Workshop) -> Vec<Kind> {
    workshop.ffmpeg(&["-f", "lavfi", "-i", "testsrc2", "-frames:v", "1", "picture.png"]);
    workshop.ffmpeg(&["-f", "lavfi", "-i", "testsrc2", "-frames:v", "1", "picture.jpg"]);
    workshop.ffmpeg(&["-f", "lavfi", "-i", "testsrc2", "-frames:v", "3", "picture.gif"]);
    let picture = |name: &str| bytes_of(workshop.path(name));
    let archive = [b"PK\x03\x04\x14\0\0\0\x08\0".as_slice(), &Random(1).bytes(500)].concat();
    let kinds = [
        ("nothing", Vec::new()),
        ("a byte", vec![0]),
        ("zeros", vec![0; 100_000]),
        ("ones", vec![0xff; 100_000]),
        ("noise", Random(2).bytes(100_000)),
        ("text", "A shopping list: milk, bread, eggs.\n".repeat(400).into_bytes()),
        ("text on one line", vec![b'a'; 1 << 20]),
        ("HTML", b"<!doctype html><html><body><video src=x></video></body></html>".to_vec()),
        ("a picture in PNG", picture("picture.png")),
        ("a picture in JPEG", picture("picture.jpg")),
        ("a picture in GIF", picture("picture.gif")),
        ("subtitles", b"1\n00:00:01,000 --> 00:00:02,000\nHello\n".to_vec()),
        ("subtitles for the web", b"WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n".to_vec()),
        ("text for a terminal", b"\x1b[2J\x1b[31mred\x1b[0m\n".repeat(200)),
        ("a text screen", [b"XBIN\x1a\x50\0\x19\0\x10\0".as_slice(), &[65; 4000]].concat()),
        ("a document", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n".repeat(50)),
        ("a ZIP archive", archive),
        ("a gzip archive", [b"\x1f\x8b\x08\0\0\0\0\0\0\x03".as_slice(), &Random(3).bytes(500)].concat()),
        ("a program", [b"\x7fELF\x02\x01\x01\0".as_slice(), &Random(4).bytes(5000)].concat()),
        ("a shell script", b"#!/bin/sh\ncat /etc/passwd\n".to_vec()),
        ("the first bytes of an MP3 tag", b"ID3\x03\0\0\0\0\x0f\x76".to_vec()),
        ("a RIFF of nothing", b"RIFF\xff\xff\xff\xffJUNK".to_vec()),
    ];
    kinds.map(|(name, bytes)| Kind::fails(name, bytes, NotAMediaFile)).into()
}

pub(super) fn glued(canary: &Canary, workshop: &Workshop) -> Vec<Kind> {
    let video = small(workshop);
    let mkv = bytes_of(workshop.video("small.mkv", "1", &["-c:v", "mpeg4", "-c:a", "ac3"]));
    let archive =
        [b"PK\x03\x04\x14\0\0\0\x08\0".as_slice(), &Random(6).bytes(5000), b"PK\x05\x06", &[0; 18]].concat();
    let playlist = format!("\n#EXTM3U\n#EXTINF:9,\n{}\n", canary.file("ts")).into_bytes();
    let page = b"\n<script>alert(1)</script>\n".repeat(100);
    let behind = [
        ("noise", Random(7).bytes(100_000)),
        ("zeros", vec![0; 100_000]),
        ("a ZIP archive", archive.clone()),
        ("a playlist", playlist.clone()),
        ("a web page", page),
        ("itself", video.clone()),
    ];
    let mut kinds: Vec<_> = behind
        .into_iter()
        .map(|(what, bytes)| {
            Kind::new(format!("{what} behind an MP4"), [&video[..], &bytes].concat(), Outcome::Converts(1.0))
        })
        .collect();
    kinds.push(Kind::new(
        "a ZIP archive behind a Matroska",
        [&mkv[..], &archive].concat(),
        Outcome::Converts(1.0),
    ));
    kinds.push(Kind::fails(
        "a playlist in front of an MP4",
        [&playlist[1..], &video].concat(),
        NotAMediaFile,
    ));
    kinds
}
