//! The auth service against a real database, over HTTP.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod account_settings;
mod accounts;
mod administration;
mod api_keys;
mod delays;
mod inputs;
mod keys;
mod mails;
mod migrations;
mod oidc;
mod outages;
mod post;
mod relay;
mod sessions;
mod world;
