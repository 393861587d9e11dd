//! The broker against a real RabbitMQ; each test has its own queues.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod closed_channels;
mod dead;
mod draining;
mod losses;
mod publishing;
mod traces;
mod verdicts;
mod world;
