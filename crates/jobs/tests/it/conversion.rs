use std::time::Duration;

use contracts::{AudioTrack, FailureCode, JobId, JobStatus, Outcome, Phase, Progress, SourceFacts};
use jobs::Claim;

use crate::{A_MINUTE, A_WEEK, accepted, audio, claimed, store, taken_over};

fn encoding(ratio: f64) -> Progress {
    Progress { phase: Phase::Encoding, ratio }
}

#[tokio::test]
async fn a_job_goes_from_queued_to_converted() {
    let store = store().await;
    let id = accepted(&store).await.job.id;
    let lease = claimed(&store, id, A_MINUTE).await;

    let track = AudioTrack {
        codec: "aac".to_owned(),
        channels: 2,
        sample_rate_hz: 44_100,
        language: Some("$eng".to_owned()),
    };
    let facts = SourceFacts {
        duration_seconds: Some(2.5),
        declared_seconds: Some(4.0),
        audio_tracks: vec![track.clone()],
    };
    assert!(store.report(&lease, &encoding(0.5), Some(&facts)).await.unwrap());
    let job = store.get(id).await.unwrap().unwrap().job;
    assert_eq!((job.status, job.attempts, job.progress.ratio), (JobStatus::Converting, 1, 0.5));
    assert_eq!((job.source.duration_seconds, job.source.audio_tracks), (Some(2.5), vec![track]));
    assert_eq!((job.source.name.as_str(), job.source.bytes), ("$status.mp4", 5_000_000_000));

    let audio = audio();
    assert!(store.commit_converted(&lease, &audio, A_WEEK, Duration::ZERO).await.unwrap());
    let job = store.get(id).await.unwrap().unwrap().job;
    assert_eq!(
        (job.status, job.audio.as_ref(), job.progress.phase),
        (JobStatus::Converted, Some(&audio), Phase::Done)
    );
    let kept = job.expires_at.unwrap() - job.updated_at;
    assert_eq!(kept.whole_days(), 7);
    assert_eq!(store.find_by_mp3(audio.fid).await.unwrap().unwrap().job.id, id);
}

#[tokio::test]
async fn a_job_under_a_live_lease_is_nobody_elses() {
    let store = store().await;
    let id = accepted(&store).await.job.id;
    claimed(&store, id, A_MINUTE).await;
    assert!(matches!(store.claim(id, "another", A_MINUTE).await.unwrap(), Claim::Busy));
}

#[tokio::test]
async fn of_many_claims_at_once_one_wins() {
    let store = store().await;
    let id = accepted(&store).await.job.id;
    let claims: Vec<_> = (0..16)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.claim(id, "one of many", A_MINUTE).await.unwrap() })
        })
        .collect();
    let mut winners = 0;
    for claim in claims {
        winners += u32::from(matches!(claim.await.unwrap(), Claim::Claimed(..)));
    }
    assert_eq!(winners, 1);
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_can_change_nothing() {
    let store = store().await;
    let id = accepted(&store).await.job.id;
    let dead = claimed(&store, id, Duration::ZERO).await;
    let (lease, record) = taken_over(&store, id).await;
    assert_eq!(record.job.attempts, 2);

    assert!(!store.report(&dead, &encoding(0.9), None).await.unwrap());
    assert!(!store.commit_converted(&dead, &audio(), A_WEEK, Duration::ZERO).await.unwrap());
    assert!(!store.commit_failed(&dead, &FailureCode::Damaged.into(), A_WEEK).await.unwrap());
    assert!(!store.release(&dead).await.unwrap());
    assert!(!store.set_back(&dead).await.unwrap());
    assert!(store.report(&lease, &encoding(0.1), None).await.unwrap());
}

#[tokio::test]
async fn a_released_job_has_lost_no_attempt_and_a_set_back_one_has() {
    let store = store().await;
    let id = accepted(&store).await.job.id;
    let lease = claimed(&store, id, A_MINUTE).await;
    assert!(store.release(&lease).await.unwrap());
    let job = store.get(id).await.unwrap().unwrap().job;
    assert_eq!((job.status, job.attempts), (JobStatus::Queued, 0));

    let lease = claimed(&store, id, A_MINUTE).await;
    assert!(store.set_back(&lease).await.unwrap());
    let job = store.get(id).await.unwrap().unwrap().job;
    assert_eq!((job.status, job.attempts), (JobStatus::Queued, 1));
}

#[tokio::test]
async fn a_finished_job_is_recognised_when_its_message_comes_again() {
    let store = store().await;
    let id = accepted(&store).await.job.id;
    let lease = claimed(&store, id, A_MINUTE).await;
    assert!(store.commit_failed(&lease, &FailureCode::NoAudioTrack.into(), A_WEEK).await.unwrap());
    let Claim::Finished(Outcome::Failed, record) = store.claim(id, "again", A_MINUTE).await.unwrap() else {
        panic!("not recognised")
    };
    assert_eq!(record.job.error.unwrap().code, FailureCode::NoAudioTrack);
    assert!(matches!(store.claim(JobId::generate(), "worker", A_MINUTE).await.unwrap(), Claim::Gone));
}
