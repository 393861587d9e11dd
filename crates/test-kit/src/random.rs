//! Random bytes for secrets and unique names.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;

use anyhow::{Context, Result};

/// Bytes from the kernel, fit for keys.
///
/// # Errors
/// `/dev/urandom` can't be read.
pub fn random_bytes<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("no randomness")?;
    Ok(bytes)
}

/// `bytes` random bytes as lower-case hex: safe in URLs, SQL strings and configuration files.
///
/// # Errors
/// `/dev/urandom` can't be read.
pub fn random_hex<const BYTES: usize>() -> Result<String> {
    Ok(random_bytes::<BYTES>()?.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String can't fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}
