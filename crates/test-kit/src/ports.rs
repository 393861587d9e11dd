//! Free loopback ports.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::ops::Range;
use std::sync::{LazyLock, Mutex, PoisonError};

use anyhow::{Context, Result};

use crate::random::random_bytes;

// Below the range from which the kernel takes ports for outgoing connections (32768 and up). So a port that
// is remembered for the next start is not lost to such a connection.
const RANGE: Range<u16> = 20_000..30_000;
const ATTEMPTS: usize = 1_000;

static HANDED_OUT: LazyLock<Mutex<BTreeSet<u16>>> = LazyLock::new(Mutex::default);

/// A free port that this process was not given before.
///
/// # Errors
/// A thousand random ports are all taken.
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

/// Whether a port is free on the loopback addresses and on all addresses.
#[must_use]
pub fn is_free(port: u16) -> bool {
    let is_free_on_ipv6 = match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
        Ok(_) => true,
        // Checked for IPv6 too, because `localhost` could lead to another program there. A machine without
        // IPv6 has none.
        Err(error) => error.kind() != std::io::ErrorKind::AddrInUse,
    };
    is_free_on_ipv6 && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_with_a_listener_is_not_free() {
        let loopback = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(!is_free(loopback.local_addr().unwrap().port()));
        let everywhere = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        assert!(!is_free(everywhere.local_addr().unwrap().port()));
    }
}
