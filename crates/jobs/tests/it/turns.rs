use std::num::NonZeroU16;
use std::time::Duration;

use contracts::{FailureCode, JobId, UserId};
use jobs::{JobStore, Usage};

use crate::{A_MINUTE, A_WEEK, SOON, announced, audio, claimed, new_job, store};

const TWO: NonZeroU16 = NonZeroU16::new(2).unwrap();

async fn insert(store: &JobStore, owner: UserId) -> JobId {
    store.insert(new_job(owner)).await.unwrap().job.id
}

async fn next(store: &JobStore, owner: UserId) -> Option<JobId> {
    store.next_turn(owner, TWO).await.unwrap().map(|record| record.job.id)
}

#[tokio::test]
async fn a_users_jobs_take_turns_and_do_not_hold_up_anothers() {
    let store = store().await;
    let (many, one) = (UserId::generate(), UserId::generate());
    let mut jobs = Vec::new();
    for _ in 0..4 {
        jobs.push(insert(&store, many).await);
    }
    for job in &jobs[..2] {
        assert_eq!(next(&store, many).await, Some(*job));
        announced(&store, *job).await;
    }
    assert_eq!(next(&store, many).await, None);
    let other = insert(&store, one).await;
    assert_eq!(next(&store, one).await, Some(other));

    // A job counts until its conversion ends.
    let lease = claimed(&store, jobs[0], A_MINUTE).await;
    assert_eq!(next(&store, many).await, None);
    assert!(store.commit_failed(&lease, &FailureCode::Damaged.into(), A_WEEK).await.unwrap());
    assert_eq!(next(&store, many).await, Some(jobs[2]));
    store.delete(many, jobs[1]).await.unwrap();
    announced(&store, jobs[2]).await;
    assert_eq!(next(&store, many).await, Some(jobs[3]));
}

#[tokio::test]
async fn users_are_waiting_until_all_their_jobs_are_announced() {
    let store = store().await;
    let owner = UserId::generate();
    let job = insert(&store, owner).await;
    insert(&store, owner).await;
    assert!(store.users_waiting(A_MINUTE, 10).await.unwrap().is_empty());
    let users = test_kit::wait_until("the user to be waiting", SOON, async || {
        let users = store.users_waiting(Duration::ZERO, 10).await.unwrap();
        users.first().copied()
    });
    assert_eq!(users.await, owner);
    announced(&store, job).await;
    assert_eq!(store.users_waiting(Duration::ZERO, 10).await.unwrap(), [owner]);
    announced(&store, next(&store, owner).await.unwrap()).await;
    assert!(store.users_waiting(Duration::ZERO, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn usage_is_what_is_stored_and_waits_and_was_converted_today() {
    let store = store().await;
    let owner = UserId::generate();
    assert_eq!(store.usage(owner).await.unwrap(), Usage::default());
    let done = insert(&store, owner).await;
    insert(&store, owner).await;
    insert(&store, UserId::generate()).await;
    let lease = claimed(&store, done, A_MINUTE).await;
    assert!(store.commit_converted(&lease, &audio(), A_WEEK, A_WEEK).await.unwrap());
    store.add_usage(owner, 2.5).await.unwrap();
    store.add_usage(owner, 2.0).await.unwrap();
    store.settle_usage(done).await.unwrap();
    store.settle_usage(done).await.unwrap();
    let usage = Usage {
        stored_bytes: 10_000_001_000,
        unfinished_jobs: 1,
        seconds_today: 7.0,
        // A video of 5 GB and unknown length.
        reserved_seconds: 20_000.0,
    };
    assert_eq!(store.usage(owner).await.unwrap(), usage);

    store.mark_video_deleted(done).await.unwrap();
    assert_eq!(store.usage(owner).await.unwrap().stored_bytes, 5_000_001_000);
    store.delete(owner, done).await.unwrap();
    let usage = Usage { stored_bytes: 5_000_000_000, ..usage };
    assert_eq!(store.usage(owner).await.unwrap(), usage);
}

#[tokio::test]
async fn a_job_is_counted_once_whatever_a_crash_leaves_and_failures_cost_what_they_used() {
    let store = store().await;
    let owner = UserId::generate();
    let seconds = async || store.usage(owner).await.unwrap();
    let job = insert(&store, owner).await;
    assert_eq!((seconds().await.reserved_seconds, seconds().await.seconds_today), (20_000.0, 0.0));
    let lease = claimed(&store, job, A_MINUTE).await;
    let found = contracts::SourceFacts {
        duration_seconds: Some(600.0),
        declared_seconds: None,
        audio_tracks: Vec::new(),
    };
    let progress = contracts::Progress { phase: contracts::Phase::Encoding, ratio: 0.5 };
    assert!(store.report(&lease, &progress, Some(&found)).await.unwrap());
    assert_eq!((seconds().await.reserved_seconds, seconds().await.seconds_today), (600.0, 0.0));

    // The converter dies right after the commit.
    assert!(store.commit_failed(&lease, &FailureCode::Damaged.into(), A_WEEK).await.unwrap());
    assert_eq!((seconds().await.reserved_seconds, seconds().await.seconds_today), (300.0, 0.0));
    assert_eq!(store.unsettled(10).await.unwrap(), [job]);
    // Its owner is faster than the reconciler.
    assert!(matches!(store.retry(owner, job).await.unwrap(), jobs::Retried::Queued(_)));
    assert_eq!((seconds().await.reserved_seconds, seconds().await.seconds_today), (600.0, 300.0));
    let lease = claimed(&store, job, A_MINUTE).await;
    assert!(store.commit_converted(&lease, &audio(), A_WEEK, A_WEEK).await.unwrap());
    store.delete(owner, job).await.unwrap();
    assert_eq!((seconds().await.reserved_seconds, seconds().await.seconds_today), (0.0, 302.5));
    assert!(store.unsettled(10).await.unwrap().is_empty());
}
