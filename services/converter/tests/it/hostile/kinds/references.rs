//! Files that name other files and addresses.

use contracts::FailureCode::{Damaged, NotAMediaFile};

use super::super::Kind;
use super::super::canary::Canary;
use super::super::surgery::{mp4_box, with_box};
use super::bytes_of;
use crate::media::Workshop;

/// Playlists, scripts and descriptions. Each refers to an existing and readable target.
pub(crate) fn references(canary: &Canary, workshop: &Workshop) -> Vec<Kind> {
    let texts = hls_playlists(canary).into_iter().chain(scripts(canary));
    let mut kinds: Vec<_> = texts.map(|(name, text)| Kind::fails(name, text, NotAMediaFile)).collect();
    let alone = bytes_of(workshop.tone("alone.m4a", "1", &[]));
    let elsewhere =
        with_box(&alone, b"dref", &[b"trak", b"mdia", b"minf", b"dinf"], &alias_of(&canary.file("wav")));
    kinds.push(Kind::fails("an MP4 whose sound is in another file", elsewhere, Damaged));
    kinds
}

type Text = (&'static str, String);

fn hls_playlists(canary: &Canary) -> Vec<Text> {
    let (file, relative, http) = (canary.file("ts"), canary.relative_file("ts"), canary.http());
    let hls =
        |target: &str| format!("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n");
    vec![
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
    ]
}

/// Every other format that names a file or an address.
fn scripts(canary: &Canary) -> Vec<Text> {
    let (file, relative, http) = (canary.file("ts"), canary.relative_file("ts"), canary.http());
    let (sound, udp) = (canary.file("mp3"), canary.udp_port());
    let dash = |target: &str| {
        format!(
            r#"<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"
            mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="video/mp4">
            <Representation id="1" bandwidth="1"><BaseURL>{target}</BaseURL></Representation>
            </AdaptationSet></Period></MPD>"#
        )
    };
    vec![
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
    ]
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
