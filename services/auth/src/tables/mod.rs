//! The tables in `MySQL`, a file for each with all of its statements, and the connection pool.
//!
//! Nothing here knows HTTP or decides what a user may do: `service` does.

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
