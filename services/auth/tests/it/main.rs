//! The auth service against a real database, over HTTP.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod accounts;
mod harness;
mod inputs;
mod keys;
mod migrations;
mod outages;
mod proxy;
