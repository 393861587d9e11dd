//! Sends each mail once: it is claimed before and recorded after, however many processes have its message.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable as _};
use broker::Verdict;
use jobs::{AccountMailStore, JobStore, JobsError, MailLease, NoticeLease};
use lettre::Message;
use service_kit::Chain;
use time::OffsetDateTime;

use crate::mail::Topic;
use crate::mailer::{Handed, Mailer};
use crate::send_error::{Outlook, SendError, Step};

/// Two more renewals fit before the lease ends.
const RENEWALS: u32 = 3;

/// This share of the lease must remain when the mail is handed over: the handover itself takes time.
const HANDING_OVER: u32 = 6;

/// The delay while another process holds the mail, until it settles the mail or its lease ends.
pub(crate) const BUSY_DELAY: Duration = Duration::from_secs(10);

/// How long recording a sent mail is retried. Giving up would send the mail twice, so it is long. Together
/// with the sending it stays below the broker's 30 minutes for an acknowledgement.
const RECORD_TIMEOUT: Duration = Duration::from_mins(10);

/// The right to send one mail, and its end by our own clock.
///
/// Our clock decides right before the handover, not the last answer of the database: a paused process resumes
/// with old answers, and another process may hold the mail by then.
pub(crate) struct Claim {
    right: Right,
    lasts: Duration,
    held_until: Mutex<Instant>,
}

/// Where a claim is kept.
pub(crate) enum Right {
    /// A claim on a job's outcome, stored on the job.
    Outcome(JobStore, NoticeLease),
    /// A claim on a mail about an account.
    Account(AccountMailStore, MailLease),
}

impl Claim {
    /// A right that was requested at `asked_at` and lasts this long.
    pub(crate) fn new(right: Right, asked_at: Instant, lasts: Duration) -> Self {
        Self { right, lasts, held_until: Mutex::new(asked_at + lasts) }
    }

    async fn renew(&self) -> Result<bool, JobsError> {
        // Taken before the request: the database counts from its arrival.
        let asked_at = Instant::now();
        let is_ours = match &self.right {
            Right::Outcome(jobs, lease) => jobs.renew_notice(lease).await?,
            Right::Account(mails, lease) => mails.renew(lease).await?,
        };
        if is_ours {
            *self.held_until.lock().unwrap_or_else(PoisonError::into_inner) = asked_at + self.lasts;
        }
        Ok(is_ours)
    }

    /// Whether this process must still send the mail. After the database, our own clock has the last word.
    async fn is_still_ours(&self) -> bool {
        match self.renew().await {
            Ok(true) => {}
            // Also false for a deleted job and an erased account.
            Ok(false) => return false,
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "could not renew the claim on a mail before sending it");
            }
        }
        let held_until = *self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
        Instant::now() + self.lasts / HANDING_OVER < held_until
    }

    pub(crate) async fn release(&self) -> Result<bool, JobsError> {
        match &self.right {
            Right::Outcome(jobs, lease) => jobs.release_notice(lease).await,
            Right::Account(mails, lease) => mails.release(lease).await,
        }
    }

    async fn settle(&self, failure: Option<&str>) -> Result<bool, JobsError> {
        match &self.right {
            Right::Outcome(jobs, lease) => jobs.settle_notice(lease, failure).await,
            Right::Account(mails, lease) => mails.settle(lease).await,
        }
    }
}

/// The result of one attempt to send.
enum Attempt {
    Taken,
    Refused(SendError),
    /// The claim is lost.
    Lost,
}

impl Attempt {
    /// Reports in a metric whether the mail server was reachable. Readiness ignores it: pausing would not
    /// help.
    fn report_server(&self) {
        let is_up = match self {
            Self::Refused(error) if error.step == Step::Open => 0.0,
            Self::Taken | Self::Refused(_) => 1.0,
            Self::Lost => return,
        };
        metrics::gauge!("mixdown_mail_server_up").set(is_up);
    }
}

/// Sends mails and records the results.
#[derive(Clone)]
pub(crate) struct Sender {
    pub(crate) mailer: Mailer,
    pub(crate) give_up_after: Duration,
    /// How long a claim lasts without renewal.
    pub(crate) lease: Duration,
}

impl Sender {
    /// Sends a claimed mail. `first_published_at` is when its message was first published.
    pub(crate) async fn send_and_record(
        &self,
        first_published_at: OffsetDateTime,
        topic: Topic,
        claim: &Claim,
        message: &Message,
    ) -> Result<Verdict, JobsError> {
        let attempt = self.send_while_claimed(claim, message).await;
        attempt.report_server();
        match attempt {
            Attempt::Taken => {
                count(topic, "sent");
                tracing::info!("the mail server took the mail");
                record(claim, None).await
            }
            Attempt::Lost => {
                count(topic, "lost");
                tracing::warn!("another sender has taken over this mail, or the job is gone");
                Ok(Verdict::Defer { delay: BUSY_DELAY })
            }
            Attempt::Refused(error) => {
                let answer = error.answer();
                let waited = OffsetDateTime::now_utc() - first_published_at;
                match error.outlook() {
                    Outlook::Permanent => {
                        tracing::warn!(
                            answer,
                            step = error.step.as_str(),
                            "the mail server refuses the mail for good"
                        );
                        record_failure(topic, claim, "refused", &answer).await
                    }
                    Outlook::Temporary if waited >= self.give_up_after => {
                        tracing::error!(
                            answer,
                            step = error.step.as_str(),
                            "the mail is given up after {waited:.0}"
                        );
                        record_failure(topic, claim, "given_up", &answer).await
                    }
                    Outlook::Temporary => {
                        count(topic, "postponed");
                        claim.release().await?;
                        Ok(Verdict::Retry { reason: format!("{error}: {answer}") })
                    }
                }
            }
        }
    }

    async fn send_while_claimed(&self, claim: &Claim, message: &Message) -> Attempt {
        let sent = tokio::select! {
            biased;
            sent = self.mailer.send(message, claim.is_still_ours()) => sent,
            // Dropping the send closes its connection, so that the mail server discards the partial mail.
            () = keep(claim) => return Attempt::Lost,
        };
        match sent {
            Ok(Handed::Over) => Attempt::Taken,
            Ok(Handed::Nothing) => Attempt::Lost,
            Err(error) => Attempt::Refused(error),
        }
    }
}

/// Renews the claim until it is lost.
async fn keep(claim: &Claim) {
    loop {
        tokio::time::sleep(claim.lasts / RENEWALS).await;
        match claim.renew().await {
            Ok(true) => {}
            Ok(false) => return,
            // Other processes may reach MongoDB while this one does not: `is_still_ours` has the last word.
            Err(error) => tracing::warn!(error = %Chain(&error), "could not renew the claim on a mail"),
        }
    }
}

/// Records that a mail will never be sent.
pub(crate) async fn record_failure(
    topic: Topic,
    claim: &Claim,
    result: &'static str,
    answer: &str,
) -> Result<Verdict, JobsError> {
    count(topic, result);
    record(claim, Some(answer)).await
}

/// Records the result of a mail, with many retries: without the record the mail would be sent again.
async fn record(claim: &Claim, failure: Option<&str>) -> Result<Verdict, JobsError> {
    let delays = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(5))
        .with_total_delay(Some(RECORD_TIMEOUT))
        .without_max_times();
    let recorded = (|| claim.settle(failure))
        .retry(delays)
        .notify(|error, _| tracing::warn!(error = %Chain(error), "could not record a mail, trying again"))
        .await?;
    if !recorded {
        tracing::warn!("the mail could not be recorded: the job is gone, or another sender has the mail");
    }
    // Acknowledge last: a crash before this repeats the message, and the record shows that it is settled.
    Ok(Verdict::Done)
}

fn count(topic: Topic, result: &'static str) {
    metrics::counter!("mixdown_mails_total", "outcome" => topic.label(), "result" => result).increment(1);
}
