//! The state machine against a real MongoDB.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod account_mails;
mod conversion;
mod notices;
mod ownership;
mod reconcile;
mod turns;

use std::time::Duration;

use contracts::{
    Audio, AudioFormat, ConversionOptions, FileId, JobId, Mp3Fid, Owner, Source, UserId, VideoFid,
};
use databases::{Databases, MongoConfig};
use jobs::{Claim, ConversionLease, JobStore, NewJob, Record};

pub(crate) const SOON: Duration = Duration::from_secs(20);
pub(crate) const A_MINUTE: Duration = Duration::from_mins(1);
pub(crate) const A_WEEK: Duration = Duration::from_hours(7 * 24);

pub(crate) async fn store() -> JobStore {
    let config = MongoConfig {
        url: test_kit::shared().mongodb_url.clone().into(),
        database_prefix: format!("{}_", test_kit::unique_name("jobs")),
    };
    let store = JobStore::new(Databases::connect(&config).await.unwrap().mixdown());
    store.ensure_indexes().await.unwrap();
    store
}

pub(crate) fn new_job(owner: UserId) -> NewJob {
    let id = JobId::generate();
    NewJob {
        id,
        owner: Owner {
            id: owner,
            email: "ada@example.org".parse().unwrap(),
            mails: contracts::MailPreferences::default(),
        },
        source: Source {
            fid: VideoFid(file_id()),
            // A text that an aggregation would read as a field.
            name: "$status.mp4".to_owned(),
            bytes: 5_000_000_000,
            duration_seconds: None,
            declared_seconds: None,
            audio_tracks: Vec::new(),
        },
        options: ConversionOptions::default(),
    }
}

pub(crate) fn audio() -> Audio {
    Audio {
        fid: Mp3Fid(file_id()),
        bytes: 1_000,
        duration_seconds: 2.5,
        begins_at_seconds: 0.0,
        tracks: vec![0],
        bitrate_bps: 190_000,
        format: AudioFormat::Mp3,
        is_copy: false,
        has_cover: false,
        loudness: None,
    }
}

/// A file id that no other test uses.
fn file_id() -> FileId {
    let text = JobId::generate().to_string().replace('-', "");
    text[8..].parse().unwrap()
}

pub(crate) async fn accepted(store: &JobStore) -> Record {
    store.insert(new_job(UserId::generate())).await.unwrap()
}

/// Marks the current run of a job as announced.
pub(crate) async fn announced(store: &JobStore, id: JobId) {
    store.mark_announced(&store.get(id).await.unwrap().unwrap()).await.unwrap();
}

/// Marks the current outcome of a job as announced.
pub(crate) async fn outcome_announced(store: &JobStore, id: JobId) {
    let record = store.get(id).await.unwrap().unwrap();
    assert!(store.mark_outcome_announced(&record).await.unwrap());
}

pub(crate) async fn claimed(store: &JobStore, id: JobId, lasts: Duration) -> ConversionLease {
    match store.claim(id, "worker", lasts).await.unwrap() {
        Claim::Claimed(lease, _) => lease,
        other => panic!("not claimed: {other:?}"),
    }
}

/// Takes the job over from a holder whose lease has no duration.
pub(crate) async fn taken_over(store: &JobStore, id: JobId) -> (ConversionLease, Box<Record>) {
    test_kit::wait_until("the lease to run out", SOON, async || {
        match store.claim(id, "the next worker", A_MINUTE).await.unwrap() {
            Claim::Claimed(lease, record) => Ok((lease, record)),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}
