//! What several tests of the whole system share.
//!
//! The tests themselves lie beside this folder, one program for each kind: `pipeline` for what users do,
//! `faults`, `disks` and `storm` for what goes wrong, `backup`, `browser`, and `native_stack` for the `stack`
//! program. They need the built services: `cargo build --release --bins`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

pub mod promise;

/// A video that takes a converter seconds.
pub async fn long_video() -> Result<PathBuf> {
    test_kit::media::long_video(Duration::from_mins(5)).await
}
