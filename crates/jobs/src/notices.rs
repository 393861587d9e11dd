//! Notification's operations on a job: one mail for each outcome, however often its message is delivered.

use std::time::Duration;

use contracts::{JobId, NoticeState, Outcome};
use mongodb::bson::{Document, doc};

use crate::document::literal;
use crate::lease::Lease;
use crate::store::from_now;
use crate::{JobStore, JobsError, Record};

/// The right to send the mail about an outcome of a job.
pub type NoticeLease = Lease<(JobId, Outcome)>;

impl NoticeLease {
    fn field(&self, name: &str) -> String {
        field(self.of.1, name)
    }

    fn filter(&self) -> Document {
        doc! { "_id": self.of.0.to_string(), self.field("lease.token"): &self.token }
    }
}

fn field(outcome: Outcome, name: &str) -> String {
    format!("notices.{}.{name}", outcome.as_str())
}

/// The preference that an outcome's mail depends on.
fn mail_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Converted => "finished",
        Outcome::Failed => "failed",
    }
}

fn is_wanted(record: &Record, outcome: Outcome) -> bool {
    match outcome {
        Outcome::Converted => record.owner.mails.finished,
        Outcome::Failed => record.owner.mails.failed,
    }
}

/// The result of claiming a mail.
#[derive(Debug)]
pub enum NoticeClaim {
    /// The caller sends the mail.
    Claimed(NoticeLease, Box<Record>),
    /// Another process is sending it.
    Busy,
    /// It was sent or given up before.
    Settled,
    /// The owner wants no mail about this outcome.
    Unwanted,
    /// The job is deleted, or has another outcome: no mail is needed.
    Gone,
}

impl JobStore {
    /// Claims the mail about an outcome for one sender, unless it is settled or claimed.
    pub async fn claim_notice(
        &self,
        id: JobId,
        outcome: Outcome,
        lasts: Duration,
    ) -> Result<NoticeClaim, JobsError> {
        let lease = Lease::new((id, outcome), lasts);
        let until = format!("${}", lease.field("lease.until"));
        let sending = literal(&NoticeState::Sending)?;
        let wanted = format!("owner.mails.{}", mail_of(outcome));
        let filter = doc! {
            "_id": id.to_string(),
            "status": outcome.as_str(),
            // Also matches jobs from before this preference existed.
            wanted: { "$ne": false },
            // A missing state or lease compares less than every value.
            "$expr": { "$and": [
                { "$in": [{ "$ifNull": [format!("${}", lease.field("state")), "sending"] }, ["sending"]] },
                { "$lt": [until, "$$NOW"] },
            ] },
        };
        let set = doc! {
            lease.field("state"): sending,
            lease.field("at"): "$$NOW",
            lease.field("lease"): { "token": &lease.token, "worker": "notification", "until": from_now(lasts) },
        };
        if let Some(record) = self.change_and_get(filter, set).await? {
            return Ok(NoticeClaim::Claimed(lease, Box::new(record)));
        }
        let Some(record) = self.get(id).await? else { return Ok(NoticeClaim::Gone) };
        if record.job.status.outcome() != Some(outcome) {
            return Ok(NoticeClaim::Gone);
        }
        if !is_wanted(&record, outcome) {
            return Ok(NoticeClaim::Unwanted);
        }
        let notice = record.job.notices.iter().find(|notice| notice.outcome == outcome);
        Ok(match notice.map(|notice| notice.state) {
            Some(NoticeState::Sent | NoticeState::Failed) => NoticeClaim::Settled,
            Some(NoticeState::Sending) | None => NoticeClaim::Busy,
        })
    }

    /// Renews the claim while the mail server is slow. `false`: another sender has the mail.
    pub async fn renew_notice(&self, lease: &NoticeLease) -> Result<bool, JobsError> {
        self.change(lease.filter(), doc! { lease.field("lease.until"): from_now(lease.lasts) }).await
    }

    /// Releases the mail for a later try.
    pub async fn release_notice(&self, lease: &NoticeLease) -> Result<bool, JobsError> {
        self.change(lease.filter(), doc! { lease.field("lease"): "$$REMOVE" }).await
    }

    /// Records that the mail was sent, or given up with this error.
    pub async fn settle_notice(&self, lease: &NoticeLease, error: Option<&str>) -> Result<bool, JobsError> {
        let state = if error.is_none() { NoticeState::Sent } else { NoticeState::Failed };
        let mut set = doc! {
            lease.field("state"): literal(&state)?,
            lease.field("at"): "$$NOW",
            lease.field("lease"): "$$REMOVE",
        };
        if let Some(error) = error {
            set.insert(lease.field("error"), literal(&error)?);
        }
        self.change(lease.filter(), set).await
    }
}
