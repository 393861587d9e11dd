//! Files that break off or are broken in the middle. The worst outcome would be an audio file with only a
//! part of the audio.

use contracts::FailureCode;
use test_kit::sound::{Sound, Timing};

use crate::bench::Bench;
use crate::media::{FASTSTART, Workshop, beginning, options};

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

/// Writes bytes at an offset after a marker.
fn overwrite(bytes: &mut [u8], marker: &[u8], offset: usize, new: &[u8]) {
    let at = bytes.windows(marker.len()).position(|window| window == marker).unwrap() + marker.len() + offset;
    bytes[at..at + new.len()].copy_from_slice(new);
}

/// File offsets are signed: the kernel refuses to read after 2^63. This must not count as a fault of the
/// machine.
#[tokio::test]
async fn a_size_beyond_what_any_file_can_have_is_the_files_fault() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let windows = std::fs::read(workshop.tone("tone.wma", "2", &[])).unwrap();
    let mp4 = std::fs::read(workshop.tone("tone.m4a", "2", &[])).unwrap();
    let wave = std::fs::read(workshop.tone("tone.w64", "2", &[])).unwrap();
    let caf = std::fs::read(workshop.tone("tone.caf", "2", &[])).unwrap();
    for size in [i64::MAX as u64, 1 << 63, u64::MAX - 16, u64::MAX] {
        let patched = |file: &[u8], at: usize, size: [u8; 8]| {
            let mut bytes = file.to_vec();
            bytes[at..at + 8].copy_from_slice(&size);
            bytes
        };
        let (little, big) = (size.to_le_bytes(), size.to_be_bytes());
        let mut boxed = mp4.clone();
        boxed.extend([&1u32.to_be_bytes()[..], b"free", &big].concat());
        let mut split_caf = caf.clone();
        overwrite(&mut split_caf, b"desc", 0, &big);
        for (what, bytes) in [
            ("the header of an ASF file", patched(&windows, 16, little)),
            ("its first object", patched(&windows, 46, little)),
            ("a box behind an MP4 file", boxed),
            ("the RIFF of a Wave64 file", patched(&wave, 16, little)),
            ("its first chunk", patched(&wave, 56, little)),
            ("a chunk of a CAF file", split_caf),
        ] {
            if let Err(error) = bench.convert_bytes(&bytes, options(&[])).await {
                assert!(error.code().is_some(), "{what} with {size:#x}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn what_does_not_decode_is_not_copied() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    for name in ["tone.m4a", "tone.aac", "tone.flv", "tone.mkv", "tone.ts", "tone.mov"] {
        let mut bytes = std::fs::read(workshop.tone(name, "6", &["-c:a", "aac"])).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 24].fill(0xff);
        let made = bench.convert_bytes(&bytes, options(&[("format", "m4a")])).await;
        let made = made.unwrap_or_else(|error| panic!("{name}: {error}"));
        let decoded = Sound::of(&made.converted.path, Timing::AsDecoded).await.unwrap().unwrap();
        let said = made.seconds();
        assert!((decoded.seconds - said).abs() < 0.024, "{name}: {said} s, but {} s decode", decoded.seconds);
    }
}

#[tokio::test]
async fn a_header_that_leaves_next_to_nothing_of_a_sound_is_damage() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let mut wave = std::fs::read(workshop.tone("tone.wav", "2", &[])).unwrap();
    for rate in [2_000_000_u32, 8_432_708, 0x7fff_ffff] {
        wave[24..28].copy_from_slice(&rate.to_le_bytes());
        assert_eq!(bench.failure(&wave).await, FailureCode::Damaged, "{rate} samples a second");
    }
    let mut wave = std::fs::read(workshop.tone("tone.wav", "2", &[])).unwrap();
    overwrite(&mut wave, b"data", 0, &32_u32.to_le_bytes());
    let mut aiff = std::fs::read(workshop.tone("tone.aiff", "2", &[])).unwrap();
    overwrite(&mut aiff, b"COMM", 6, &8_u32.to_be_bytes());
    overwrite(&mut aiff, b"SSND", 0, &40_u32.to_be_bytes());
    let mut caf = std::fs::read(workshop.tone("tone.caf", "2", &[])).unwrap();
    overwrite(&mut caf, b"data", 0, &36_u64.to_be_bytes());
    for (what, bytes) in [("WAV", wave), ("AIFF", aiff), ("CAF", caf)] {
        assert_eq!(bench.failure(&bytes).await, FailureCode::Damaged, "{what}");
    }
}
