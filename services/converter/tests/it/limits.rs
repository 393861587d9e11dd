//! Deadlines, cancellation, and faults of the machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use contracts::{ConversionOptions, FailureCode, Phase};
use converter::engine::{ConversionError, Engine, EngineConfig};
use test_kit::wait_until;
use tokio_util::sync::CancellationToken;

use crate::SOON;
use crate::bench::{Bench, config, has_process_in, nothing_reported};
use crate::hostile::Wave;
use crate::media::{FASTSTART, Workshop};

/// Half an hour of video, which takes many seconds to convert.
fn long_video(workshop: &Workshop) -> Vec<u8> {
    let minute = workshop.video("minute.mp4", "60", &FASTSTART);
    std::fs::read(workshop.repeated(&minute, 30, "long.mp4")).unwrap()
}

#[tokio::test]
async fn a_conversion_is_stopped_at_its_deadline() {
    let max_conversion_time = Duration::from_millis(1500);
    let bench = Bench::with(&EngineConfig { max_conversion_time, ..config() });
    let video = long_video(&Workshop::new());
    let scratch = bench.scratch(&video);
    let started = Instant::now();
    let never = CancellationToken::new();
    let converted =
        bench.engine.convert(&scratch, &ConversionOptions::default(), &nothing_reported(), &never).await;
    assert_eq!(converted.unwrap_err().code(), Some(FailureCode::TimedOut));
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    assert!(!has_process_in(scratch.directory()));
}

#[tokio::test]
async fn a_cancelled_conversion_leaves_no_process_and_no_file() {
    let bench = Bench::new();
    let scratch = bench.scratch(&long_video(&Workshop::new()));
    let directory = scratch.directory().to_owned();
    let (report, cancel) = (nothing_reported(), CancellationToken::new());
    let mut reports = report.subscribe();
    let cancel_on_progress = async {
        let report = reports.wait_for(|report| report.progress.ratio > 0.0).await.unwrap().clone();
        assert_eq!(report.progress.phase, Phase::Encoding);
        assert!((report.source.unwrap().duration_seconds.unwrap() - 1800.0).abs() < 5.0);
        assert!(has_process_in(&directory));
        cancel.cancel();
    };
    let options = ConversionOptions::default();
    let converting = bench.engine.convert(&scratch, &options, &report, &cancel);
    let (converted, ()) = tokio::join!(converting, cancel_on_progress);
    assert!(matches!(converted, Err(ConversionError::Cancelled)), "{converted:?}");
    assert!(!has_process_in(&directory));
    drop(scratch);
    assert!(!directory.exists());
}

#[tokio::test]
async fn a_dropped_conversion_is_killed() {
    let bench = Arc::new(Bench::new());
    let scratch = bench.scratch(&long_video(&Workshop::new()));
    let directory = scratch.directory().to_owned();
    let converting = tokio::spawn(async move {
        let (report, never) = (nothing_reported(), CancellationToken::new());
        bench.engine.convert(&scratch, &ConversionOptions::default(), &report, &never).await.map(drop)
    });
    wait_until("FFmpeg works", SOON, async || has_process_in(&directory)).await;
    converting.abort();
    wait_until("FFmpeg is gone", SOON, async || !has_process_in(&directory)).await;
}

#[tokio::test]
async fn progress_goes_from_nothing_to_all() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let video = std::fs::read(workshop.video("video.mp4", "5", &FASTSTART)).unwrap();
    let scratch = bench.scratch(&video);
    let (report, never) = (nothing_reported(), CancellationToken::new());
    bench.engine.convert(&scratch, &ConversionOptions::default(), &report, &never).await.unwrap();
    let report = report.borrow().clone();
    assert!(report.progress.ratio > 0.97, "{report:?}");
    assert_eq!(report.source.unwrap().audio_tracks[0].codec, "aac");
}

#[tokio::test]
async fn sound_beyond_the_limit_is_too_long_whether_the_file_says_so_or_not() {
    let bench = Bench::with(&EngineConfig { max_duration: Duration::from_secs(3), ..config() });
    let workshop = Workshop::new();
    let live = ["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus", "-live", "1"];
    for video in [workshop.video("says.mp4", "6", &FASTSTART), workshop.video("says-not.webm", "6", &live)] {
        let failure = bench.failure(&std::fs::read(&video).unwrap()).await;
        assert_eq!(failure, FailureCode::TooLong, "{}", video.display());
    }
    bench.convert(&workshop.video("allowed.mp4", "2.9", &FASTSTART)).await.lasts(2.9);
}

#[tokio::test]
async fn every_other_limit_has_a_reason_of_its_own() {
    let workshop = Workshop::new();
    let video = std::fs::read(workshop.video("video.mp4", "20", &FASTSTART)).unwrap();
    let many = ["-map", "0", "-map", "1", "-map", "1", "-map", "1", "-c:v", "mpeg4"];
    let tracks = std::fs::read(workshop.video("tracks.mp4", "1", &many)).unwrap();
    for (limits, video, code) in [
        (EngineConfig { max_audio_bytes: 50_000, ..config() }, &video, FailureCode::AudioTooLarge),
        (EngineConfig { max_tracks: 3, ..config() }, &tracks, FailureCode::TooManyTracks),
        (
            EngineConfig { base_conversion_time: Duration::ZERO, conversion_time_factor: 0.001, ..config() },
            &video,
            FailureCode::TimedOut,
        ),
    ] {
        assert_eq!(Bench::with(&limits).failure(video).await, code);
        let parallel = EngineConfig { parallel_from: Duration::ZERO, ..limits };
        assert_eq!(Bench::with(&parallel).failure(video).await, code, "in parallel");
    }
    // To convert one sample a second to 8000 a second, the filter needs 300 MB.
    let slow = Wave { rate: 1, channels: 1, bits: 8, declared_bytes: 3000 }.with(&[128; 3000]);
    let frugal = EngineConfig { max_memory_bytes: 128 << 20, ..config() };
    assert_eq!(Bench::with(&frugal).failure(&slow).await, FailureCode::TooComplex);
    Bench::with(&EngineConfig { max_tracks: 4, ..config() })
        .convert_bytes(&tracks, ConversionOptions::default())
        .await
        .unwrap();
}

#[tokio::test]
async fn an_mp3_that_will_be_too_large_is_not_begun() {
    let bench = Bench::with(&EngineConfig { max_audio_bytes: 4_000_000, ..config() });
    let video = long_video(&Workshop::new());
    let options = ConversionOptions::parse([("bitrate", "320")]).unwrap();
    let started = Instant::now();
    let error = bench.convert_bytes(&video, options).await.map(drop).unwrap_err();
    assert_eq!(error.code(), Some(FailureCode::AudioTooLarge));
    assert!(error.to_string().contains("will have"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn hours_of_silence_in_a_small_file_are_too_long() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let minute = workshop.sound("minute.ogg", "anullsrc", "60", &["-c:a", "libopus", "-b:a", "6k"]);
    let hours = std::fs::read(workshop.repeated(&minute, 90, "hours.ogg")).unwrap();
    assert!(hours.len() < 3_000_000, "{} bytes", hours.len());
    assert_eq!(bench.failure(&hours).await, FailureCode::TooLong);
}

#[tokio::test]
async fn a_full_disk_is_not_the_files_fault() {
    let (bench, workshop) = (Bench::new(), Workshop::new());
    let video = std::fs::read(workshop.video("video.mp4", "5", &FASTSTART)).unwrap();
    for (format, name) in
        [("mp3", "joined.mp3"), ("opus", "encoded.opus"), ("flac", "encoded.flac"), ("wav", "encoded.wav")]
    {
        let scratch = bench.scratch(&video);
        std::os::unix::fs::symlink("/dev/full", scratch.directory().join(name)).unwrap();
        let (report, never) = (nothing_reported(), CancellationToken::new());
        let options = ConversionOptions::parse([("format", format)]).unwrap();
        let error = bench.engine.convert(&scratch, &options, &report, &never).await.map(drop).unwrap_err();
        assert_eq!(error.code(), None, "{format}: {error}");
        assert!(error.is_of_a_full_disk(), "{format}: {error}");
    }
}

#[tokio::test]
async fn a_program_that_vanished_is_not_the_files_fault() {
    let workshop = Workshop::new();
    let ffmpeg = workshop.path("ffmpeg");
    std::os::unix::fs::symlink("/usr/bin/ffmpeg", &ffmpeg).unwrap();
    let bench = Bench::with(&EngineConfig { ffmpeg: ffmpeg.clone(), ..config() });
    bench.engine.check_programs().unwrap();
    bench.engine.check_encoders().await.unwrap();

    std::fs::remove_file(&ffmpeg).unwrap();
    bench.engine.check_programs().unwrap_err();
    let video = std::fs::read(workshop.video("video.mp4", "1", &FASTSTART)).unwrap();
    let error = bench.convert_bytes(&video, ConversionOptions::default()).await.map(drop).unwrap_err();
    assert!(matches!(error, ConversionError::Machine { .. }), "{error:?}");
    assert!(Engine::new(&EngineConfig { ffmpeg, ..config() }).is_err());
}
