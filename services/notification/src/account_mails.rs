//! Mails about accounts: what happens to one message of queue `account`.

use std::time::{Instant, SystemTime};

use broker::{Delivery, Verdict};
use contracts::{AccountMail, AccountMailContent};
use jobs::{AccountMailStore, JobStore, JobsError, MailClaim};
use lettre::message::Mailbox;
use service_kit::Chain;
use time::OffsetDateTime;
use tracing::Instrument as _;

use crate::letter::Letter;
use crate::mail::{self, MailError, Topic};
use crate::public_url::PublicUrl;
use crate::sending::{BUSY_DELAY, Claim, Right, Sender, record_failure};
use crate::templates::Templates;

/// Writes, sends and records the mails about accounts.
pub(crate) struct AccountMails {
    pub(crate) jobs: JobStore,
    pub(crate) sent: AccountMailStore,
    pub(crate) sender: Sender,
    pub(crate) templates: Templates,
    pub(crate) from: Mailbox,
    pub(crate) public_url: PublicUrl,
}

impl AccountMails {
    pub(crate) async fn deliver(&self, delivery: Delivery<AccountMail>) -> Verdict {
        let AccountMail { mail_id, content, .. } = &delivery.message;
        let span = tracing::info_span!("mail", mail.id = %mail_id, about = content.as_str());
        async {
            match self.claim_and_send(&delivery).await {
                Ok(verdict) => verdict,
                Err(error) => Verdict::Retry { reason: Chain(&error).to_string() },
            }
        }
        .instrument(span)
        .await
    }

    async fn claim_and_send(&self, delivery: &Delivery<AccountMail>) -> Result<Verdict, JobsError> {
        let AccountMail { mail_id, username, content, .. } = &delivery.message;
        // The id of a mail about an upload is the id of its job.
        if matches!(content, AccountMailContent::Submitted { .. })
            && self.jobs.get(mail_id.of_job()).await?.is_none()
        {
            tracing::info!("the job is gone, no mail is needed");
            return Ok(Verdict::Done);
        }
        let topic = Topic::Account { mail: *mail_id, about: content.as_str() };
        let (asked_at, lasts) = (Instant::now(), self.sender.lease);
        let claim = match self.sent.claim(*mail_id, lasts).await? {
            MailClaim::Claimed(lease) => {
                Claim::new(Right::Account(self.sent.clone(), lease), asked_at, lasts)
            }
            MailClaim::Busy => return Ok(Verdict::Defer { delay: BUSY_DELAY }),
            MailClaim::Settled => {
                tracing::info!("the mail has been sent or given up before");
                return Ok(Verdict::Done);
            }
        };
        let now = SystemTime::now();
        if content.expires_at().is_some_and(|at| at <= OffsetDateTime::from(now)) {
            tracing::warn!("the mail's link has expired before it could be sent");
            return record_failure(topic, &claim, "expired", "").await;
        }
        let letter = match Letter::about_account(&self.templates, content, &self.public_url) {
            Ok(letter) => letter,
            // Our own fault. The message can be replayed once it is fixed.
            Err(error) => {
                claim.release().await?;
                return Ok(Verdict::Reject { reason: Chain(&error).to_string() });
            }
        };
        match mail::assemble(letter, topic, &self.from, username, now) {
            Ok(message) => {
                self.sender.send_and_record(delivery.first_published_at, topic, &claim, &message).await
            }
            Err(error @ MailError::Address(_)) => {
                let error = Chain(&error).to_string();
                tracing::warn!(error, "no mail can be sent");
                record_failure(topic, &claim, "unsendable", &error).await
            }
            Err(error @ MailError::Assemble(_)) => {
                claim.release().await?;
                Ok(Verdict::Reject { reason: Chain(&error).to_string() })
            }
        }
    }
}
