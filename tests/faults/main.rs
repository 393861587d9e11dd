//! The whole system while parts of it die: every accepted upload reaches one outcome, one MP3, one mail.
//!
//! Needs the four services beside it: `cargo build --release --bins`.

mod converter;
mod gateway;
mod messages;
mod notification;
mod servers;
