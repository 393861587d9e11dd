//! Files that break off, or are broken in the middle. The worst answer to them
//! is an MP3 with a part of the sound.

use contracts::FailureCode;

use crate::bench::Bench;
use crate::media::{FASTSTART, Workshop, beginning};

const X264: [&str; 4] = ["-c:v", "libx264", "-preset", "ultrafast"];

#[tokio::test]
async fn a_truncated_video_fails_as_damaged() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    for (name, codecs) in [
        ("index-first.mp4", &FASTSTART[..]),
        ("index-last.mp4", &["-c:v", "libx264", "-c:a", "aac"]),
        (
            "fragments.mp4",
            &["-c:v", "libx264", "-c:a", "aac", "-movflags", "+frag_keyframe+empty_moov", "-g", "10"],
        ),
        ("quicktime.mov", &["-c:v", "mpeg4", "-c:a", "pcm_s16le"]),
        ("matroska.mkv", &["-c:v", "libx264", "-c:a", "ac3"]),
        ("web.webm", &["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"]),
        ("mp3.avi", &["-c:v", "mpeg4", "-c:a", "libmp3lame"]),
        ("pcm.avi", &["-c:v", "mpeg4", "-c:a", "pcm_s16le"]),
        ("flash.flv", &["-c:v", "flv1", "-c:a", "libmp3lame"]),
        ("windows.wmv", &["-c:v", "wmv2", "-c:a", "wmav2"]),
        ("theora.ogv", &["-c:v", "libtheora", "-c:a", "libvorbis"]),
    ] {
        let video = workshop.video(name, "6", codecs);
        for percent in [1, 30, 60, 90] {
            let failure = bench.failure(&beginning(&video, percent)).await;
            assert_eq!(failure, FailureCode::Damaged, "{percent} % of {name}");
        }
    }
}

#[tokio::test]
async fn a_truncated_sound_fails_as_damaged() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    for name in ["tone.mp3", "tone.m4a", "tone.wav", "tone.flac", "tone.ogg", "tone.aiff", "tone.wma"] {
        let sound = workshop.tone(name, "6", &[]);
        for percent in [30, 60, 90] {
            let failure = bench.failure(&beginning(&sound, percent)).await;
            assert_eq!(failure, FailureCode::Damaged, "{percent} % of {name}");
        }
    }
}

#[tokio::test]
async fn a_video_with_a_hole_fails_as_damaged() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    for (name, codecs) in [
        ("hole.mp4", FASTSTART.to_vec()),
        ("hole.mkv", [&X264[..], &["-c:a", "ac3"]].concat()),
        ("hole.webm", vec!["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"]),
    ] {
        let mut bytes = std::fs::read(workshop.video(name, "6", &codecs)).unwrap();
        let (from, to) = (bytes.len() * 4 / 10, bytes.len() * 6 / 10);
        bytes[from..to].fill(0);
        assert_eq!(bench.failure(&bytes).await, FailureCode::Damaged, "{name}");
    }
}

#[tokio::test]
async fn a_scratch_in_the_sound_is_no_reason_to_refuse_it() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let mut bytes = std::fs::read(workshop.video("scratched.mp4", "20", &FASTSTART)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 2000].fill(0);
    let mp3 = bench.convert_bytes(&bytes, contracts::ConversionOptions::default()).await.unwrap();
    assert!((mp3.seconds() - 20.0).abs() < 0.4, "{}", mp3.seconds());
}
