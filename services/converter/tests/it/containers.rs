//! The kinds of files that users upload.

use std::time::Duration;

use contracts::FailureCode;
use test_kit::media::Sample;

use crate::bench::Bench;
use crate::media::{FASTSTART, Workshop};

#[tokio::test]
async fn every_usual_kind_of_video_is_converted() {
    let bench = Bench::new();
    for (sample, codec) in [
        (Sample::Mp4, "aac"),
        (Sample::Webm, "opus"),
        (Sample::Mkv, "ac3"),
        (Sample::Mov, "pcm_s16le"),
        (Sample::Avi, "mp3"),
    ] {
        let mp3 = bench.convert(&sample.file(Duration::from_secs(4)).await).await;
        mp3.lasts(4.0);
        assert!(mp3.converted.audio.mpeg.unwrap().has_info_frame, "{sample:?}");
        let source = &mp3.converted.source;
        assert!((source.duration_seconds.unwrap() - 4.0).abs() < 0.1, "{sample:?}: {source:?}");
        let tracks: Vec<_> =
            source.audio_tracks.iter().map(|track| (track.codec.as_str(), track.channels)).collect();
        assert_eq!(tracks, [(codec, 2)], "{sample:?}");
    }
}

#[tokio::test]
async fn less_usual_kinds_of_video_are_converted() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let x264 = ["-c:v", "libx264", "-preset", "ultrafast"];
    for (name, codecs) in [
        ("fragments.mp4", &["-c:a", "aac", "-movflags", "+frag_keyframe+empty_moov", "-g", "10"][..]),
        ("mpeg.ts", &["-c:a", "aac"]),
        ("vorbis.mkv", &["-c:a", "libvorbis"]),
        ("flash.flv", &["-c:v", "flv1", "-c:a", "libmp3lame"]),
        ("windows.wmv", &["-c:v", "wmv2", "-c:a", "wmav2"]),
        ("camera.mpg", &["-c:v", "mpeg2video", "-r", "25", "-c:a", "mp2"]),
        ("theora.ogv", &["-c:v", "libtheora", "-c:a", "libvorbis"]),
        ("pcm.avi", &["-c:v", "mpeg4", "-c:a", "pcm_s16le"]),
    ] {
        let video = workshop.video(name, "3", &[&x264[..], codecs].concat());
        bench.convert(&video).await.lasts(3.0);
    }
}

#[tokio::test]
async fn a_sound_without_a_picture_is_converted() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    for name in
        ["tone.mp3", "tone.m4a", "tone.wav", "tone.flac", "tone.ogg", "tone.aac", "tone.aiff", "tone.wma"]
    {
        bench.convert(&workshop.tone(name, "3", &[])).await.lasts(3.0);
    }
}

#[tokio::test]
async fn a_recording_without_a_length_in_its_header_is_converted() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let live = workshop.video(
        "live.webm",
        "3",
        &["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus", "-live", "1"],
    );
    let mp3 = bench.convert(&live).await;
    mp3.lasts(3.0);
    assert!((mp3.converted.source.duration_seconds.unwrap() - 3.0).abs() < 0.1);

    // From the first half of this file, FFmpeg estimates a length of 15 s.
    let noise = "aevalsrc='if(lt(t,4),0,0.3*random(0))':s=44100";
    let variable = workshop.sound("variable.mp3", noise, "8", &["-q:a", "2", "-write_xing", "0"]);
    bench.convert(&variable).await.lasts(8.0);
}

#[tokio::test]
async fn garbage_behind_the_end_does_no_harm() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let video = workshop.video("video.mp4", "3", &FASTSTART);
    let bytes = [std::fs::read(video).unwrap(), (0..=255).cycle().take(100_000).collect()].concat();
    let mp3 = bench.convert_bytes(&bytes, contracts::ConversionOptions::default()).await.unwrap();
    mp3.lasts(3.0);
}

#[tokio::test]
async fn a_video_without_sound_says_so() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    for name in ["silent.mp4", "silent.mkv", "silent.avi"] {
        let video = std::fs::read(workshop.silent(name, "1")).unwrap();
        assert_eq!(bench.failure(&video).await, FailureCode::NoAudioTrack, "{name}");
    }
    // A track for a microphone that was never on.
    let empty = workshop.video("empty.mkv", "1", &["-c:v", "mpeg4", "-af", "atrim=end=0", "-c:a", "aac"]);
    assert_eq!(bench.failure(&std::fs::read(empty).unwrap()).await, FailureCode::NoAudioTrack);
}

#[tokio::test]
async fn files_without_media_fail_as_not_a_media_file() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    workshop.ffmpeg(&["-f", "lavfi", "-i", "testsrc2", "-frames:v", "1", "picture.png"]);
    workshop.ffmpeg(&["-f", "lavfi", "-i", "testsrc2", "-frames:v", "1", "picture.jpg"]);
    let picture = |name: &str| std::fs::read(workshop.path(name)).unwrap();
    let noise: Vec<u8> = (0..50_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    for (what, bytes) in [
        ("text", Sample::Text.bytes(Duration::from_secs(1)).await),
        ("nothing", Vec::new()),
        ("zeros", vec![0; 100_000]),
        ("noise", noise),
        ("png", picture("picture.png")),
        ("jpg", picture("picture.jpg")),
        ("subtitles", b"1\n00:00:01,000 --> 00:00:02,000\nHello\n".to_vec()),
        ("pdf", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n".repeat(50)),
    ] {
        assert_eq!(bench.failure(&bytes).await, FailureCode::NotAMediaFile, "{what}");
    }
}

#[tokio::test]
async fn sound_in_a_format_that_is_not_taken_is_not_called_something_else() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    for (name, codec) in [("telephone.gsm", "libgsm"), ("blaster.voc", "pcm_u8")] {
        let sound = workshop.tone(name, "2", &["-ac", "1", "-ar", "8000", "-c:a", codec]);
        let code = bench.failure(&std::fs::read(sound).unwrap()).await;
        assert_eq!(code, FailureCode::UnsupportedFormat, "{name}");
    }
    for text in [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsound.ts\n",
        "WEBVTT\n\n00:01.000 --> 00:04.000\nHello\n",
    ] {
        assert_eq!(bench.failure(text.as_bytes()).await, FailureCode::NotAMediaFile, "{text}");
    }
}
