use std::time::Duration;

use contracts::{Failure, FailureCode, JobStatus, Outcome, UserId};
use futures_util::StreamExt as _;
use jobs::{Accepted, Change, Claim, Deleted, NoticeClaim, Overdue, Retried, Search};

use crate::{A_MINUTE, A_WEEK, SOON, accepted, announced, audio, claimed, new_job, outcome_announced, store};

#[tokio::test]
async fn an_owner_sees_own_jobs_newest_first_and_no_others() {
    let store = store().await;
    let owner = UserId::generate();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(store.insert(new_job(owner)).await.unwrap().job.id);
    }
    let foreign = accepted(&store).await.job.id;
    ids.reverse();

    let seen = |jobs: Vec<contracts::Job>| jobs.into_iter().map(|job| job.id).collect::<Vec<_>>();
    assert_eq!(seen(store.list(owner, &Search::default(), None, 3).await.unwrap()), ids[..3]);
    assert_eq!(seen(store.list(owner, &Search::default(), Some(ids[2]), 3).await.unwrap()), ids[3..]);
    assert!(store.get_owned(owner, foreign).await.unwrap().is_none());
    assert!(store.get_owned(owner, ids[0]).await.unwrap().is_some());
}

#[tokio::test]
async fn deleting_cancels_first_and_removes_then() {
    let store = store().await;
    let owner = UserId::generate();
    let id = store.insert(new_job(owner)).await.unwrap().job.id;
    let lease = claimed(&store, id, A_MINUTE).await;

    assert!(matches!(store.delete(UserId::generate(), id).await.unwrap(), Deleted::NotFound));
    assert!(matches!(store.delete(owner, id).await.unwrap(), Deleted::Cancelled(_)));
    assert_eq!(store.get(id).await.unwrap().unwrap().job.status, JobStatus::Cancelled);
    assert!(!store.commit_converted(&lease, &audio(), A_WEEK, A_WEEK).await.unwrap());
    assert!(matches!(store.claim(id, "worker", A_MINUTE).await.unwrap(), Claim::Gone));

    assert!(matches!(store.delete(owner, id).await.unwrap(), Deleted::Removed(_)));
    assert!(store.get(id).await.unwrap().is_none());
    assert!(matches!(store.delete(owner, id).await.unwrap(), Deleted::NotFound));
}

#[tokio::test]
async fn a_search_finds_by_name_title_and_status_and_takes_nothing_for_a_pattern() {
    let store = store().await;
    let owner = UserId::generate();
    let insert = async |name: &str, title: Option<&str>| {
        let mut new = new_job(owner);
        name.clone_into(&mut new.source.name);
        new.options.title = title.map(|title| title.parse().unwrap());
        store.insert(new).await.unwrap().job.id
    };
    let lecture = insert("Über (1).mp4", None).await;
    let song = insert("b.mp4", Some("über allem")).await;
    let other = insert("$status.mp4", None).await;
    claimed(&store, other, A_MINUTE).await;
    let found = async |text: Option<&str>, status| {
        let search = Search { text: text.map(str::to_owned), status };
        let jobs = store.list(owner, &search, None, 10).await.unwrap();
        jobs.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(found(Some("ÜBER"), None).await, [song, lecture]);
    assert_eq!(found(Some("(1).M"), None).await, [lecture]);
    assert_eq!(found(Some("$"), None).await, [other]);
    assert_eq!(found(Some("."), None).await, [other, song, lecture]);
    for nothing in [".*", "^b", "b|c", "\\d", "[a-z]"] {
        assert_eq!(found(Some(nothing), None).await, [], "{nothing}");
    }
    assert_eq!(found(None, Some(JobStatus::Converting)).await, [other]);
    assert_eq!(found(Some("mp4"), Some(JobStatus::Queued)).await, [song, lecture]);
}

#[tokio::test]
async fn a_failed_job_is_tried_again_as_if_it_were_new() {
    let store = store().await;
    let owner = UserId::generate();
    let id = store.insert(new_job(owner)).await.unwrap().job.id;
    announced(&store, id).await;
    assert!(matches!(store.retry(owner, id).await.unwrap(), Retried::NotRetryable));
    let lease = claimed(&store, id, A_MINUTE).await;
    assert!(matches!(store.retry(owner, id).await.unwrap(), Retried::NotRetryable));
    assert!(store.commit_failed(&lease, &Failure::from(FailureCode::TimedOut), A_WEEK).await.unwrap());
    outcome_announced(&store, id).await;
    let NoticeClaim::Claimed(notice, _) = store.claim_notice(id, Outcome::Failed, A_MINUTE).await.unwrap()
    else {
        panic!("the notice is not free");
    };
    assert!(matches!(store.retry(UserId::generate(), id).await.unwrap(), Retried::NotFound));

    let Retried::Queued(record) = store.retry(owner, id).await.unwrap() else { panic!("not retried") };
    assert_eq!((record.job.status, record.job.attempts), (JobStatus::Queued, 0));
    assert_eq!((&record.job.error, record.job.expires_at, record.job.notices.len()), (&None, None, 0));
    assert!(
        !store.settle_notice(&notice, None).await.unwrap(),
        "the mail before is recorded as the next one's"
    );
    assert!(matches!(store.claim_notice(id, Outcome::Failed, A_MINUTE).await.unwrap(), NoticeClaim::Gone));
    assert!(matches!(store.retry(owner, id).await.unwrap(), Retried::NotRetryable));
    assert_eq!(store.expire(10).await.unwrap(), []);

    let lease = claimed(&store, id, A_MINUTE).await;
    assert!(store.commit_failed(&lease, &Failure::from(FailureCode::TimedOut), A_WEEK).await.unwrap());
    assert!(matches!(
        store.claim_notice(id, Outcome::Failed, A_MINUTE).await.unwrap(),
        NoticeClaim::Claimed(..)
    ));
}

#[tokio::test]
async fn a_failed_job_whose_time_is_over_stays_failed() {
    let store = store().await;
    let owner = UserId::generate();
    let id = store.insert(new_job(owner)).await.unwrap().job.id;
    let lease = claimed(&store, id, A_MINUTE).await;
    assert!(store.commit_failed(&lease, &Failure::from(FailureCode::Damaged), Duration::ZERO).await.unwrap());
    assert!(matches!(store.retry(owner, id).await.unwrap(), Retried::NotRetryable));
}

#[tokio::test]
async fn changes_of_jobs_are_told_as_they_happen_with_their_owner() {
    let store = store().await;
    let mut changes = std::pin::pin!(store.changes().await.unwrap());
    let owner = UserId::generate();
    let id = store.insert(new_job(owner)).await.unwrap().job.id;
    let mut next = async || tokio::time::timeout(SOON, changes.next()).await.unwrap().unwrap().unwrap();
    let told = Change { job: id, owner: Some(owner), is_removed: false };
    assert_eq!(next().await, told);
    assert!(matches!(store.delete(owner, id).await.unwrap(), Deleted::Cancelled(_)));
    // The server looks the owner up later: the job may be gone by then.
    assert_eq!(next().await, told);
    assert!(matches!(store.delete(owner, id).await.unwrap(), Deleted::Removed(_)));
    assert_eq!(next().await, Change { is_removed: true, ..told });
    assert_eq!(next().await, Change { job: id, owner: None, is_removed: false });
}

#[tokio::test]
async fn a_job_that_is_accepted_twice_is_one_job() {
    let store = store().await;
    let new = new_job(UserId::generate());
    let first = store.insert_once(new.clone()).await.unwrap().unwrap();
    claimed(&store, new.id, A_MINUTE).await;
    assert!(store.insert_once(new).await.unwrap().is_none());
    assert_eq!(store.get(first.job.id).await.unwrap().unwrap().job.status, JobStatus::Converting);
}

#[tokio::test]
async fn a_late_mark_of_the_run_before_says_nothing_about_a_retried_job() {
    let store = store().await;
    let record = accepted(&store).await;
    let (owner, id) = (record.owner.id, record.job.id);
    let lease = claimed(&store, id, A_MINUTE).await;
    store.commit_failed(&lease, &FailureCode::Damaged.into(), A_WEEK).await.unwrap();
    let failed = store.get(id).await.unwrap().unwrap();
    assert!(matches!(store.retry(owner, id).await.unwrap(), Retried::Queued(_)));

    // A converter that published both messages, and marks them only now.
    assert!(!store.mark_outcome_announced(&failed).await.unwrap());
    store.mark_announced(&failed).await.unwrap();
    let overdue = Overdue { lapsed: Duration::ZERO, unreported: Duration::ZERO, waiting: Duration::ZERO };
    let waiting = store.users_waiting(Duration::ZERO, 10);
    assert_eq!(waiting.await.unwrap(), [owner], "nobody was told of the second run yet");

    // The same for its outcome, when it fails again.
    let lease = claimed(&store, id, A_MINUTE).await;
    store.commit_failed(&lease, &FailureCode::Damaged.into(), A_WEEK).await.unwrap();
    assert!(!store.mark_outcome_announced(&failed).await.unwrap());
    let forgotten = test_kit::wait_until("the outcome is found", SOON, async || {
        store.take_forgotten(overdue).await.unwrap().map(|record| record.job.id)
    });
    assert_eq!(forgotten.await, id);
}

#[tokio::test]
async fn a_job_whose_owner_is_gone_is_taken_back_whatever_comes_first() {
    let store = store().await;
    let owner = UserId::generate();
    store.mark_erased(owner).await.unwrap();
    store.mark_erased(owner).await.unwrap();
    let new = new_job(owner);
    let id = new.id;
    assert!(matches!(store.accept(new).await.unwrap(), Accepted::OwnerErased));
    assert!(store.get(id).await.unwrap().is_none());

    // Both in parallel: either the erasure finds the job, or the job the erasure.
    for _ in 0..50 {
        let owner = UserId::generate();
        let erasure = async {
            store.mark_erased(owner).await.unwrap();
            for record in store.cancel_all(owner).await.unwrap() {
                store.erase(owner, record.job.id).await.unwrap();
            }
        };
        let _ = tokio::join!(store.accept(new_job(owner)), erasure);
        assert!(store.cancel_all(owner).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_a_crash_left_of_an_erased_account_is_found() {
    let store = store().await;
    let (with_job, with_usage, clean) = (UserId::generate(), UserId::generate(), UserId::generate());
    for owner in [with_job, with_usage, clean] {
        store.mark_erased(owner).await.unwrap();
    }
    store.insert(new_job(with_job)).await.unwrap();
    store.add_usage(with_usage, 1.0).await.unwrap();
    let mut expected = vec![with_job, with_usage];
    expected.sort_unstable();
    assert_eq!(store.left_of_erased(&[with_job, with_usage, clean]).await.unwrap(), expected);
}
