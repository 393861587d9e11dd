//! Mails about jobs that have ended: what happens to one message of queue `mp3`.

use std::time::{Duration, Instant, SystemTime};

use broker::{Delivery, Verdict};
use contracts::{ConversionFinished, LinkKey, Outcome, SignedLink};
use jobs::{JobStore, JobsError, NoticeClaim, Record};
use lettre::Message;
use lettre::message::Mailbox;
use service_kit::Chain;
use time::OffsetDateTime;
use tracing::Instrument as _;

use crate::letter::{Download, Letter};
use crate::mail::{self, MailError, Topic};
use crate::public_url::PublicUrl;
use crate::sending::{BUSY_DELAY, Claim, Right, Sender, record_failure};
use crate::templates::{TemplateError, Templates};
use crate::wording::VideoName;

/// Writes, sends and records the mails about jobs.
pub(crate) struct OutcomeMails {
    pub(crate) jobs: JobStore,
    pub(crate) sender: Sender,
    pub(crate) templates: Templates,
    pub(crate) from: Mailbox,
    pub(crate) links: LinkKey,
    pub(crate) link_lifetime: Duration,
    pub(crate) public_url: PublicUrl,
}

/// Why no mail can be sent about a claimed job.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error("the file expired before the mail could be sent")]
    Expired,
    #[error("the job's record does not say how it ended")]
    Incomplete,
    #[error("could not write the letter")]
    Letter(#[from] TemplateError),
    #[error("could not put the mail together")]
    Mail(#[from] MailError),
}

impl OutcomeMails {
    pub(crate) async fn deliver(&self, delivery: Delivery<ConversionFinished>) -> Verdict {
        let ConversionFinished { job_id, outcome, .. } = &delivery.message;
        let span = tracing::info_span!("mail", job.id = %job_id, outcome = outcome.as_str());
        async {
            match self.claim_and_send(&delivery).await {
                Ok(verdict) => verdict,
                Err(error) => Verdict::Retry { reason: Chain(&error).to_string() },
            }
        }
        .instrument(span)
        .await
    }

    async fn claim_and_send(&self, delivery: &Delivery<ConversionFinished>) -> Result<Verdict, JobsError> {
        let ConversionFinished { job_id, outcome, username, .. } = &delivery.message;
        let (asked_at, lasts) = (Instant::now(), self.sender.lease);
        let (claim, record) = match self.jobs.claim_notice(*job_id, *outcome, lasts).await? {
            NoticeClaim::Claimed(lease, record) => {
                (Claim::new(Right::Outcome(self.jobs.clone(), lease), asked_at, lasts), record)
            }
            NoticeClaim::Busy => return Ok(Verdict::Defer { delay: BUSY_DELAY }),
            NoticeClaim::Settled => {
                tracing::info!("the mail has been sent or given up before");
                return Ok(Verdict::Done);
            }
            NoticeClaim::Unwanted => {
                tracing::info!("the owner wants no mail about this");
                return Ok(Verdict::Done);
            }
            NoticeClaim::Gone => {
                tracing::info!("the job is gone, no mail is needed");
                return Ok(Verdict::Done);
            }
        };
        if record.owner.email != *username {
            tracing::info!("the message names another address than the job has now, which is used");
        }
        let topic = Topic::Outcome { job: *job_id, outcome: *outcome, retries: record.retries };
        match self.write(topic, *outcome, &record) {
            Ok(message) => {
                self.sender.send_and_record(delivery.first_published_at, topic, &claim, &message).await
            }
            Err(error @ (WriteError::Expired | WriteError::Mail(MailError::Address(_)))) => {
                let error = Chain(&error).to_string();
                tracing::warn!(error, "no mail can be sent");
                record_failure(topic, &claim, "unsendable", &error).await
            }
            // Our own fault. The mail is not settled, so that the message can be replayed once it is fixed.
            Err(
                error @ (WriteError::Incomplete
                | WriteError::Letter(_)
                | WriteError::Mail(MailError::Assemble(_))),
            ) => {
                claim.release().await?;
                Ok(Verdict::Reject { reason: Chain(&error).to_string() })
            }
        }
    }

    /// The mail about the job, with the signed link.
    fn write(&self, topic: Topic, outcome: Outcome, record: &Record) -> Result<Message, WriteError> {
        let now = SystemTime::now();
        let name = VideoName::new(&record.job.source.name);
        let letter = match outcome {
            Outcome::Converted => {
                let audio = record.job.audio.as_ref().ok_or(WriteError::Incomplete)?;
                let file_expires_at = record.job.expires_at;
                let link_expires_at = self.link_expiry(now.into(), file_expires_at)?;
                let link = self.links.sign(SignedLink { fid: audio.fid, expires_at: link_expires_at });
                let link = self.public_url.download(&link);
                let download = Download { link: &link, link_expires_at, file_expires_at };
                Letter::converted(&self.templates, &name, audio, download)?
            }
            Outcome::Failed => {
                let failure = record.job.error.as_ref().ok_or(WriteError::Incomplete)?;
                Letter::failed(&self.templates, &name, failure)?
            }
        };
        Ok(mail::assemble(letter, topic, &self.from, &record.owner.email, now)?)
    }

    /// A link must not outlive its file: a 404 would look like a fault.
    fn link_expiry(
        &self,
        now: OffsetDateTime,
        file_expires_at: Option<OffsetDateTime>,
    ) -> Result<OffsetDateTime, WriteError> {
        let by_lifetime = now.saturating_add(self.link_lifetime.try_into().unwrap_or(time::Duration::MAX));
        let expires_at = file_expires_at.map_or(by_lifetime, |file| by_lifetime.min(file));
        if expires_at > now { Ok(expires_at) } else { Err(WriteError::Expired) }
    }
}
