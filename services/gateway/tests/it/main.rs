//! The gateway from outside: what applies to every request, the interface, the page, and every kind of
//! upload.
//!
//! Needs the four services beside it: `cargo build --release --workspace --bins`.

mod bounds;
mod edge;
mod interface;
mod page;
mod uploads;
