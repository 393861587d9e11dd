//! Messages between the services, through RabbitMQ: the only crate that speaks AMQP.
//!
//! What it promises:
//!
//! - **Published means confirmed.** [`Broker::publish`] returns when RabbitMQ has the message on disk, and
//!   fails if there was no queue for it.
//! - **Acknowledged means done.** A handler returns a [`Verdict`]; a copy that it requires is confirmed
//!   before the message is acknowledged. A crash at any point repeats a message and loses none, so every
//!   handler must cope with messages that arrive twice.
//! - **Retries wait.** Each delay of the [`RetryLadder`] is a queue in which messages wait until it has
//!   passed. No retry is delivered at once.
//! - **Nothing loops.** A malformed body, and a message that its handler rejects, goes to `<queue>.dead`.
//! - **Everything comes back.** The connection, the queues and the subscriptions are restored after any loss.

mod broker;
mod config;
mod consumer;
mod dead;
mod delivery;
mod dial;
mod envelope;
mod session;
mod supervisor;
mod topology;
mod trace;

pub use broker::{Broker, DepthError, PublishError, Unavailable};
pub use config::{BrokerConfig, InvalidConfig, InvalidLadder, RetryLadder};
pub use consumer::Subscription;
pub use dead::{DeadLetter, DeadLetterError};
pub use delivery::{Delivery, Verdict};
