use std::time::Duration;

use contracts::{JobId, NoticeState, Outcome};
use jobs::{JobStore, NoticeClaim, NoticeLease};

use crate::{A_MINUTE, A_WEEK, SOON, accepted, audio, claimed, store};

async fn converted(store: &JobStore) -> JobId {
    let id = accepted(store).await.job.id;
    let lease = claimed(store, id, A_MINUTE).await;
    assert!(store.commit_converted(&lease, &audio(), A_WEEK, A_WEEK).await.unwrap());
    id
}

async fn claim(store: &JobStore, id: JobId, lasts: Duration) -> NoticeLease {
    match store.claim_notice(id, Outcome::Converted, lasts).await.unwrap() {
        NoticeClaim::Claimed(lease, _) => lease,
        other => panic!("not claimed: {other:?}"),
    }
}

#[tokio::test]
async fn a_mail_is_sent_by_one_and_once() {
    let store = store().await;
    let id = converted(&store).await;
    let lease = claim(&store, id, A_MINUTE).await;
    assert!(matches!(store.claim_notice(id, Outcome::Converted, A_MINUTE).await.unwrap(), NoticeClaim::Busy));
    assert!(store.renew_notice(&lease).await.unwrap());
    assert!(store.settle_notice(&lease, None).await.unwrap());
    assert!(matches!(
        store.claim_notice(id, Outcome::Converted, A_MINUTE).await.unwrap(),
        NoticeClaim::Settled
    ));
    let notices = store.get(id).await.unwrap().unwrap().job.notices;
    assert_eq!((notices.len(), notices[0].state), (1, NoticeState::Sent));
}

#[tokio::test]
async fn a_mail_that_was_given_back_or_whose_sender_died_is_sent_by_another() {
    let store = store().await;
    let id = converted(&store).await;
    let lease = claim(&store, id, A_MINUTE).await;
    assert!(store.release_notice(&lease).await.unwrap());

    let dead = claim(&store, id, Duration::ZERO).await;
    let next = test_kit::wait_until("the claim to run out", SOON, async || {
        match store.claim_notice(id, Outcome::Converted, A_MINUTE).await.unwrap() {
            NoticeClaim::Claimed(lease, _) => Ok(lease),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(!store.settle_notice(&dead, None).await.unwrap());
    assert!(store.settle_notice(&next, Some("$550 no such user")).await.unwrap());
    let notices = store.get(id).await.unwrap().unwrap().job.notices;
    assert_eq!(notices[0].state, NoticeState::Failed);
    assert_eq!(notices[0].error.as_deref(), Some("$550 no such user"));
}

#[tokio::test]
async fn there_is_nothing_to_tell_about_what_did_not_happen() {
    let store = store().await;
    let id = converted(&store).await;
    assert!(matches!(store.claim_notice(id, Outcome::Failed, A_MINUTE).await.unwrap(), NoticeClaim::Gone));
    let nobody = JobId::generate();
    assert!(matches!(
        store.claim_notice(nobody, Outcome::Converted, A_MINUTE).await.unwrap(),
        NoticeClaim::Gone
    ));
}
