//! The tables in `MySQL`, a file for each with all of its statements, and the pool through which they are asked.
//!
//! Nothing here knows HTTP, and nothing decides what a person may do: that is `service`'s.

pub(crate) mod accounts;
pub(crate) mod address_changes;
pub(crate) mod api_keys;
pub(crate) mod database;
pub(crate) mod erasures;
pub(crate) mod identities;
pub(crate) mod login_failures;
pub(crate) mod mail_tokens;
pub(crate) mod outbox;
pub(crate) mod schema;
pub(crate) mod sessions;
pub(crate) mod signing_keys;
