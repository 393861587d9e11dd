//! Messages between the services, through RabbitMQ: the only crate that speaks AMQP.
//!
//! What it promises:
//!
//! - **Published means confirmed.** [`Broker::publish`] returns when RabbitMQ has the message on disk, and fails if
//!   there was no queue for it.
//! - **Acknowledged means done.** A handler returns a [`Verdict`]; whatever has to be published for it is confirmed
//!   before the message is acknowledged. A crash at any point repeats a message and loses none, so every handler
//!   must cope with messages that come twice.
//! - **Retries wait.** Each delay of the [`RetryLadder`] is a queue in which messages wait for their time to be over.
//!   Nothing is put back to be delivered again at once.
//! - **Nothing loops.** A body that can't be read, and a message that its handler rejects, goes to `<queue>.dead`.
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
