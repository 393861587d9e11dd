//! Tests `scripts/backup.sh`, `scripts/restore.sh` and the gateway's subcommands behind them, on real
//! servers.
//!
//! Needs the four services beside it: `cargo build --release --bins`.

mod faults;
mod interrupted;
mod mongodump;
mod round_trip;
mod window;
mod world;
