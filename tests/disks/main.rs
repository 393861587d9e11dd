//! The whole system on full disks: no accepted upload is lost or damaged, what cannot be stored is refused
//! early, and everything continues by itself when there is space again.
//!
//! Needs the four services beside it, `cargo build --release --bins`, and the right to mount small file systems.

mod broker;
mod disk;
mod logs;
mod mongodb;
mod mysql;
mod scratch;
