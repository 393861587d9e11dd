//! The store against a real MongoDB.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

mod discarding;
mod drafts;
mod faults;
mod held_commands;
mod interoperation;
mod reading;
mod sweeping;
mod world;
mod writing;
