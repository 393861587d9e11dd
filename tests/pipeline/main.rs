//! The whole system from outside: the four services on real servers, real videos as input, mails and audio
//! files as output.
//!
//! Needs the four services beside it: `cargo build --release --bins`.

mod accounts;
mod api_keys;
mod archives;
mod bad_input;
mod conformance;
mod course_family;
mod deleting;
mod elsewhere;
mod erasing;
mod every_route;
mod expiry;
mod formats;
mod limits;
mod links;
mod mp3;
mod outages;
mod ownership;
mod quotas;
mod readiness;
mod retrying;
mod secrecy;
mod sessions;
mod tokens;
mod watching;
