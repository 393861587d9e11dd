use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use contracts::{Chain, Queue};
use futures_util::StreamExt as _;
use lapin::Channel;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use serde::de::DeserializeOwned;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::delivery::Pending;
use crate::session::{Session, SessionError};
use crate::supervisor::backoff;
use crate::{Broker, Delivery, Verdict};

/// For all requests of one subscription.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(30);

const UNSUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(5);

/// What to consume, and until when.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// The queue.
    pub queue: Queue,
    /// The number of messages handled at once, which RabbitMQ delivers unacknowledged. At least 1.
    pub slots: u16,
    /// Ends the deliveries; running handlers go on.
    pub drain: CancellationToken,
    /// Ends running handlers, too. RabbitMQ then delivers their messages again.
    pub abort: CancellationToken,
}

impl Subscription {
    async fn ended(&self) {
        tokio::select! {
            () = self.drain.cancelled() => {}
            () = self.abort.cancelled() => {}
        }
    }

    fn slots(&self) -> u16 {
        self.slots.max(1)
    }
}

impl Broker {
    /// Passes the messages of a queue to a handler until the drain, and returns when every handler has ended.
    ///
    /// Each delivery is handled in its own task. A panic counts as [`Verdict::Retry`]. A handler may run for
    /// hours, if RabbitMQ's `consumer_timeout` is longer. A lost connection does not stop it: it runs to its
    /// end, while RabbitMQ delivers the message again.
    ///
    /// Dropping the returned future aborts every handler.
    pub async fn consume<M, H, F>(&self, subscription: Subscription, handler: H)
    where
        M: DeserializeOwned + Send + 'static,
        H: Fn(Delivery<M>) -> F + Send + Sync + 'static,
        F: Future<Output = Verdict> + Send + 'static,
    {
        let consumer = Consumer {
            broker: self.clone(),
            subscription,
            handler: Arc::new(handler),
            running: JoinSet::new(),
        };
        consumer.run().await;
    }
}

struct Consumer<H> {
    broker: Broker,
    subscription: Subscription,
    handler: Arc<H>,
    /// One task for each delivery, never more than slots, across all connections.
    running: JoinSet<()>,
}

/// The deliveries of one channel. Dropped, it closes the channel, and RabbitMQ requeues what is left.
struct Deliveries {
    session: Arc<Session>,
    channel: Channel,
    incoming: lapin::Consumer,
}

impl<H> Consumer<H> {
    async fn run<M, F>(mut self)
    where
        M: DeserializeOwned + Send + 'static,
        H: Fn(Delivery<M>) -> F + Send + Sync + 'static,
        F: Future<Output = Verdict> + Send + 'static,
    {
        let queue = self.subscription.queue;
        let mut delays = backoff();
        let last = loop {
            let subscribed = tokio::select! {
                () = self.subscription.ended() => break None,
                subscribed = self.subscribe() => subscribed,
            };
            match subscribed {
                Ok(Some(mut deliveries)) => {
                    tracing::info!(%queue, "waiting for messages");
                    delays = backoff();
                    if self.handle_all(&mut deliveries).await.is_break() {
                        self.unsubscribe(&mut deliveries).await;
                        break Some(deliveries);
                    }
                }
                Ok(None) => break None,
                Err(error) => {
                    tracing::warn!(%queue, error = %Chain(&error), "could not subscribe, trying again");
                }
            }
            tokio::select! {
                () = self.subscription.ended() => break None,
                () = sleep(delays.next().unwrap_or_default()) => {}
            }
        };
        self.finish().await;
        // Dropped last: the channel must outlive the handlers, or RabbitMQ would requeue their messages.
        drop(last);
    }

    /// Starts deliveries on a new channel. `None` after the broker's shutdown.
    async fn subscribe(&self) -> Result<Option<Deliveries>, SessionError> {
        let Some(session) = self.broker.session().await else { return Ok(None) };
        let queue = self.broker.topology().main(self.subscription.queue);
        let started = timeout(SUBSCRIBE_TIMEOUT, start(&session, &queue, self.subscription.slots())).await;
        match started.unwrap_or(Err(SessionError::TimedOut)) {
            Ok((channel, incoming)) => Ok(Some(Deliveries { session, channel, incoming })),
            Err(error) => {
                // The queue may have been deleted.
                if session.is_alive() {
                    session.declare_queues().await?;
                }
                Err(error)
            }
        }
    }

    /// Handles the deliveries. Breaks at the end of the subscription, continues after a lost channel.
    async fn handle_all<M, F>(&mut self, deliveries: &mut Deliveries) -> ControlFlow<()>
    where
        M: DeserializeOwned + Send + 'static,
        H: Fn(Delivery<M>) -> F + Send + Sync + 'static,
        F: Future<Output = Verdict> + Send + 'static,
    {
        let queue = self.subscription.queue;
        loop {
            // Handlers of an earlier connection may still hold slots; a message waits here until one is free.
            let has_slot = self.running.len() < usize::from(self.subscription.slots());
            tokio::select! {
                biased;
                () = self.subscription.ended() => return ControlFlow::Break(()),
                Some(ended) = self.running.join_next() => report(ended),
                next = deliveries.incoming.next(), if has_slot => match next {
                    Some(Ok(incoming)) => self.handle(Pending::new(queue, incoming, Arc::clone(&deliveries.session))),
                    Some(Err(error)) => {
                        tracing::warn!(%queue, %error, "the subscription broke");
                        return ControlFlow::Continue(());
                    }
                    None => {
                        tracing::warn!(%queue, "RabbitMQ ended the subscription");
                        return ControlFlow::Continue(());
                    }
                },
            }
        }
    }

    fn handle<M, F>(&mut self, pending: Pending)
    where
        M: DeserializeOwned + Send + 'static,
        H: Fn(Delivery<M>) -> F + Send + Sync + 'static,
        F: Future<Output = Verdict> + Send + 'static,
    {
        let handler = Arc::clone(&self.handler);
        let broker = self.broker.clone();
        let span = pending.span();
        let handling = async move {
            let verdict = pending.judge(&*handler).await;
            pending.settle(verdict, broker.topology(), broker.publish_timeout()).await;
        };
        self.running.spawn(handling.instrument(span));
    }

    /// Ends the deliveries and requeues those that arrived too late to be handled.
    async fn unsubscribe(&mut self, deliveries: &mut Deliveries) {
        let stopped = timeout(UNSUBSCRIBE_TIMEOUT, async {
            let tag = deliveries.incoming.tag();
            deliveries.channel.basic_cancel(tag, BasicCancelOptions::default()).await?;
            while let Some(late) = deliveries.incoming.next().await {
                let pending = Pending::new(self.subscription.queue, late?, Arc::clone(&deliveries.session));
                let broker = self.broker.clone();
                self.running.spawn(async move {
                    pending.settle(Verdict::HandBack, broker.topology(), broker.publish_timeout()).await;
                });
            }
            lapin::Result::Ok(())
        });
        if !matches!(stopped.await, Ok(Ok(()))) {
            // Harmless: when the channel closes, RabbitMQ requeues unacknowledged messages.
            tracing::warn!(queue = %self.subscription.queue, "could not end the subscription cleanly");
        }
    }

    /// Waits for the handlers, until the abort.
    async fn finish(&mut self) {
        let abort = self.subscription.abort.clone();
        let all_ended = async {
            while let Some(ended) = self.running.join_next().await {
                report(ended);
            }
        };
        if abort.run_until_cancelled(all_ended).await.is_none() {
            tracing::warn!(queue = %self.subscription.queue, handlers = self.running.len(), "aborting handlers");
            self.running.shutdown().await;
        }
    }
}

async fn start(
    session: &Session,
    queue: &str,
    slots: u16,
) -> Result<(Channel, lapin::Consumer), SessionError> {
    let channel = session.channel().await?;
    // Per consumer: RabbitMQ 4 has no global prefetch for quorum queues.
    channel.basic_qos(slots, BasicQosOptions { global: false }).await?;
    let options = BasicConsumeOptions::default();
    let incoming = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?;
    Ok((channel, incoming))
}

/// A handler's panic becomes a verdict, so a panic here is our own fault.
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a delivery's task failed, its message stays unacknowledged until the channel closes");
    }
}
