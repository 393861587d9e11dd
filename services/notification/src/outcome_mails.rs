//! Mails about jobs that have ended: what happens to one message of queue `mp3`.

use std::time::{Duration, SystemTime};

use backon::{ExponentialBuilder, Retryable as _};
use broker::{Delivery, Verdict};
use contracts::{ConversionFinished, LinkKey, Outcome, SignedLink};
use jobs::{JobStore, JobsError, NoticeClaim, NoticeLease, Record};
use lettre::Message;
use lettre::message::Mailbox;
use service_kit::Chain;
use time::OffsetDateTime;
use tracing::Instrument as _;

use crate::letter::{Download, Letter};
use crate::mail::{self, MailError, Topic};
use crate::mailer::Mailer;
use crate::public_url::PublicUrl;
use crate::send_error::{Outlook, SendError, Step};
use crate::templates::{TemplateError, Templates};
use crate::wording::VideoName;

/// How long a sender that died keeps others from its mail.
const LEASE: Duration = Duration::from_mins(1);

/// Leaves two more tries before the lease runs out.
const RENEWAL: Duration = Duration::from_secs(20);

/// Where someone else is at the mail. They either settle it or die, and then the lease ends.
const BUSY_DELAY: Duration = Duration::from_secs(10);

/// How long the record of a mail that was sent is tried. A second mail is the price of giving up, so it is long;
/// together with the sending it stays below the broker's 30 minutes for an acknowledgement.
const RECORD_PATIENCE: Duration = Duration::from_mins(10);

/// Writes, sends and records the mails about jobs.
pub(crate) struct OutcomeMails {
    pub(crate) jobs: JobStore,
    pub(crate) mailer: Mailer,
    pub(crate) templates: Templates,
    pub(crate) from: Mailbox,
    pub(crate) links: LinkKey,
    pub(crate) link_lifetime: Duration,
    pub(crate) public_url: PublicUrl,
    pub(crate) give_up_after: Duration,
}

/// There is no mail to send about a job that was claimed.
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

/// What became of one attempt to send.
enum Attempt {
    Taken,
    Refused(SendError),
    /// The claim is not ours any more.
    Lost,
}

impl Attempt {
    /// Says in a metric whether the mail server could be talked to: it does not count for readiness, because a
    /// notification that takes no messages would not help.
    fn report_server(&self) {
        let is_up = match self {
            Self::Refused(error) if error.step == Step::Open => 0.0,
            Self::Taken | Self::Refused(_) => 1.0,
            Self::Lost => return,
        };
        metrics::gauge!("mixdown_mail_server_up").set(is_up);
    }
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
        let topic = Topic { job: *job_id, outcome: *outcome };
        let (lease, record) = match self.jobs.claim_notice(topic.job, topic.outcome, LEASE).await? {
            NoticeClaim::Claimed(lease, record) => (lease, record),
            NoticeClaim::Busy => return Ok(Verdict::Defer { delay: BUSY_DELAY }),
            NoticeClaim::Settled => {
                tracing::info!("the mail has been sent or given up before");
                return Ok(Verdict::Done);
            }
            NoticeClaim::Gone => {
                tracing::info!("the job is gone, there is nothing to tell");
                return Ok(Verdict::Done);
            }
        };
        if record.owner.email != *username {
            tracing::warn!("the message names another address than the job, the job's is used");
        }
        match self.write(topic, &record) {
            Ok(message) => self.send_and_record(delivery, topic, &lease, &message).await,
            Err(error @ (WriteError::Expired | WriteError::Mail(MailError::Address(_)))) => {
                let error = Chain(&error).to_string();
                tracing::warn!(error, "there can be no mail");
                self.record_failure(topic, &lease, "unsendable", &error).await
            }
            // A fault of ours. The mail is not settled, so that the message can be put back once it is mended.
            Err(
                error @ (WriteError::Incomplete
                | WriteError::Letter(_)
                | WriteError::Mail(MailError::Assemble(_))),
            ) => {
                self.jobs.release_notice(&lease).await?;
                Ok(Verdict::Reject { reason: Chain(&error).to_string() })
            }
        }
    }

    /// The mail that the job's record calls for, signed link and all.
    fn write(&self, topic: Topic, record: &Record) -> Result<Message, WriteError> {
        let now = SystemTime::now();
        let name = VideoName::new(&record.job.source.name);
        let letter = match topic.outcome {
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

    /// A link must not outlive its file: a 404 would look like our mistake.
    fn link_expiry(
        &self,
        now: OffsetDateTime,
        file_expires_at: Option<OffsetDateTime>,
    ) -> Result<OffsetDateTime, WriteError> {
        let by_lifetime = now.saturating_add(self.link_lifetime.try_into().unwrap_or(time::Duration::MAX));
        let expires_at = file_expires_at.map_or(by_lifetime, |file| by_lifetime.min(file));
        if expires_at > now { Ok(expires_at) } else { Err(WriteError::Expired) }
    }

    async fn send_and_record(
        &self,
        delivery: &Delivery<ConversionFinished>,
        topic: Topic,
        lease: &NoticeLease,
        message: &Message,
    ) -> Result<Verdict, JobsError> {
        let attempt = self.send_while_claimed(lease, message).await;
        attempt.report_server();
        match attempt {
            Attempt::Taken => {
                count(topic.outcome, "sent");
                tracing::info!("the mail server took the mail");
                self.record(lease, None).await
            }
            Attempt::Lost => {
                count(topic.outcome, "lost");
                tracing::warn!("another sender has taken over this mail, or the job is gone");
                Ok(Verdict::Defer { delay: BUSY_DELAY })
            }
            Attempt::Refused(error) => {
                let answer = error.answer();
                let waited = OffsetDateTime::now_utc() - delivery.first_published_at;
                match error.outlook() {
                    Outlook::Permanent => {
                        tracing::warn!(answer, step = ?error.step, "the mail server refuses the mail for good");
                        self.record_failure(topic, lease, "refused", &answer).await
                    }
                    Outlook::Temporary if waited >= self.give_up_after => {
                        tracing::error!(answer, step = ?error.step, "the mail is given up after {waited:.0}");
                        self.record_failure(topic, lease, "given_up", &answer).await
                    }
                    Outlook::Temporary => {
                        count(topic.outcome, "postponed");
                        self.jobs.release_notice(lease).await?;
                        Ok(Verdict::Retry { reason: format!("{error}: {answer}") })
                    }
                }
            }
        }
    }

    async fn send_while_claimed(&self, lease: &NoticeLease, message: &Message) -> Attempt {
        let sent = tokio::select! {
            biased;
            sent = self.mailer.send(message) => sent,
            // Dropping the send closes its connection, so that the mail server forgets what it has of the mail.
            () = self.keep(lease) => return Attempt::Lost,
        };
        match sent {
            Ok(()) => Attempt::Taken,
            Err(error) => Attempt::Refused(error),
        }
    }

    /// Renews the claim until it is lost.
    async fn keep(&self, lease: &NoticeLease) {
        loop {
            tokio::time::sleep(RENEWAL).await;
            match self.jobs.renew_notice(lease).await {
                Ok(true) => {}
                Ok(false) => return,
                // Going on is right even if the lease runs out meanwhile: nobody can take it while MongoDB is away.
                Err(error) => tracing::warn!(error = %Chain(&error), "could not renew the claim on a mail"),
            }
        }
    }

    async fn record_failure(
        &self,
        topic: Topic,
        lease: &NoticeLease,
        result: &'static str,
        answer: &str,
    ) -> Result<Verdict, JobsError> {
        count(topic.outcome, result);
        self.record(lease, Some(answer)).await
    }

    /// Records the end of a mail, patiently: with it forgotten, the mail would be sent again.
    async fn record(&self, lease: &NoticeLease, failure: Option<&str>) -> Result<Verdict, JobsError> {
        let delays = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(5))
            .with_total_delay(Some(RECORD_PATIENCE))
            .without_max_times();
        let recorded = (|| self.jobs.settle_notice(lease, failure))
            .retry(delays)
            .notify(|error, _| tracing::warn!(error = %Chain(error), "could not record a mail, trying again"))
            .await?;
        if !recorded {
            tracing::warn!("the mail could not be recorded: the job is gone, or another sender has the mail");
        }
        // Acknowledge last: a crash before this repeats the message, and the record then says that all is done.
        Ok(Verdict::Done)
    }
}

fn count(outcome: Outcome, result: &'static str) {
    metrics::counter!("mixdown_mails_total", "outcome" => outcome.as_str(), "result" => result).increment(1);
}
