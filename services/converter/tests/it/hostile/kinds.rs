//! The kinds of hostile files.

use contracts::FailureCode;
use test_kit::seeded::Random;

use super::canary::Canary;
use super::surgery::{
    Wave, content_of, element, matroska as matroska_of, matroska_track, moved_chunks, mp4_box, patched,
    renamed, resized, track_in, with_box, with_index,
};
use super::{Kind, Outcome};
use crate::media::{FASTSTART, Workshop};
use FailureCode::{
    Damaged, NoAudioTrack, NotAMediaFile, TooComplex, TooLong, TooManyTracks, UnsupportedFormat,
};

fn bytes_of(path: std::path::PathBuf) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// A second of a small video.
fn small(workshop: &Workshop) -> Vec<u8> {
    bytes_of(workshop.video("small.mp4", "1", &FASTSTART))
}

/// One of each container, as small as it gets.
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

/// Playlists, scripts and descriptions, each of something that is there and could be had.
pub(super) fn references(canary: &Canary, workshop: &Workshop) -> Vec<Kind> {
    let (file, relative, http) = (canary.file("ts"), canary.relative_file("ts"), canary.http());
    let (sound, udp) = (canary.file("mp3"), canary.udp_port());
    let hls =
        |target: &str| format!("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n");
    let dash = |target: &str| {
        format!(
            r#"<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"
            mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="video/mp4">
            <Representation id="1" bandwidth="1"><BaseURL>{target}</BaseURL></Representation>
            </AdaptationSet></Period></MPD>"#
        )
    };
    let texts = [
        ("an HLS playlist of a file", hls(&file)),
        ("an HLS playlist of a file by URL", hls(&format!("file://{file}"))),
        ("an HLS playlist of a relative file", hls(&relative)),
        ("an HLS playlist of an address", hls(&http)),
        ("an HLS playlist of a concatenation", hls(&format!("concat:{file}|{http}"))),
        ("an HLS playlist of a subfile", hls(&format!("subfile,,start,0,end,0,,:{file}"))),
        (
            "an HLS playlist with a key elsewhere",
            format!(
                "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXT-X-KEY:METHOD=AES-128,URI=\"{http}\"\n#EXTINF:2,\n{file}\n#EXT-X-ENDLIST\n"
            ),
        ),
        ("an HLS master playlist", format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{http}\n")),
        ("a playlist of ninety bytes", format!("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:1,\n{file}\n")),
        ("a concat script", format!("ffconcat version 1.0\nfile '{file}'\n")),
        ("a relative concat script", format!("ffconcat version 1.0\nfile {relative}\n")),
        ("a DASH manifest of a file", dash(&format!("file://{file}"))),
        ("a DASH manifest of an address", dash(&http)),
        (
            "a session description",
            format!(
                "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {udp} RTP/AVP 0\n"
            ),
        ),
        ("an RTSP link", format!("rtsptext\nrtsp://127.0.0.1:{}/canary\n", canary.tcp_port())),
        ("metadata", format!(";FFMETADATA1\ntitle={file}\n")),
        (
            "an SVG picture",
            format!(
                r#"<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
                width="9" height="9"><image xlink:href="file://{file}" width="9" height="9"/><image xlink:href="{http}"/></svg>"#
            ),
        ),
        ("an SMIL presentation", format!("<smil><body><audio src=\"{http}\"/></body></smil>")),
        ("an ASX playlist", format!("<ASX version=\"3.0\"><Entry><Ref href=\"{http}\"/></Entry></ASX>")),
        ("a RealMedia link", format!("{http}\nfile://{file}\n")),
        ("a QuickTime link", format!("RTSPtext{http}")),
        ("a playlist of sounds", format!("[playlist]\nFile1={sound}\nNumberOfEntries=1\n")),
        (
            "subtitles with a font elsewhere",
            format!("[Script Info]\nScriptType: v4.00+\n[Fonts]\nfontname: {file}\n[Events]\n"),
        ),
        ("an AviSynth script", format!("AVISource(\"{file}\")\n")),
        ("a VapourSynth script", format!("import vapoursynth\nopen('{file}').read()\n")),
    ];
    let mut kinds: Vec<_> =
        texts.into_iter().map(|(name, text)| Kind::fails(name, text, NotAMediaFile)).collect();
    let alone = bytes_of(workshop.tone("alone.m4a", "1", &[]));
    let elsewhere =
        with_box(&alone, b"dref", &[b"trak", b"mdia", b"minf", b"dinf"], &alias_of(&canary.file("wav")));
    kinds.push(Kind::fails("an MP4 whose sound is in another file", elsewhere, Damaged));
    kinds
}

/// A data reference (ISO/IEC 14496-12, 8.7.2) to another file, as `QuickTime` writes it: a Macintosh alias.
fn alias_of(file: &str) -> Vec<u8> {
    let name = |text: &str, length: usize| {
        let mut field = vec![u8::try_from(text.len()).unwrap()];
        field.extend_from_slice(text.as_bytes());
        field.resize(length + 1, 0);
        field
    };
    let path = file.replacen('/', "disk:", 1).replace('/', ":");
    let length = u16::try_from(path.len()).unwrap().to_be_bytes();
    let record = [
        &[0; 14][..],
        &name("disk", 27),
        &[0; 12],
        &name("canary.wav", 63),
        &[0; 16],
        &[0, 1, 0, 1],
        &[0; 16],
        &[0, 2],
        &length,
        path.as_bytes(),
        &[0xff, 0xff, 0, 0],
    ];
    mp4_box(b"dref", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &mp4_box(b"alis", &record.concat())].concat())
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

pub(super) fn mp4(workshop: &Workshop) -> Vec<Kind> {
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
    vec![
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
        failed("samples without end", patched(&alone, b"stsz", 8, &huge), Damaged),
        failed("samples of 4 GiB", patched(&alone, b"stsz", 4, &huge), Damaged),
        failed("chunks without end", patched(&alone, b"stco", 4, &huge), TooComplex),
        failed("chunks in the wrong places", moved_chunks(&alone, 7), Damaged),
        failed("chunks in other wrong places", moved_chunks(&alone, -300), Damaged),
        failed("a table of no chunks", patched(&alone, b"stco", 4, &[0; 4]), Damaged),
        failed("no table of chunks", renamed(&alone, b"stco", b"free"), Damaged),
        failed("no table of samples in chunks", renamed(&alone, b"stsc", b"free"), Damaged),
        failed("no table of sizes", renamed(&alone, b"stsz", b"free"), Damaged),
        failed("no table of times", renamed(&alone, b"stts", b"free"), Damaged),
        failed("chunks beyond the end", patched(&alone, b"stco", 8, &huge), Damaged),
        converted("a million brands", [video.clone(), mp4_box(b"ftyp", &b"isom".repeat(1 << 20))].concat()),
        converted(
            "thousands of empty boxes",
            with_index(&video, |index| [&mp4_box(b"free", b"").repeat(50_000), index].concat()),
        ),
    ]
}

pub(super) fn matroska(workshop: &Workshop) -> Vec<Kind> {
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
    let audio = |rate: f64, channels: u64| {
        let fields = [
            element(&[0xb5], &rate.to_be_bytes()),
            element(&[0x9f], &channels.to_be_bytes()),
            element(&[0x62, 0x64], &[16]),
        ];
        element(&[0xe1], &fields.concat())
    };
    let tracks = |list: &[Vec<u8>]| element(&[0x16, 0x54, 0xae, 0x6b], &list.concat());
    let cluster = |bytes: usize| {
        let block = [&[0x81, 0, 0, 0x80][..], &vec![1; bytes]].concat();
        element(&[0x1f, 0x43, 0xb6, 0x75], &[element(&[0xe7], &[0]), element(&[0xa3], &block)].concat())
    };
    let of = |elements: &[Vec<u8>]| matroska_of(elements);
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

pub(super) fn sounds(workshop: &Workshop) -> Vec<Kind> {
    let sound = Random(5).bytes(17_640);
    let wave = |wave: Wave| wave.with(&sound);
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
        // What a recorder leaves that never came back to its header.
        Kind::new(
            "a WAV of 2^31 bytes that are not there",
            wave(Wave { declared_bytes: 1 << 31, ..Wave::HONEST }),
            Outcome::Converts(0.1),
        ),
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
        // Its MP3 is taken as it is, whatever the container says of it.
        Kind::new("an AVI of no sample rate", patch(&avi, strf + 20, &[0; 4]), Outcome::Converts(1.0)),
        Kind::new("an AVI of a rate of nothing", patch(&avi, strf + 16, &[0; 8]), Outcome::Converts(1.0)),
        Kind::fails("an AVI whose index points anywhere", avi_with_wild_index(&avi), Damaged),
        Kind::fails(
            "an Ogg of years with a wrong checksum",
            patch(&ogg, last_page(&ogg) + 6, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f]),
            Damaged,
        ),
    ]
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
