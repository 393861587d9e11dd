use contracts::{JobId, JobStatus, UserId};
use futures_util::StreamExt as _;
use jobs::{Claim, Deleted};

use crate::{A_MINUTE, A_WEEK, SOON, accepted, audio, claimed, new_job, store};

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
    assert_eq!(seen(store.list(owner, None, 3).await.unwrap()), ids[..3]);
    assert_eq!(seen(store.list(owner, Some(ids[2]), 3).await.unwrap()), ids[3..]);
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
async fn changes_of_jobs_are_told_as_they_happen() {
    let store = store().await;
    let mut changes = std::pin::pin!(store.changes().await.unwrap());
    let id = accepted(&store).await.job.id;
    claimed(&store, id, A_MINUTE).await;
    let next = async || changes.next().await.unwrap().unwrap();
    let told: [JobId; 2] = tokio::time::timeout(SOON, async {
        let mut next = next;
        [next().await, next().await]
    })
    .await
    .unwrap();
    assert_eq!(told, [id, id]);
}
