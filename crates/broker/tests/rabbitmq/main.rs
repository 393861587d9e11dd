//! The broker against a real RabbitMQ; each test has its own queues.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod dead;
mod draining;
mod losses;
mod proxy;
mod publishing;
mod stage;
mod traces;
mod verdicts;
