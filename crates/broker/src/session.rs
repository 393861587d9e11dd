use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::Chain;
use futures_util::StreamExt as _;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation, Connection, Event};
use tokio::sync::Semaphore;
use tokio::time::{Instant, interval, sleep, timeout, timeout_at};
use tracing::Instrument as _;

use crate::PublishError;
use crate::dial::{Address, ConnectError};
use crate::envelope::Envelope;
use crate::topology::{DeclareError, Topology};

/// For some forty queues, each a Raft group that may have to elect a leader first.
const DECLARE_TIMEOUT: Duration = Duration::from_mins(1);

const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The number of messages in flight. Each waits for a write to disk, which RabbitMQ shares between them.
const MAX_PUBLISHING: usize = 32;

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error("could not open a session")]
    Connect(#[from] ConnectError),
    #[error("RabbitMQ refused a request")]
    Request(#[from] lapin::Error),
    #[error("could not set up the queues")]
    Declare(#[from] DeclareError),
    #[error("RabbitMQ did not answer in time")]
    TimedOut,
}

/// One connection, with every queue declared.
pub(crate) struct Session {
    connection: Connection,
    topology: Arc<Topology>,
    publishing: Semaphore,
    /// Idle channels in confirm mode.
    idle: Mutex<Vec<Channel>>,
}

impl Session {
    pub(crate) async fn open(address: &Address, topology: Arc<Topology>) -> Result<Self, SessionError> {
        let connection = address.connect().await?;
        let publishing = Semaphore::new(MAX_PUBLISHING);
        let session = Self { connection, topology, publishing, idle: Mutex::default() };
        session.declare_queues().await?;
        Ok(session)
    }

    /// Declares the queues that don't exist yet.
    pub(crate) async fn declare_queues(&self) -> Result<(), SessionError> {
        // A separate channel, since RabbitMQ closes it if a queue exists with other arguments.
        let channel = self.channel().await?;
        let declared = timeout(DECLARE_TIMEOUT, self.topology.declare(&channel)).await;
        Ok(declared.map_err(|_elapsed| SessionError::TimedOut)??)
    }

    /// A new channel. It closes when its last clone is dropped.
    pub(crate) async fn channel(&self) -> lapin::Result<Channel> {
        self.connection.create_channel().await
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.connection.status().connected()
    }

    /// Whether RabbitMQ has stopped reading from this connection, short of memory or disk.
    pub(crate) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// Publishes to a queue and waits for the confirm.
    pub(crate) async fn publish(
        &self,
        queue: &str,
        envelope: &Envelope,
        deadline: Instant,
    ) -> Result<(), PublishError> {
        let span = tracing::info_span!("publish", queue, attempt = envelope.attempt, otel.kind = "producer");
        let published = async {
            timeout_at(deadline, self.unblocked()).await.map_err(|_elapsed| PublishError::Unavailable)?;
            timeout_at(deadline, self.publish_now(queue, envelope))
                .await
                .map_err(|_elapsed| PublishError::Unconfirmed)?
        };
        published.instrument(span).await
    }

    async fn publish_now(&self, queue: &str, envelope: &Envelope) -> Result<(), PublishError> {
        let _permit = self.publishing.acquire().await.map_err(|_closed| PublishError::Unavailable)?;
        // One message at a time for each channel: lapin attaches a returned message to the next confirm, so
        // with several in flight a lost one would look confirmed. Only a channel whose message was accepted
        // becomes idle again. Every other exit drops and closes it: an answer may still be due, and a channel
        // of RabbitMQ keeps refusing messages for a queue that was deleted and declared again.
        let channel = self.idle_channel().await?;
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let properties = envelope.properties();
        let confirm =
            channel.basic_publish("".into(), queue.into(), options, &envelope.body, properties).await?;
        match confirm.await? {
            Confirmation::Ack(None) => {
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(channel);
                Ok(())
            }
            // RabbitMQ also confirms a returned message. It was returned because there is no queue.
            Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => {
                self.restore_queues().await;
                Err(PublishError::Unroutable)
            }
            Confirmation::Nack(None) => Err(PublishError::Refused),
            Confirmation::NotRequested => Err(PublishError::Unconfirmed),
        }
    }

    async fn idle_channel(&self) -> lapin::Result<Channel> {
        while let Some(channel) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            if channel.status().connected() {
                return Ok(channel);
            }
        }
        let channel = self.channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    }

    /// Waits while RabbitMQ does not read: written messages would only pile up here.
    async fn unblocked(&self) {
        while self.is_blocked() && self.is_alive() {
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// A queue was deleted. The current message was refused, but the next one finds the queue again.
    async fn restore_queues(&self) {
        tracing::error!("a queue is missing, declaring it again");
        if let Err(error) = self.declare_queues().await {
            tracing::error!(error = %Chain(&error), "could not declare the queues again");
        }
    }

    /// Waits until the connection is lost.
    pub(crate) async fn lost(&self) {
        let mut events = self.connection.events_listener();
        let blocked = metrics::gauge!("mixdown_broker_blocked");
        // Events arrive at once, but not for every way a connection can end.
        let mut looks = interval(Duration::from_secs(1));
        while self.is_alive() {
            blocked.set(f64::from(self.is_blocked()));
            tokio::select! {
                event = events.next() => match event {
                    Some(Event::ConnectionBlocked(reason)) => tracing::warn!(reason, "RabbitMQ blocks publishing"),
                    Some(Event::ConnectionUnblocked) => tracing::info!("RabbitMQ accepts messages again"),
                    Some(_) => {}
                    None => break,
                },
                _ = looks.tick() => {}
            }
        }
        blocked.set(0.0);
    }

    /// Closes the connection properly, so that RabbitMQ does not log a lost client.
    pub(crate) async fn close(&self) {
        let _ = timeout(CLOSE_TIMEOUT, self.connection.close(200, "OK".into())).await;
    }
}
