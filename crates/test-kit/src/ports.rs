//! Free loopback ports.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::ops::Range;
use std::sync::{LazyLock, Mutex, PoisonError};

use anyhow::{Context, Result};

use crate::random::random_bytes;

// Below the range that the kernel takes outgoing connections' ports from (32768 and up), so that a port which is
// remembered for the next start isn't lost to a passing connection.
const RANGE: Range<u16> = 20_000..30_000;
const ATTEMPTS: usize = 1_000;

static HANDED_OUT: LazyLock<Mutex<BTreeSet<u16>>> = LazyLock::new(Mutex::default);

/// A port nobody listens on, and that this process was not given before.
///
/// # Errors
/// When a thousand random ones are all taken.
pub fn free_port() -> Result<u16> {
    let mut handed_out = HANDED_OUT.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..ATTEMPTS {
        let port = RANGE.start + u16::from_le_bytes(random_bytes()?) % (RANGE.end - RANGE.start);
        if !handed_out.contains(&port) && is_free(port) {
            handed_out.insert(port);
            return Ok(port);
        }
    }
    None.context("there is no free port between 20000 and 30000")
}

/// Whether nobody listens on a port, neither on the loopback addresses nor on all.
#[must_use]
pub fn is_free(port: u16) -> bool {
    let is_free_on_ipv6 = match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
        Ok(_) => true,
        // A machine without IPv6 has nobody listening there; `localhost` could otherwise lead to a stranger.
        Err(error) => error.kind() != std::io::ErrorKind::AddrInUse,
    };
    is_free_on_ipv6 && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_somebody_listens_on_is_not_free() {
        let loopback = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(!is_free(loopback.local_addr().unwrap().port()));
        let everywhere = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        assert!(!is_free(everywhere.local_addr().unwrap().port()));
    }
}
