use std::sync::Arc;
use std::time::Duration;

use contracts::{Chain, Queue};
use futures_util::future::BoxFuture;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::config::MAX_PREFIX_BYTES;
use crate::dial::Address;
use crate::envelope::Envelope;
use crate::session::Session;
use crate::supervisor::{Current, backoff, supervise};
use crate::topology::Topology;
use crate::{BrokerConfig, InvalidConfig};

const DEPTH_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to RabbitMQ that is restored after every loss. Clones share it.
#[derive(Clone)]
pub struct Broker {
    inner: Arc<Inner>,
}

struct Inner {
    topology: Arc<Topology>,
    current: watch::Receiver<Current>,
    publish_timeout: Duration,
}

/// There was no usable connection to RabbitMQ in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("RabbitMQ is away")]
pub struct Unavailable;

/// Why a message was not published, as far as is known.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The message cannot be encoded as JSON.
    #[error("could not encode the message")]
    Encode(#[from] serde_json::Error),
    /// There was no usable connection in time, or RabbitMQ accepts no messages, short of memory or disk.
    #[error("RabbitMQ is away")]
    Unavailable,
    /// The connection broke before the confirm. The message may be in the queue.
    #[error("the connection to RabbitMQ broke while publishing")]
    Interrupted(#[from] lapin::Error),
    /// The confirm did not arrive in time. The message may be in the queue.
    #[error("RabbitMQ did not confirm the message in time")]
    Unconfirmed,
    /// The queue does not exist. It is declared again, so another attempt may succeed.
    #[error("there was no queue for the message")]
    Unroutable,
    /// RabbitMQ did not accept the message.
    #[error("RabbitMQ refused the message")]
    Refused,
}

/// Why the length of a queue is unknown.
#[derive(Debug, thiserror::Error)]
pub enum DepthError {
    /// There was no answer in time.
    #[error("RabbitMQ is away")]
    Unavailable,
    /// RabbitMQ refused.
    #[error("could not query the queue")]
    Ask(#[from] lapin::Error),
}

impl Broker {
    /// Connects in the background: RabbitMQ may be away. RabbitMQ's list of connections shows `name`.
    ///
    /// Cancelling `shutdown` closes the connection, and every later call fails: cancel it when the consumers
    /// have returned. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// The settings can never work.
    pub fn new(
        config: &BrokerConfig,
        name: &str,
        shutdown: CancellationToken,
    ) -> Result<Self, InvalidConfig> {
        if config.queue_prefix.len() > MAX_PREFIX_BYTES {
            return Err(InvalidConfig::QueuePrefix);
        }
        let address = Address::new(&config.url, name)?;
        let topology = Arc::new(Topology::new(config.queue_prefix.clone(), config.retry_delays.clone()));
        let (sender, current) = watch::channel(None);
        tokio::spawn(supervise(address, Arc::clone(&topology), sender, shutdown));
        Ok(Self { inner: Arc::new(Inner { topology, current, publish_timeout: config.publish_timeout }) })
    }

    /// Whether a message can be published now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.inner
            .current
            .borrow()
            .as_ref()
            .is_some_and(|session| session.is_alive() && !session.is_blocked())
    }

    /// Whether RabbitMQ has reported that it accepts no messages, short of disk or memory. It reports this
    /// only to connections that publish.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.inner.current.borrow().as_ref().is_some_and(|session| session.is_blocked())
    }

    /// Waits until there is a connection and every queue is declared.
    ///
    /// # Errors
    /// The timeout passed, or the broker was shut down.
    pub async fn ready(&self, timeout: Duration) -> Result<(), Unavailable> {
        self.session_before(Instant::now() + timeout).await.map(|_| ())
    }

    /// Asks whether it is ready, each time that it is called: for a readiness probe, whose timeout is longer.
    pub fn probe(&self) -> impl Fn() -> BoxFuture<'static, Result<(), Unavailable>> + Send + Sync + use<> {
        const TIMEOUT: Duration = Duration::from_millis(500);
        let broker = self.clone();
        move || {
            let broker = broker.clone();
            Box::pin(async move { broker.ready(TIMEOUT).await })
        }
    }

    /// Waits until the connection is closed after the shutdown. Without this the process may end before.
    pub async fn closed(&self) {
        let mut current = self.inner.current.clone();
        while current.changed().await.is_ok() {}
    }

    /// Publishes a message and waits until RabbitMQ has it on disk.
    ///
    /// Retries until its timeout if the connection breaks or RabbitMQ refuses, as it does while a queue
    /// changes its leader. So the message may arrive twice.
    ///
    /// # Errors
    /// After [`PublishError::Unavailable`], [`PublishError::Interrupted`] and [`PublishError::Unconfirmed`]
    /// the message may still be in the queue.
    pub async fn publish(
        &self,
        queue: Queue,
        message_id: &str,
        message: &(impl Serialize + Sync),
    ) -> Result<(), PublishError> {
        let envelope = Envelope::new(message_id, serde_json::to_vec(message)?);
        let deadline = Instant::now() + self.inner.publish_timeout;
        let name = self.inner.topology.main(queue);
        let mut delays = backoff();
        loop {
            let session =
                self.session_before(deadline).await.map_err(|Unavailable| PublishError::Unavailable)?;
            let Err(error) = session.publish(&name, &envelope, deadline).await else { break };
            let is_passing = matches!(error, PublishError::Interrupted(_) | PublishError::Refused);
            let delay = delays.next().unwrap_or_default();
            if !is_passing || Instant::now() + delay >= deadline {
                return Err(error);
            }
            tracing::debug!(error = %Chain(&error), "publishing again");
            sleep(delay).await;
        }
        metrics::counter!("mixdown_messages_published_total", "queue" => queue.name()).increment(1);
        Ok(())
    }

    /// The number of messages that wait in a queue, without those being handled or waiting for a retry.
    ///
    /// # Errors
    /// RabbitMQ is away or refused.
    pub async fn depth(&self, queue: Queue) -> Result<u32, DepthError> {
        self.count(self.inner.topology.main(queue)).await
    }

    /// The number of dead letters of a queue.
    ///
    /// # Errors
    /// RabbitMQ is away or refused.
    pub async fn dead_depth(&self, queue: Queue) -> Result<u32, DepthError> {
        self.count(self.inner.topology.dead(queue)).await
    }

    async fn count(&self, queue: String) -> Result<u32, DepthError> {
        let deadline = Instant::now() + DEPTH_TIMEOUT;
        let session = self.session_before(deadline).await.map_err(|Unavailable| DepthError::Unavailable)?;
        let asked = timeout_at(deadline, async {
            let passive = QueueDeclareOptions::durable().passive();
            session.channel().await?.queue_declare(queue.into(), passive, FieldTable::default()).await
        });
        Ok(asked.await.map_err(|_elapsed| DepthError::Unavailable)??.message_count())
    }

    async fn session_before(&self, deadline: Instant) -> Result<Arc<Session>, Unavailable> {
        timeout_at(deadline, self.session()).await.ok().flatten().ok_or(Unavailable)
    }

    /// Waits for a session. `None` after the shutdown.
    pub(crate) async fn session(&self) -> Option<Arc<Session>> {
        let mut current = self.inner.current.clone();
        let is_alive = |current: &Current| current.as_ref().is_some_and(|session| session.is_alive());
        current.wait_for(is_alive).await.ok()?.clone()
    }

    pub(crate) fn topology(&self) -> &Topology {
        &self.inner.topology
    }

    pub(crate) fn publish_timeout(&self) -> Duration {
        self.inner.publish_timeout
    }
}
