//! What notification does to a job: one mail for each outcome, whatever is delivered how often.

use std::time::Duration;

use contracts::{JobId, NoticeState, Outcome};
use mongodb::bson::{Document, doc};
use uuid::Uuid;

use crate::document::literal;
use crate::store::from_now;
use crate::{JobStore, JobsError, Record};

/// The right to send one mail, until it runs out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeLease {
    job: JobId,
    outcome: Outcome,
    token: String,
    lasts: Duration,
}

impl NoticeLease {
    fn field(&self, name: &str) -> String {
        field(self.outcome, name)
    }

    fn filter(&self) -> Document {
        doc! { "_id": self.job.to_string(), self.field("lease.token"): &self.token }
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

/// What notification finds when it wants to send a mail.
#[derive(Debug)]
pub enum NoticeClaim {
    /// The mail is the caller's to send.
    Claimed(NoticeLease, Box<Record>),
    /// Someone else is sending it.
    Busy,
    /// It was sent, or given up, before.
    Settled,
    /// The job's owner wants no mail about such an outcome.
    Unwanted,
    /// The job is deleted, or did not end like that: there is nothing to tell.
    Gone,
}

impl JobStore {
    /// Takes the mail about an outcome for one sender, unless it is settled or another is at it.
    pub async fn claim_notice(
        &self,
        id: JobId,
        outcome: Outcome,
        lasts: Duration,
    ) -> Result<NoticeClaim, JobsError> {
        let lease = NoticeLease { job: id, outcome, token: Uuid::new_v4().to_string(), lasts };
        let until = format!("${}", lease.field("lease.until"));
        let sending = literal(&NoticeState::Sending)?;
        let wanted = format!("owner.mails.{}", mail_of(outcome));
        let filter = doc! {
            "_id": id.to_string(),
            "status": outcome.as_str(),
            // Also jobs from before there was a choice.
            wanted: { "$ne": false },
            // A missing state or lease compares as less than every value.
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

    /// Keeps the mail for the sender while the mail server takes its time. `false`: someone else has it.
    pub async fn renew_notice(&self, lease: &NoticeLease) -> Result<bool, JobsError> {
        self.change(lease.filter(), doc! { lease.field("lease.until"): from_now(lease.lasts) }).await
    }

    /// Gives the mail back, for a later try.
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
