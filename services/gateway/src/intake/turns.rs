use std::num::NonZeroU16;

use broker::Broker;
use contracts::{ConversionRequested, Queue, UserId};
use jobs::{JobStore, Record};
use service_kit::Chain;

use crate::error::Error;

/// Tells the converters about jobs: a few of each user's at a time, so that nobody waits behind all of another's.
pub(crate) struct Turns {
    jobs: JobStore,
    broker: Broker,
    at_once: NonZeroU16,
}

impl Turns {
    pub(crate) fn new(jobs: JobStore, broker: Broker, at_once: NonZeroU16) -> Self {
        Self { jobs, broker, at_once }
    }

    /// Announces a user's next job, if it is its turn. `false`: it is not, or there is none.
    pub(crate) async fn give(&self, user: UserId) -> Result<bool, Error> {
        let Some(record) = self.jobs.next_turn(user, self.at_once).await? else { return Ok(false) };
        self.announce(&record).await?;
        Ok(true)
    }

    /// The same for callers with something else to answer: the jobs are stored, and the reconciler comes.
    pub(crate) async fn give_or_leave(&self, user: UserId) {
        if let Err(error) = self.give(user).await {
            tracing::warn!(user.id = %user, error = %Chain(&error), "could not announce a job yet");
        }
    }

    /// Tells the converters about a job, and remembers that they were told.
    pub(crate) async fn announce(&self, record: &Record) -> Result<(), Error> {
        let message = ConversionRequested::of(&record.job, &record.owner);
        self.broker.publish(Queue::Video, &record.job.id.to_string(), &message).await?;
        self.jobs.mark_announced(record).await?;
        Ok(())
    }
}
