use std::time::Duration;

use contracts::{ConversionFinished, Queue};
use jobs::{Overdue, Record};
use service_kit::{Chain, every};

use super::BackgroundConfig;
use crate::error::Error;
use crate::state::Gateway;

/// The users handled in one round. The others wait for the next.
const MOST_USERS: u16 = 1000;

/// Sends the messages of jobs that a crash left without one.
pub(crate) struct Reconciler {
    gateway: Gateway,
    interval: Duration,
    unannounced: Duration,
    overdue: Overdue,
}

/// The jobs or uploads handled in one query.
const BATCH: u16 = 100;

impl Reconciler {
    pub(crate) fn new(gateway: &Gateway, config: &BackgroundConfig) -> Self {
        let overdue = Overdue {
            // The broker redelivers by itself when a converter dies; this is for the cases in which it
            // cannot.
            lapsed: config.unannounced_after,
            unreported: config.unannounced_after,
            waiting: config.waiting_after,
        };
        Self {
            gateway: gateway.clone(),
            interval: config.reconcile_interval,
            unannounced: config.unannounced_after,
            overdue,
        }
    }

    pub(crate) async fn run(self) {
        every(self.interval, &self.gateway.shutdown, "could not reconcile", || self.reconcile()).await;
    }

    async fn reconcile(&self) -> Result<(), Error> {
        // Uploads are completed even while RabbitMQ is away.
        let sent = self.send_forgotten().await;
        let sent = sent.and(self.welcome().await);
        self.settle_usage().await.and(self.complete_forsaken().await).and(sent)
    }

    async fn send_forgotten(&self) -> Result<(), Error> {
        self.give_turns().await?;
        while let Some(record) = self.gateway.jobs.take_forgotten(self.overdue).await? {
            tracing::info!(job.id = %record.job.id, status = record.job.status.as_str(), "sending a forgotten message");
            metrics::counter!("mixdown_forgotten_messages_total").increment(1);
            if record.job.status.outcome().is_some() {
                self.report_outcome(&record).await?;
            } else {
                self.gateway.intake.turns.announce(&record).await?;
            }
        }
        Ok(())
    }

    /// Announces the next jobs of users. Usually the end of another job or the upload itself does that. This
    /// is for users without a job that ended lately, or whose upload a crash interrupted.
    async fn give_turns(&self) -> Result<(), Error> {
        for user in self.gateway.jobs.users_waiting(self.unannounced, MOST_USERS).await? {
            while self.gateway.intake.turns.give(user).await? {
                metrics::counter!("mixdown_forgotten_messages_total").increment(1);
            }
        }
        Ok(())
    }

    /// Sends the acceptance mails that the broker did not get.
    async fn welcome(&self) -> Result<(), Error> {
        for record in self.gateway.jobs.unwelcomed(self.unannounced, BATCH).await? {
            self.gateway.intake.tell_of_acceptance(&record).await?;
        }
        Ok(())
    }

    /// Counts the usage of conversions whose converter died after their end.
    async fn settle_usage(&self) -> Result<(), Error> {
        for job in self.gateway.jobs.unsettled(BATCH).await? {
            self.gateway.jobs.settle_usage(job).await?;
        }
        Ok(())
    }

    /// Creates the jobs of uploads whose gateway died after the last byte.
    async fn complete_forsaken(&self) -> Result<(), Error> {
        for fid in self.gateway.intake.videos.forsaken_drafts(BATCH).await? {
            let Some(draft) = self.gateway.intake.videos.draft(fid).await? else { continue };
            match self.gateway.intake.complete(draft, Duration::ZERO).await {
                Ok(_) => tracing::info!(file.id = %fid, "completed a forsaken upload"),
                // An upload that cannot be completed must not hold up the others.
                Err(error) => {
                    tracing::warn!(file.id = %fid, error = %Chain(&error), "could not complete an upload");
                }
            }
        }
        Ok(())
    }

    async fn report_outcome(&self, record: &Record) -> Result<(), Error> {
        let Some(message) = ConversionFinished::of(&record.job, &record.owner) else { return Ok(()) };
        self.gateway.broker.publish(Queue::Mp3, &message.message_id(), &message).await?;
        self.gateway.jobs.mark_outcome_announced(record).await?;
        Ok(())
    }
}
