use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker::{Broker, BrokerConfig, Delivery, RetryLadder, Subscription, Verdict};
use contracts::Queue;
use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicGetOptions, BasicNackOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use serde::{Deserialize, Serialize};
use test_kit::shared;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Long enough for a machine that is busy with something else; a test that passes never waits for it.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) version: u32,
    pub(crate) number: u32,
}

pub(crate) fn note(number: u32) -> Note {
    Note { version: contracts::MESSAGE_VERSION, number }
}

/// A broker with queues of its own on the server that the tests share.
pub(crate) struct World {
    pub(crate) broker: Broker,
    pub(crate) shutdown: CancellationToken,
    pub(crate) config: BrokerConfig,
    /// A second connection, for operations that the crate never performs.
    admin: Connection,
}

pub(crate) fn config(url: &str) -> BrokerConfig {
    let steps = [200, 600].map(Duration::from_millis).to_vec();
    BrokerConfig {
        queue_prefix: format!("test.{}.", uuid::Uuid::new_v4()),
        retry_delays: RetryLadder::new(steps).unwrap(),
        ..BrokerConfig::new(url.into())
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::at(&shared().rabbitmq_url).await
    }

    /// With the broker under test connected through another address, such as a proxy's.
    pub(crate) async fn at(url: &str) -> Self {
        let admin =
            Connection::connect(&shared().rabbitmq_url, ConnectionProperties::default()).await.unwrap();
        let config = config(url);
        let shutdown = CancellationToken::new();
        let broker = Broker::new(&config, "broker tests", shutdown.clone()).unwrap();
        broker.ready(TIMEOUT).await.unwrap();
        Self { broker, shutdown, config, admin }
    }

    /// Consumes until the test ends the consumption.
    pub(crate) fn consume<H, F>(&self, queue: Queue, slots: u16, handler: H) -> Consumption
    where
        H: Fn(Delivery<Note>) -> F + Send + Sync + 'static,
        F: Future<Output = Verdict> + Send + 'static,
    {
        let (drain, abort) = (CancellationToken::new(), CancellationToken::new());
        let subscription = Subscription { queue, slots, drain: drain.clone(), abort: abort.clone() };
        let broker = self.broker.clone();
        let task = tokio::spawn(async move { broker.consume(subscription, handler).await });
        Consumption { drain, abort, task }
    }

    /// Publishes arbitrary bytes, as a foreign program might.
    pub(crate) async fn publish_raw(&self, queue: &str, body: &[u8], properties: BasicProperties) {
        let channel = self.admin.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let name = self.name(queue);
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        let confirm = channel.basic_publish("".into(), name, options, body, properties).await.unwrap();
        assert_eq!(confirm.await.unwrap(), lapin::Confirmation::Ack(None));
    }

    /// Takes one message out of a queue.
    pub(crate) async fn take(&self, queue: &str) -> Option<BasicGetMessage> {
        let channel = self.admin.create_channel().await.unwrap();
        let name = self.name(queue);
        channel.basic_get(name, BasicGetOptions { no_ack: true }).await.unwrap()
    }

    /// Takes one message and requeues it, as RabbitMQ does for a vanished consumer. Returns whether there was
    /// one.
    pub(crate) async fn bounce(&self, queue: &str) -> bool {
        let channel = self.admin.create_channel().await.unwrap();
        let Some(message) = channel.basic_get(self.name(queue), BasicGetOptions::default()).await.unwrap()
        else {
            return false;
        };
        let requeue = BasicNackOptions { requeue: true, multiple: false };
        message.nack(requeue).await.unwrap()
    }

    /// Declares a queue with other arguments than the crate's.
    pub(crate) async fn declare_classic(&self, queue: &str) {
        let channel = self.admin.create_channel().await.unwrap();
        let options = QueueDeclareOptions::durable();
        channel.queue_declare(self.name(queue), options, FieldTable::default()).await.unwrap();
    }

    fn name(&self, queue: &str) -> ShortString {
        format!("{}{queue}", self.config.queue_prefix).into()
    }

    pub(crate) async fn delete(&self, queue: &str) {
        let channel = self.admin.create_channel().await.unwrap();
        let name = self.name(queue);
        channel.queue_delete(name, QueueDeleteOptions::default()).await.unwrap();
    }

    /// Ends the broker and removes its queues.
    pub(crate) async fn tear_down(self) {
        self.shutdown.cancel();
        timeout(TIMEOUT, self.broker.closed()).await.unwrap();
        for queue in Queue::ALL {
            for suffix in ["", ".dead", ".retry.200", ".retry.600"] {
                self.delete(&format!("{queue}{suffix}")).await;
            }
        }
    }
}

/// A consumer in the background.
pub(crate) struct Consumption {
    pub(crate) drain: CancellationToken,
    pub(crate) abort: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

impl Consumption {
    /// Drains and waits for the end.
    pub(crate) async fn end(self) {
        self.drain.cancel();
        timeout(TIMEOUT, self.task).await.unwrap().unwrap();
    }
}

/// The messages that a handler saw, in order.
#[derive(Debug, Clone)]
pub(crate) struct Seen<T>(Arc<Mutex<Vec<T>>>);

impl<T: Clone> Seen<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::default())
    }

    /// Adds one and returns how many there are now.
    pub(crate) fn push(&self, one: T) -> usize {
        let mut all = self.0.lock().unwrap();
        all.push(one);
        all.len()
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// Polls until the condition holds.
pub(crate) async fn wait_until(what: &str, condition: impl AsyncFnMut() -> bool) {
    test_kit::wait_until(what, TIMEOUT, condition).await;
}

pub(crate) fn header(message: &BasicGetMessage, name: &str) -> Option<String> {
    match message.properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::LongLongInt(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}
