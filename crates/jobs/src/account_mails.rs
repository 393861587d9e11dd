//! Which mails about accounts were sent. Each is sent once, however often its message is delivered. No
//! address or token is stored.

use std::time::Duration;

use contracts::MailId;
use mongodb::bson::{DateTime, Document, doc};
use mongodb::error::{ErrorKind, WriteFailure};
use mongodb::options::{CollectionOptions, IndexOptions, WriteConcern};
use mongodb::{Collection, Database, IndexModel};

use crate::JobsError;
use crate::lease::Lease;
use crate::store::{from_now, within};

/// The mails that were or are being sent: collection `account_mails`.
#[derive(Debug, Clone)]
pub struct AccountMailStore(Collection<Document>);

/// The right to send one mail.
pub type MailLease = Lease<MailId>;

/// The result of claiming a mail.
#[derive(Debug, PartialEq, Eq)]
pub enum MailClaim {
    /// The caller sends the mail.
    Claimed(MailLease),
    /// Another process is sending it.
    Busy,
    /// It was sent or given up before.
    Settled,
}

/// Longer than a message is retried, or lies among the dead letters before an operator looks.
const KEPT: Duration = Duration::from_hours(30 * 24);

impl MailLease {
    fn filter(&self) -> Document {
        doc! { "_id": self.of.to_string(), "lease.token": &self.token }
    }
}

impl AccountMailStore {
    pub(crate) fn new(database: &Database) -> Self {
        let options = CollectionOptions::builder().write_concern(WriteConcern::majority()).build();
        Self(database.collection_with_options("account_mails", options))
    }

    /// Creates the index that deletes old entries.
    pub async fn ensure_indexes(&self) -> Result<(), JobsError> {
        let options = IndexOptions::builder().expire_after(KEPT).build();
        let index = IndexModel::builder().keys(doc! { "at": 1 }).options(options).build();
        within(self.0.create_index(index)).await.map(drop)
    }

    /// Claims a mail for one sender, unless it is settled or claimed.
    pub async fn claim(&self, mail: MailId, lasts: Duration) -> Result<MailClaim, JobsError> {
        let lease = Lease::new(mail, lasts);
        let set = vec![doc! { "$set": {
            "is_settled": false,
            "at": "$$NOW",
            "lease": { "token": &lease.token, "until": from_now(lasts) },
        } }];
        let free = doc! {
            "_id": mail.to_string(),
            "is_settled": false,
            "$expr": { "$lt": ["$lease.until", "$$NOW"] },
        };
        if within(self.0.update_one(free, set.clone())).await?.matched_count == 1 {
            return Ok(MailClaim::Claimed(lease));
        }
        // Matches no existing mail: the update inserts one, or fails on the unique key.
        let unknown = doc! { "_id": mail.to_string(), "is_settled": "unknown" };
        match within(self.0.update_one(unknown, set).upsert(true)).await {
            Ok(_) => Ok(MailClaim::Claimed(lease)),
            Err(JobsError::Database(error)) if is_duplicate(&error) => {
                let known = within(self.0.find_one(doc! { "_id": mail.to_string() })).await?;
                let is_settled = known.and_then(|known| known.get_bool("is_settled").ok()).unwrap_or(false);
                Ok(if is_settled { MailClaim::Settled } else { MailClaim::Busy })
            }
            Err(error) => Err(error),
        }
    }

    /// Renews the claim while the mail server is slow. `false`: another sender has the mail.
    pub async fn renew(&self, lease: &MailLease) -> Result<bool, JobsError> {
        self.change(lease, doc! { "lease.until": from_now(lease.lasts) }).await
    }

    /// Releases the mail for a later try.
    pub async fn release(&self, lease: &MailLease) -> Result<bool, JobsError> {
        self.change(lease, doc! { "lease.until": DateTime::from_millis(0) }).await
    }

    /// Records that the mail was sent or given up.
    pub async fn settle(&self, lease: &MailLease) -> Result<bool, JobsError> {
        self.change(lease, doc! { "is_settled": true, "at": "$$NOW", "lease": "$$REMOVE" }).await
    }

    /// Deletes the record of a mail.
    pub async fn forget(&self, mail: MailId) -> Result<(), JobsError> {
        within(self.0.delete_one(doc! { "_id": mail.to_string() })).await.map(drop)
    }

    async fn change(&self, lease: &MailLease, set: Document) -> Result<bool, JobsError> {
        let update = within(self.0.update_one(lease.filter(), vec![doc! { "$set": set }])).await?;
        Ok(update.matched_count == 1)
    }
}

/// The unique key exists: the document that the upsert would insert is there.
fn is_duplicate(error: &mongodb::error::Error) -> bool {
    const DUPLICATE_KEY: i32 = 11000;
    matches!(&*error.kind, ErrorKind::Write(WriteFailure::WriteError(error)) if error.code == DUPLICATE_KEY)
}
