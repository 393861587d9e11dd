use std::time::Duration;

use contracts::{FailureCode, JobStatus};
use jobs::{JobStore, Overdue, Record};

use crate::{A_MINUTE, A_WEEK, SOON, accepted, announced, audio, claimed, outcome_announced, store};

const NEVER: Duration = Duration::from_hours(24);
const NOTHING: Overdue = Overdue { lapsed: NEVER, unreported: NEVER, waiting: NEVER };

/// The server's clock must pass the job's time by a millisecond before "older than zero" is true.
async fn taken(store: &JobStore, overdue: Overdue) -> Record {
    test_kit::wait_until("a job to be overdue", SOON, async || store.take_forgotten(overdue).await.unwrap())
        .await
}

#[tokio::test]
async fn an_announced_job_is_found_by_one_and_only_once_in_a_while_when_it_waits_too_long() {
    let store = store().await;
    let id = accepted(&store).await.job.id;
    let waiting = Overdue { waiting: Duration::ZERO, ..NOTHING };
    announced(&store, id).await;
    assert!(store.take_forgotten(NOTHING).await.unwrap().is_none());
    assert_eq!(taken(&store, waiting).await.job.id, id);
    assert!(store.take_forgotten(waiting).await.unwrap().is_none());
}

#[tokio::test]
async fn a_job_whose_converter_died_is_found_when_its_lease_has_run_out() {
    let store = store().await;
    let (dead, alive) = (accepted(&store).await.job.id, accepted(&store).await.job.id);
    claimed(&store, dead, Duration::ZERO).await;
    claimed(&store, alive, A_MINUTE).await;
    let lapsed = Overdue { lapsed: Duration::ZERO, ..NOTHING };
    assert_eq!(taken(&store, lapsed).await.job.id, dead);
    assert!(store.take_forgotten(lapsed).await.unwrap().is_none());
}

#[tokio::test]
async fn an_outcome_that_was_not_reported_is_found() {
    let store = store().await;
    let id = accepted(&store).await.job.id;
    let lease = claimed(&store, id, A_MINUTE).await;
    assert!(store.commit_failed(&lease, &FailureCode::Damaged.into(), A_WEEK).await.unwrap());
    let unreported = Overdue { unreported: Duration::ZERO, ..NOTHING };
    let record = taken(&store, unreported).await;
    assert_eq!((record.job.id, record.job.status), (id, JobStatus::Failed));

    let reported = accepted(&store).await.job.id;
    let lease = claimed(&store, reported, A_MINUTE).await;
    assert!(store.commit_failed(&lease, &FailureCode::Damaged.into(), A_WEEK).await.unwrap());
    outcome_announced(&store, reported).await;
    assert!(store.take_forgotten(unreported).await.unwrap().is_none());
}

#[tokio::test]
async fn a_job_expires_once_and_its_files_are_nobodys_then() {
    let store = store().await;
    let record = accepted(&store).await;
    let lease = claimed(&store, record.job.id, A_MINUTE).await;
    let audio = audio();
    assert!(store.commit_converted(&lease, &audio, Duration::ZERO, A_WEEK).await.unwrap());
    assert!(store.needs_mp3(audio.fid).await.unwrap());

    let expired = test_kit::wait_until("the job to expire", SOON, async || {
        store.expire(10).await.unwrap().first().copied()
    })
    .await;
    assert_eq!(
        (expired.job, expired.mp3, expired.video),
        (record.job.id, Some(audio.fid), record.job.source.fid)
    );
    assert!(store.expire(10).await.unwrap().is_empty());
    assert!(!store.needs_mp3(audio.fid).await.unwrap());
    assert_eq!(store.get(record.job.id).await.unwrap().unwrap().job.status, JobStatus::Expired);
}

#[tokio::test]
async fn a_video_is_due_for_deletion_until_it_is_marked_as_deleted() {
    let store = store().await;
    let record = accepted(&store).await;
    let lease = claimed(&store, record.job.id, A_MINUTE).await;
    assert!(store.needs_video(record.job.source.fid).await.unwrap());
    assert!(store.videos_due(10).await.unwrap().is_empty());
    assert!(store.commit_converted(&lease, &audio(), A_WEEK, Duration::ZERO).await.unwrap());
    let due = test_kit::wait_until("the video to be due", SOON, async || {
        store.videos_due(10).await.unwrap().first().copied()
    })
    .await;
    assert_eq!(due, (record.job.id, record.job.source.fid));
    store.mark_video_deleted(record.job.id).await.unwrap();
    assert!(store.videos_due(10).await.unwrap().is_empty());
    assert!(!store.needs_video(record.job.source.fid).await.unwrap());
}

#[tokio::test]
async fn a_job_is_forgotten_when_its_history_is_over_and_its_files_are_gone() {
    let store = store().await;
    let record = accepted(&store).await;
    store.delete(record.owner.id, record.job.id).await.unwrap();
    assert_eq!(store.forget(Duration::ZERO).await.unwrap(), 0);
    store.mark_video_deleted(record.job.id).await.unwrap();
    assert_eq!(store.forget(A_WEEK).await.unwrap(), 0);
    test_kit::wait_until("the job to be forgotten", SOON, async || {
        store.forget(Duration::ZERO).await.unwrap() == 1
    })
    .await;
}

#[tokio::test]
async fn an_mp3_is_kept_for_as_long_as_its_maker_can_commit_it() {
    let store = store().await;
    let job = accepted(&store).await.job.id;
    let lease = claimed(&store, job, Duration::ZERO).await;
    let (mine, anothers) = (audio(), audio());
    let may = async |audio: &contracts::Audio, lease: &jobs::ConversionLease| {
        store.may_commit(audio.fid, &lease.right()).await.unwrap()
    };
    // Its lease has expired, and no converter has taken the job: a commit would still succeed.
    assert!(may(&mine, &lease).await);
    let (successor, _) = crate::taken_over(&store, job).await;
    assert!(!may(&mine, &lease).await, "it can never be committed any more");
    assert!(may(&anothers, &successor).await);
    assert!(store.commit_converted(&successor, &anothers, A_WEEK, A_WEEK).await.unwrap());
    assert!(may(&anothers, &successor).await, "the job refers to it");
    assert!(!may(&mine, &successor).await);
    assert!(!store.may_commit(mine.fid, "").await.unwrap());
}

#[tokio::test]
async fn a_mail_of_acceptance_is_due_until_the_broker_has_it() {
    let store = store().await;
    let mut new = crate::new_job(contracts::UserId::generate());
    new.owner.mails.submitted = true;
    let id = store.insert(new).await.unwrap().job.id;
    accepted(&store).await;
    assert!(store.unwelcomed(A_MINUTE, 10).await.unwrap().is_empty());
    let due = test_kit::wait_until("it is due", SOON, async || {
        store.unwelcomed(Duration::ZERO, 10).await.unwrap().pop().map(|record| record.job.id)
    });
    assert_eq!(due.await, id);
    store.mark_welcomed(id).await.unwrap();
    assert!(store.unwelcomed(Duration::ZERO, 10).await.unwrap().is_empty());
}
