//! The auth service against a real database, over HTTP.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod accounts;
mod administration;
mod api_keys;
mod delays;
mod elsewhere;
mod inputs;
mod keys;
mod mails;
mod migrations;
mod oneself;
mod outages;
mod post;
mod relay;
mod sessions;
mod world;
