//! From the `video` message to the `mp3` message.

use std::time::Duration;

use contracts::{
    ConversionFinished, ConversionOptions, ConversionRequested, FailureCode, FileId, JobStatus,
    MESSAGE_VERSION, Outcome, Phase, Queue, VideoFid,
};
use converter::engine::MpegAudio;
use jobs::Claim;
use test_kit::media::Sample;
use test_kit::wait_until;

use crate::SOON;
use crate::bench::has_process_in;
use crate::world::{World, ada, long_video};

const FOUR_SECONDS: Duration = Duration::from_secs(4);

#[tokio::test]
async fn a_video_becomes_an_mp3_and_is_announced() {
    let world = World::new().await;
    let _converter = world.converter().await;
    let options = ConversionOptions::parse([("bitrate", "128")]).unwrap();
    let (id, _) = world.accept(&Sample::Webm.bytes(FOUR_SECONDS).await, options).await;
    world.request(id).await;

    let job = world.becomes(id, JobStatus::Converted).await;
    assert_eq!((job.progress.phase, job.attempts, job.error), (Phase::Done, 1, None));
    assert_eq!(job.source.audio_tracks[0].codec, "opus");
    assert!((job.source.duration_seconds.unwrap() - 4.0).abs() < 0.1);
    let kept = job.expires_at.unwrap() - job.updated_at;
    assert!((kept - time::Duration::days(7)).abs() < time::Duration::minutes(1), "{kept}");

    let audio = job.audio.unwrap();
    let bytes = world.mp3(audio.fid).await;
    assert_eq!(bytes.len() as u64, audio.bytes);
    let stored = world.mp3s.open(audio.fid.0).await.unwrap().unwrap();
    assert_eq!(
        (stored.name.as_str(), stored.content_type.as_deref()),
        ("holiday.v1.mp3", Some("audio/mpeg"))
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    let measured = MpegAudio::measure(file.path()).unwrap();
    assert!((measured.duration_seconds() - audio.duration_seconds).abs() < 1e-9);
    assert!((measured.duration_seconds() - 4.0).abs() < 0.08);
    assert!(audio.bitrate_bps.abs_diff(128_000) < 6_000, "{}", audio.bitrate_bps);

    let expected = ConversionFinished {
        version: MESSAGE_VERSION,
        job_id: id,
        video_fid: job.source.fid,
        mp3_fid: Some(audio.fid),
        username: ada(),
        outcome: Outcome::Converted,
    };
    assert_eq!(world.is_announced(id).await, expected);
    let video = job.source.fid.0;
    wait_until("the video is deleted", SOON, async || world.videos.open(video).await.unwrap().is_none())
        .await;
    wait_until("the scratch directory is empty", SOON, async || !has_job_directory(&world)).await;
}

fn has_job_directory(world: &World) -> bool {
    let own = std::fs::read_dir(world.scratch_dir()).unwrap().map(|entry| entry.unwrap().path());
    own.filter(|path| path.is_dir()).any(|own| std::fs::read_dir(own).unwrap().count() > 1)
}

#[tokio::test]
async fn a_video_that_cannot_be_converted_fails_with_its_reason() {
    let world = World::new().await;
    let _converter = world.converter().await;
    for (sample, code) in [
        (Sample::Silent, FailureCode::NoAudioTrack),
        (Sample::Truncated, FailureCode::Damaged),
        (Sample::Text, FailureCode::NotAMediaFile),
    ] {
        let (id, _) = world.submit(&sample.bytes(FOUR_SECONDS).await).await;
        let job = world.becomes(id, JobStatus::Failed).await;
        assert_eq!(job.error.map(|error| error.code), Some(code), "{sample:?}");
        assert_eq!((job.audio, job.attempts), (None, 1), "{sample:?}");
        let announced = world.is_announced(id).await;
        assert_eq!((announced.outcome, announced.mp3_fid), (Outcome::Failed, None), "{sample:?}");
    }
    assert_eq!(world.mp3_count().await, 0);
}

#[tokio::test]
async fn a_message_that_comes_three_times_makes_one_mp3() {
    let world = World::new().await;
    let (id, _) = world.accept(&Sample::Mp4.bytes(FOUR_SECONDS).await, ConversionOptions::default()).await;
    for _ in 0..3 {
        world.request(id).await;
    }
    let _converter = world.converter().await;
    let job = world.becomes(id, JobStatus::Converted).await;
    // Each further message finds the job ended and announces it again. Notification recognises the
    // duplicates.
    wait_until("all three are handled", SOON, async || world.announced(id).len() == 3).await;
    let fids: Vec<_> = world.announced(id).into_iter().map(|outcome| outcome.mp3_fid).collect();
    assert_eq!(fids, [job.audio.map(|audio| audio.fid); 3]);
    assert_eq!((world.mp3_count().await, world.job(id).await.attempts), (1, 1));
}

#[tokio::test]
async fn a_cancelled_job_stops_and_leaves_nothing() {
    let world = World::new().await;
    let _converter = world.converter().await;
    let (id, owner) = world.submit(&long_video()).await;
    world.is_half_done(id).await;
    assert!(has_process_in(&world.scratch_dir()));

    world.jobs.delete(owner, id).await.unwrap();
    wait_until("FFmpeg is gone", SOON, async || !has_process_in(&world.scratch_dir())).await;
    wait_until("the files are gone", SOON, async || !has_job_directory(&world)).await;
    assert_eq!(world.job(id).await.status, JobStatus::Cancelled);
    assert_eq!((world.mp3_count().await, world.announced(id)), (0, Vec::new()));
}

#[tokio::test]
async fn a_job_that_was_deleted_before_its_turn_is_no_work() {
    let world = World::new().await;
    let (id, owner) = world.submit(&Sample::Mp4.bytes(FOUR_SECONDS).await).await;
    world.jobs.delete(owner, id).await.unwrap();
    let _converter = world.converter().await;
    // When the next job has ended, the first one has been handled too.
    let (next, _) = world.submit(&Sample::Mp4.bytes(FOUR_SECONDS).await).await;
    world.becomes(next, JobStatus::Converted).await;
    assert_eq!((world.job(id).await.status, world.mp3_count().await), (JobStatus::Cancelled, 1));
}

#[tokio::test]
async fn a_job_that_was_interrupted_too_often_is_given_up() {
    let world = World::new().await;
    let (id, _) = world.accept(&Sample::Mp4.bytes(FOUR_SECONDS).await, ConversionOptions::default()).await;
    for attempt in 1..=world.config.max_attempts {
        wait_until(&format!("attempt {attempt} begins"), SOON, async || {
            let claim = world.jobs.claim(id, "crashing", Duration::ZERO).await.unwrap();
            matches!(claim, Claim::Claimed(..))
        })
        .await;
    }
    world.request(id).await;
    let _converter = world.converter().await;
    let job = world.becomes(id, JobStatus::Failed).await;
    assert_eq!(job.error.unwrap().code, FailureCode::Interrupted);
    assert_eq!(world.is_announced(id).await.outcome, Outcome::Failed);
}

#[tokio::test]
async fn a_job_without_its_video_fails_as_damaged() {
    let world = World::new().await;
    let _converter = world.converter().await;
    let nowhere = VideoFid(FileId::from_bytes([7; 12]));
    let (id, _) = world.accept_stored(nowhere, 1000, ConversionOptions::default()).await;
    world.request(id).await;
    let job = world.becomes(id, JobStatus::Failed).await;
    assert_eq!(job.error.unwrap().code, FailureCode::Damaged);
}

#[tokio::test]
async fn a_message_of_a_later_version_is_parked() {
    let world = World::new().await;
    let _converter = world.converter().await;
    let (id, _) = world.accept(&Sample::Mp4.bytes(FOUR_SECONDS).await, ConversionOptions::default()).await;
    let message = ConversionRequested {
        version: MESSAGE_VERSION + 1,
        job_id: id,
        video_fid: world.job(id).await.source.fid,
        mp3_fid: None,
        username: ada(),
    };
    world.broker.publish(Queue::Video, "later", &message).await.unwrap();
    let parked = async || world.broker.dead_depth(Queue::Video).await.unwrap() == 1;
    wait_until("the message is parked", SOON, parked).await;
    assert_eq!(world.job(id).await.status, JobStatus::Queued);
}
