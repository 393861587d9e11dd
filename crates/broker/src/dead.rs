//! Dead letters: listing them and putting them back.

use std::sync::Arc;
use std::time::Duration;

use contracts::Queue;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};
use time::OffsetDateTime;
use tokio::time::{Instant, timeout};

use crate::envelope::{Envelope, reject_reason};
use crate::session::Session;
use crate::{Broker, PublishError};

/// A dead letter, without its body: an operator of queues must not see its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its message id, if it has one.
    pub message_id: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was first published.
    pub first_published_at: OffsetDateTime,
    /// Why it was parked. `None` if RabbitMQ parked it, after it killed one consumer after the other.
    pub reason: Option<String>,
    /// The length of its body in bytes.
    pub bytes: usize,
}

/// Why dead letters could not be read or put back.
#[derive(Debug, thiserror::Error)]
pub enum DeadLetterError {
    /// There was no answer in time.
    #[error("RabbitMQ is away")]
    Unavailable,
    /// RabbitMQ refused.
    #[error("could not read the dead letters")]
    Read(#[from] lapin::Error),
    /// One could not be put back into its queue. It is still a dead letter.
    #[error("could not put a dead letter back")]
    Send(#[from] PublishError),
}

/// For all steps of one call.
const TIMEOUT: Duration = Duration::from_secs(20);

impl Broker {
    /// The oldest dead letters of a queue. They stay there.
    ///
    /// # Errors
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
            // Requeues all of them at once. If that fails, the end of the channel does it.
            if let Some(last) = last {
                last.nack(BasicNackOptions { requeue: true, multiple: true }).await?;
            }
            Ok(letters)
        })
        .await
    }

    /// Puts the oldest dead letters back into their queue, as if they had just been published. Returns how
    /// many. A crash in between leaves one in both queues.
    ///
    /// # Errors
    /// RabbitMQ is away or refused. Earlier letters may be back already.
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
                    // Letters that die again meanwhile are not put back a second time.
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
