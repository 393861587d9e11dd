//! The whole system on disks that are full: nothing accepted is lost or spoilt, what can't be kept is refused early, and everything
//! goes on by itself once there is room.
//!
//! Needs the four services beside it, `cargo build --release --bins`, and the right to mount small file systems.

mod broker;
mod disk;
mod logs;
mod mongodb;
mod mysql;
mod scratch;
