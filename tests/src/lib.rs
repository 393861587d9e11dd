//! Shared code of the tests of the whole system.
//!
//! The tests are beside this folder, one program for each kind: `pipeline` for what users do, `faults`,
//! `disks` and `storm` for failures and attacks, `backup`, `browser`, and `native_stack` for the `stack`
//! program. They need the built services: `cargo build --release --bins`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

pub mod promise;

/// A video that takes a converter several seconds.
pub async fn long_video() -> Result<PathBuf> {
    test_kit::media::long_video(Duration::from_mins(5)).await
}
