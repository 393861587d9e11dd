use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use contracts::{Chain, Queue};
use futures_util::FutureExt as _;
use lapin::options::BasicAckOptions;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, timeout};

use crate::envelope::Envelope;
use crate::session::Session;
use crate::supervisor::backoff;
use crate::topology::Topology;

/// A message to handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery<M> {
    /// The message.
    pub message: M,
    /// The number of this attempt; 1 is the first. It counts [`Verdict::Retry`], but not deliveries repeated
    /// after a crash or a lost connection.
    pub attempt: u32,
    /// When the message was first published, before any retry.
    pub first_published_at: OffsetDateTime,
    /// Whether RabbitMQ has delivered this copy before, to a consumer that did not finish.
    pub redelivered: bool,
}

/// The result of handling a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is handled.
    Done,
    /// It failed and may succeed later. It returns as the next attempt, after the ladder's delay for it.
    Retry {
        /// Why, for the log.
        reason: String,
    },
    /// It must wait. It returns as the same attempt, after the ladder's first delay of at least `delay`.
    Defer {
        /// The shortest time to wait.
        delay: Duration,
    },
    /// This consumer is about to stop. It returns at once, as the same attempt.
    HandBack,
    /// It can never succeed. It goes to the dead queue.
    Reject {
        /// Why, for the log and the operator of the dead queue.
        reason: String,
    },
}

impl Verdict {
    fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retry { .. } => "retry",
            Self::Defer { .. } => "defer",
            Self::HandBack => "hand_back",
            Self::Reject { .. } => "reject",
        }
    }
}

/// A delivery, with everything that its acknowledgement needs.
pub(crate) struct Pending {
    queue: Queue,
    envelope: Envelope,
    incoming: lapin::message::Delivery,
    session: Arc<Session>,
}

const ACK_TIMEOUT: Duration = Duration::from_secs(10);

impl Pending {
    pub(crate) fn new(queue: Queue, mut incoming: lapin::message::Delivery, session: Arc<Session>) -> Self {
        let body = std::mem::take(&mut incoming.data);
        let envelope = Envelope::read(&incoming.properties, body);
        Self { queue, envelope, incoming, session }
    }

    /// The span of one delivery, a child of the span that published the message.
    pub(crate) fn span(&self) -> tracing::Span {
        let span = tracing::info_span!(
            "deliver",
            queue = self.queue.name(),
            attempt = self.envelope.attempt,
            otel.kind = "consumer",
        );
        if let Some(headers) = self.incoming.properties.headers() {
            crate::trace::follow(&span, headers);
        }
        span
    }

    /// Lets the handler judge the message.
    pub(crate) async fn judge<M, H, F>(&self, handler: &H) -> Verdict
    where
        M: DeserializeOwned,
        H: Fn(Delivery<M>) -> F,
        F: Future<Output = Verdict>,
    {
        let message = match self.envelope.decode() {
            Ok(message) => message,
            Err(malformed) => {
                tracing::error!(reason = %malformed, "a message is malformed, it goes to the dead queue");
                return Verdict::Reject { reason: Chain(&malformed).to_string() };
            }
        };
        let delivery = Delivery {
            message,
            attempt: self.envelope.attempt,
            first_published_at: self.envelope.first_published_at,
            redelivered: self.incoming.redelivered,
        };
        // The call is inside, since both the call and its future may panic.
        let handling = AssertUnwindSafe(async { handler(delivery).await });
        let verdict = handling
            .catch_unwind()
            .await
            .unwrap_or_else(|_panic| Verdict::Retry { reason: "the handler panicked".to_owned() });
        match &verdict {
            Verdict::Done | Verdict::Defer { .. } | Verdict::HandBack => {}
            Verdict::Retry { reason } => tracing::warn!(reason, "a message failed, it will be tried again"),
            Verdict::Reject { reason } => {
                tracing::error!(reason, "a message is rejected, it goes to the dead queue");
            }
        }
        verdict
    }

    /// Carries out the verdict and acknowledges the message. Gives up only if the delivery is void, because
    /// RabbitMQ then delivers the message again.
    pub(crate) async fn settle(mut self, verdict: Verdict, topology: &Topology, publish_timeout: Duration) {
        let name = verdict.name();
        if let Some(target) = self.redirect(verdict, topology)
            && !self.forward(&target, publish_timeout).await
        {
            tracing::warn!(
                verdict = name,
                "the delivery was lost before its verdict, the message will come again"
            );
            return;
        }
        // Acknowledge last: a crash before this repeats the message instead of losing it.
        match timeout(ACK_TIMEOUT, self.incoming.acker.ack(BasicAckOptions::default())).await {
            Ok(Ok(true)) => {
                metrics::counter!("mixdown_messages_handled_total", "queue" => self.queue.name(), "verdict" => name)
                    .increment(1);
            }
            Ok(Ok(false)) => tracing::warn!(
                verdict = name,
                "the delivery was lost before its end, the message will come again"
            ),
            Ok(Err(error)) => {
                tracing::warn!(verdict = name, %error, "could not acknowledge, the message will come again");
            }
            Err(_elapsed) => {
                tracing::warn!(verdict = name, "could not acknowledge in time, the message may come again");
            }
        }
    }

    /// The queue for a copy, published before the acknowledgement. Updates the envelope for the copy.
    fn redirect(&mut self, verdict: Verdict, topology: &Topology) -> Option<String> {
        let attempt = self.envelope.attempt;
        match verdict {
            Verdict::Done => None,
            Verdict::Retry { reason: _ } => {
                self.envelope.attempt = attempt.saturating_add(1);
                Some(topology.retry(self.queue, attempt))
            }
            Verdict::Defer { delay } => Some(topology.deferred(self.queue, delay)),
            Verdict::HandBack => Some(topology.main(self.queue)),
            Verdict::Reject { reason } => {
                self.envelope.reject_reason = Some(reason);
                Some(topology.dead(self.queue))
            }
        }
    }

    /// Publishes the copy while the delivery is ours, through the delivery's own session: once that is lost,
    /// the message is back in its queue, and the copy would be a duplicate.
    async fn forward(&self, target: &str, publish_timeout: Duration) -> bool {
        let mut delays = backoff();
        while self.is_ours() {
            let Err(error) =
                self.session.publish(target, &self.envelope, Instant::now() + publish_timeout).await
            else {
                return true;
            };
            tracing::warn!(error = %Chain(&error), "could not put a message into another queue");
            sleep(delays.next().unwrap_or_default()).await;
        }
        false
    }

    fn is_ours(&self) -> bool {
        self.session.is_alive() && self.incoming.acker.usable()
    }
}
