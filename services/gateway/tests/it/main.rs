//! The gateway from outside: what holds for every request, the interface, the page, and uploads in every way there is.
//!
//! Needs the four services beside it: `cargo build --release --workspace --bins`.

mod bounds;
mod edge;
mod interface;
mod page;
mod uploads;
