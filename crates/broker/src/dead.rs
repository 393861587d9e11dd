//! What an operator does with messages that nothing could be done with.

use std::sync::Arc;
use std::time::Duration;

use contracts::Queue;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};
use time::OffsetDateTime;
use tokio::time::{Instant, timeout};

use crate::envelope::{Envelope, reject_reason};
use crate::session::Session;
use crate::{Broker, PublishError};

/// A message that was parked. Without its body: what is in that is nobody's business who looks after queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its name, if it has one.
    pub message_id: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was published first.
    pub first_published_at: OffsetDateTime,
    /// Why it was parked; RabbitMQ does that without a word for what killed one consumer after the other.
    pub reason: Option<String>,
    /// Length of its body in bytes.
    pub bytes: usize,
}

/// Dead letters could not be read or sent again.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// There was no answer in time.
    #[error("RabbitMQ is away")]
    Unavailable,
    /// RabbitMQ refused.
    #[error("could not read the dead letters")]
    Read(#[from] lapin::Error),
    /// One could not be put back into its queue. It is still among the dead letters.
    #[error("could not send a dead letter again")]
    Send(#[from] PublishError),
}

/// For all that one call does.
const TIMEOUT: Duration = Duration::from_secs(20);

impl Broker {
    /// The oldest dead letters of a queue, which stay where they are.
    ///
    /// # Errors
    ///
    /// RabbitMQ is away or refused.
    pub async fn dead_letters(&self, queue: Queue, limit: u16) -> Result<Vec<DeadLetter>, DeadLetterError> {
        bounded(async {
            let session = self.session_soon().await?;
            let channel = session.channel().await?;
            let dead = self.topology().dead(queue);
            let (mut letters, mut last) = (Vec::new(), None);
            while letters.len() < limit.into() {
                let got = channel.basic_get(dead.as_str().into(), BasicGetOptions::default()).await?;
                let Some(message) = got else { break };
                let envelope = Envelope::read(&message.properties, Vec::new());
                letters.push(DeadLetter {
                    message_id: envelope.message_id.map(|id| id.to_string()),
                    attempts: envelope.attempt,
                    first_published_at: envelope.first_published_at,
                    reason: reject_reason(&message.properties),
                    bytes: message.delivery.data.len(),
                });
                last = Some(message);
            }
            // All of them at once. If that fails the end of the channel does it.
            if let Some(last) = last {
                last.nack(BasicNackOptions { requeue: true, multiple: true }).await?;
            }
            Ok(letters)
        })
        .await
    }

    /// Puts the oldest dead letters back into their queue, as if they had just been published, and tells how many. A crash in
    /// between leaves one in both.
    ///
    /// # Errors
    ///
    /// RabbitMQ is away or refused. Those before may be back all the same.
    pub async fn replay(&self, queue: Queue, limit: u16) -> Result<u16, DeadLetterError> {
        bounded(async {
            let session = self.session_soon().await?;
            let channel = session.channel().await?;
            let (dead, main) = (self.topology().dead(queue), self.topology().main(queue));
            let (mut count, mut most) = (0, limit);
            while count < most {
                let got = channel.basic_get(dead.as_str().into(), BasicGetOptions::default()).await?;
                let Some(mut message) = got else { break };
                if count == 0 {
                    // Those that die again meanwhile are not sent round and round.
                    let behind = u16::try_from(message.message_count).unwrap_or(u16::MAX);
                    most = limit.min(behind.saturating_add(1));
                }
                let body = std::mem::take(&mut message.delivery.data);
                let mut envelope = Envelope::read(&message.properties, body);
                envelope.attempt = 1;
                session.publish(&main, &envelope, Instant::now() + self.publish_timeout()).await?;
                message.ack(BasicAckOptions::default()).await?;
                count += 1;
            }
            Ok(count)
        })
        .await
    }

    async fn session_soon(&self) -> Result<Arc<Session>, DeadLetterError> {
        self.session().await.ok_or(DeadLetterError::Unavailable)
    }
}

async fn bounded<T>(work: impl Future<Output = Result<T, DeadLetterError>>) -> Result<T, DeadLetterError> {
    timeout(TIMEOUT, work).await.unwrap_or(Err(DeadLetterError::Unavailable))
}
