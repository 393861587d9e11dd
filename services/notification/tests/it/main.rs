//! Notification against a real broker, database and mail server.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod account_mails;
mod delivery;
mod faults;
mod stalled;
mod world;
