//! Erased accounts: an upload still under way for one of them must leave nothing, on any machine.
//!
//! An erasure is recorded first, and then searches the account's jobs. A job is inserted first, and then
//! searches an erasure. So one of the two finds the other, in any order. [`JobStore::left_of_erased`] finds
//! the leftovers of a crash in between.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use contracts::UserId;
use mongodb::bson::{Document, doc};
use mongodb::options::{CollectionOptions, IndexOptions, WriteConcern};
use mongodb::{Collection, IndexModel};
use uuid::Uuid;

use crate::store::within;
use crate::{JobStore, JobsError, NewJob, Record};

/// The result of accepting a job.
#[derive(Debug)]
pub enum Accepted {
    /// It is queued.
    Queued(Box<Record>),
    /// A job with its id existed already.
    Known,
    /// Its owner's account is erased, and so is the job. The caller deletes its file.
    OwnerErased,
}

/// A pseudonym for an account where its identifier must not remain: always the same, and used nowhere else.
#[must_use]
pub fn pseudonym(owner: UserId) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest(&SHA256, owner.to_string().as_bytes()).as_ref()[..16]);
    Uuid::from_bytes(bytes).to_string()
}

/// Longer than an upload may take.
const KEPT: Duration = Duration::from_hours(72);

impl JobStore {
    /// Accepts a job, unless its owner's account is erased or its id exists.
    pub async fn accept(&self, new: NewJob) -> Result<Accepted, JobsError> {
        let owner = new.owner.id;
        let Some(record) = self.insert_once(new).await? else { return Ok(Accepted::Known) };
        if self.is_erased(owner).await? {
            self.erase(owner, record.job.id).await?;
            return Ok(Accepted::OwnerErased);
        }
        Ok(Accepted::Queued(Box::new(record)))
    }

    /// Records that an account is erased. Call it before searching its jobs.
    pub async fn mark_erased(&self, owner: UserId) -> Result<(), JobsError> {
        let update = vec![doc! { "$set": { "at": "$$NOW" } }];
        let erased = self.erased();
        let mark = erased.update_one(doc! { "_id": pseudonym(owner) }, update).upsert(true);
        within(mark).await.map(drop)
    }

    /// Whether the account is erased.
    pub async fn is_erased(&self, owner: UserId) -> Result<bool, JobsError> {
        Ok(within(self.erased().find_one(doc! { "_id": pseudonym(owner) })).await?.is_some())
    }

    /// Those of these accounts that still have a job or a count of their usage.
    pub async fn left_of_erased(&self, erased: &[UserId]) -> Result<Vec<UserId>, JobsError> {
        let ids: Vec<String> = erased.iter().map(UserId::to_string).collect();
        let jobs =
            within(self.collection().distinct("owner.id", doc! { "owner.id": { "$in": &ids } })).await?;
        let counted = within(self.usage_by_day().distinct("user", doc! { "user": { "$in": &ids } })).await?;
        let mut left: Vec<UserId> =
            jobs.iter().chain(&counted).filter_map(|id| id.as_str()?.parse().ok()).collect();
        left.sort_unstable();
        left.dedup();
        Ok(left)
    }

    pub(crate) async fn ensure_erasure_index(&self) -> Result<(), JobsError> {
        let options = IndexOptions::builder().expire_after(KEPT).build();
        let by_age = IndexModel::builder().keys(doc! { "at": 1 }).options(options).build();
        within(self.erased().create_index(by_age)).await.map(drop)
    }

    fn erased(&self) -> Collection<Document> {
        let options = CollectionOptions::builder().write_concern(WriteConcern::majority()).build();
        self.database().collection_with_options("erased_accounts", options)
    }
}
