//! Files that want FFmpeg to open other files or addresses.

use contracts::FailureCode;

use crate::bench::Bench;
use crate::media::{FASTSTART, Workshop};

#[tokio::test]
async fn no_playlist_or_script_is_followed() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let target = workshop.video("target.ts", "2", &["-c:v", "mpeg2video", "-r", "25", "-c:a", "mp2"]);
    let target = target.display();
    for (what, text) in [
        ("HLS", format!("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\nfile://{target}\n#EXT-X-ENDLIST\n")),
        ("HLS by name", format!("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n")),
        ("concat", format!("ffconcat version 1.0\nfile '{target}'\n")),
        (
            "SDP",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"
                .to_owned(),
        ),
        (
            "DASH",
            format!(
                r#"<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"
                mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="video/mp4">
                <Representation id="1" bandwidth="1"><BaseURL>file://{target}</BaseURL></Representation>
                </AdaptationSet></Period></MPD>"#
            ),
        ),
        ("metadata", ";FFMETADATA1\ntitle=x\n".to_owned()),
    ] {
        assert_eq!(bench.failure(text.as_bytes()).await, FailureCode::NotAMediaFile, "{what}");
    }
}

#[tokio::test]
async fn a_playlist_behind_a_real_video_is_not_followed_either() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let video = std::fs::read(workshop.video("video.mp4", "2", &FASTSTART)).unwrap();
    let playlist = b"\n#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n";
    let joined = [&video[..], playlist].concat();
    bench.convert_bytes(&joined, contracts::ConversionOptions::default()).await.unwrap().lasts(2.0);
}
