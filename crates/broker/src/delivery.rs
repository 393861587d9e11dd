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
    /// Which attempt this is; 1 is the first. Counts verdicts of [`Verdict::Retry`], and not the deliveries that a
    /// crash or a lost connection repeats.
    pub attempt: u32,
    /// When the message was published first, before any retry.
    pub first_published_at: OffsetDateTime,
    /// Whether RabbitMQ has delivered this very copy before, to a consumer that did not finish.
    pub redelivered: bool,
}

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is handled.
    Done,
    /// It failed and may succeed later: comes again, as the next attempt, after the delay that the ladder has for it.
    Retry {
        /// Why, for the log.
        reason: String,
    },
    /// It is not its turn: comes again, as the same attempt, after the ladder's first delay that is as long.
    Defer {
        /// The least time to wait.
        delay: Duration,
    },
    /// This consumer is about to stop: comes again at once, as the same attempt.
    HandBack,
    /// Nothing will ever come of it: goes to the dead queue.
    Reject {
        /// Why, for the log and for whoever looks into the dead queue.
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

/// A delivery together with what its acknowledgement takes.
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

    /// The span of one delivery, below whatever span published the message.
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
        // The call is inside, since it may panic as well as the future that it returns.
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

    /// Does what the verdict says and acknowledges the message. Gives up only when the delivery has become void,
    /// because RabbitMQ then delivers the message again.
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

    /// Where a copy of the message has to go before it is acknowledged, and what the copy says.
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

    /// Publishes the copy, for as long as the delivery is ours. Through the session that it came by and no other: once
    /// that is lost the message is back in its queue, and a copy would be one too many.
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
