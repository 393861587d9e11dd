use std::time::Duration;

use contracts::Queue;
use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable, LongString};

use crate::RetryLadder;

/// How often RabbitMQ delivers a message whose consumers vanish before it dead-letters it. High, because a
/// job's own limit of attempts must act first: that one informs the owner. This one stops a message that
/// kills every consumer. Set explicitly, because RabbitMQ 3 has no limit by default and 4 has 20.
const DELIVERY_LIMIT: i64 = 20;

/// Reading a dead letter and requeueing it counts as a delivery, and without a limit RabbitMQ 4 drops a
/// message after 20 of them. -1 means "none" only since RabbitMQ 4. This number is never reached.
const NO_DELIVERY_LIMIT: i64 = 1_000_000;

/// Why a queue could not be declared.
#[derive(Debug, thiserror::Error)]
#[error("could not declare the queue {queue}")]
pub(crate) struct DeclareError {
    queue: String,
    source: lapin::Error,
}

/// The names and arguments of every queue.
///
/// Each queue of work has the queue itself, `….dead`, and `….retry.<milliseconds>` for each step of the
/// ladder, where messages wait until their time to live ends and then return. RabbitMQ 3.10 and 4 must accept
/// the arguments: an existing queue with other arguments cannot be declared.
#[derive(Debug)]
pub(crate) struct Topology {
    prefix: String,
    ladder: RetryLadder,
}

impl Topology {
    pub(crate) fn new(prefix: String, ladder: RetryLadder) -> Self {
        Self { prefix, ladder }
    }

    /// The queue that consumers read.
    pub(crate) fn main(&self, queue: Queue) -> String {
        format!("{}{queue}", self.prefix)
    }

    /// The queue of the dead letters, for an operator to look at.
    pub(crate) fn dead(&self, queue: Queue) -> String {
        format!("{}{queue}.dead", self.prefix)
    }

    /// The queue where messages wait for the attempt after this one.
    pub(crate) fn retry(&self, queue: Queue, attempt: u32) -> String {
        self.waiting(queue, self.ladder.after_attempt(attempt))
    }

    /// The queue where messages wait for at least this long, or for the ladder's longest delay.
    pub(crate) fn deferred(&self, queue: Queue, delay: Duration) -> String {
        self.waiting(queue, self.ladder.at_least(delay))
    }

    fn waiting(&self, queue: Queue, delay: Duration) -> String {
        format!("{}{queue}.retry.{}", self.prefix, delay.as_millis())
    }

    /// Declares every queue. Existing queues stay unchanged.
    pub(crate) async fn declare(&self, channel: &Channel) -> Result<(), DeclareError> {
        for queue in Queue::ALL {
            declare(channel, self.dead(queue), quorum(NO_DELIVERY_LIMIT)).await?;
            let arguments = dead_letters_to(&self.dead(queue), quorum(DELIVERY_LIMIT));
            declare(channel, self.main(queue), arguments).await?;
            for delay in self.ladder.delays() {
                let mut arguments = dead_letters_to(&self.main(queue), quorum(NO_DELIVERY_LIMIT));
                let millis = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
                arguments.insert("x-message-ttl".into(), millis.into());
                declare(channel, self.waiting(queue, *delay), arguments).await?;
            }
        }
        Ok(())
    }
}

async fn declare(channel: &Channel, queue: String, arguments: FieldTable) -> Result<(), DeclareError> {
    // `QueueDeclareOptions::default()` is not durable.
    let declared =
        channel.queue_declare(queue.as_str().into(), QueueDeclareOptions::durable(), arguments).await;
    declared.map(|_| ()).map_err(|source| DeclareError { queue, source })
}

fn quorum(delivery_limit: i64) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-delivery-limit".into(), delivery_limit.into());
    arguments
}

/// Dead-letters to a queue through the default exchange, at least once: with "at most once" a crash in
/// between loses the message. "At least once" needs `reject-publish`.
fn dead_letters_to(queue: &str, mut arguments: FieldTable) -> FieldTable {
    arguments.insert("x-dead-letter-exchange".into(), text(""));
    arguments.insert("x-dead-letter-routing-key".into(), text(queue));
    arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    arguments.insert("x-overflow".into(), text("reject-publish"));
    arguments
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_delay_has_its_own_queue() {
        let topology = Topology::new("test.".to_owned(), RetryLadder::default());
        assert_eq!(topology.main(Queue::Video), "test.video");
        assert_eq!(topology.dead(Queue::Mp3), "test.mp3.dead");
        assert_eq!(topology.retry(Queue::Account, 1), "test.account.retry.2000");
        assert_eq!(topology.retry(Queue::Account, 99), "test.account.retry.1800000");
        assert_eq!(topology.deferred(Queue::Video, Duration::from_mins(1)), "test.video.retry.120000");
    }
}
