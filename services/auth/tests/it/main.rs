//! The auth service against a real database, over HTTP.

mod accounts;
mod harness;
mod inputs;
mod keys;
mod migrations;
mod outages;
mod proxy;
