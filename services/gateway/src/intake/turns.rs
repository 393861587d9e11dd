//! Telling the converters about jobs: a few of each user's at a time, so that nobody waits behind all of another's.

use contracts::{ConversionRequested, Queue, UserId};
use jobs::Record;
use service_kit::Chain;

use crate::Gateway;
use crate::error::Error;

/// Announces a user's next job, if it is its turn. `false`: it is not, or there is none.
pub(crate) async fn give_turn(gateway: &Gateway, user: UserId) -> Result<bool, Error> {
    let Some(record) = gateway.jobs.next_turn(user, gateway.jobs_at_once).await? else { return Ok(false) };
    announce(gateway, &record).await?;
    Ok(true)
}

/// The same for whoever has something else to answer: the jobs are stored, and the reconciler comes.
pub(crate) async fn give_turn_or_leave(gateway: &Gateway, user: UserId) {
    if let Err(error) = give_turn(gateway, user).await {
        tracing::warn!(user.id = %user, error = %Chain(&error), "could not announce a job yet");
    }
}

/// Tells the converters about a job, and remembers that they were told.
pub(crate) async fn announce(gateway: &Gateway, record: &Record) -> Result<(), Error> {
    let message = ConversionRequested::of(&record.job, &record.owner);
    gateway.broker.publish(Queue::Video, &record.job.id.to_string(), &message).await?;
    gateway.jobs.mark_announced(record).await?;
    Ok(())
}
