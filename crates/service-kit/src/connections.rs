use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Networks, Pace, subscriber};

/// How many connections a server holds at the same time: each costs memory and a file descriptor.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// From all addresses. Further connections wait to be accepted.
    pub total: usize,
    /// From one [`subscriber`]. Further connections are closed, so that no client takes all of them.
    pub per_address: usize,
    /// Addresses of proxies, which carry many clients.
    pub proxies: Networks,
    /// How slowly a client may read its answers.
    pub pace: Pace,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { total: 4096, per_address: 4096, proxies: Networks::default(), pace: Pace::default() }
    }
}

/// The connections of a server.
#[derive(Debug)]
pub(crate) struct Connections {
    limits: ConnectionLimits,
    permits: Arc<Semaphore>,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection that counts until this is dropped.
pub(crate) struct Counted {
    _place: OwnedSemaphorePermit,
    address: IpAddr,
    by_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Connections {
    pub(crate) fn new(limits: ConnectionLimits) -> Self {
        Self { permits: Arc::new(Semaphore::new(limits.total)), limits, by_address: Arc::default() }
    }

    /// Waits for a free place.
    pub(crate) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    /// Counts a connection. `None`: its address has reached its limit.
    pub(crate) fn count(&self, place: OwnedSemaphorePermit, address: IpAddr) -> Option<Counted> {
        let is_proxy = self.limits.proxies.contain(address);
        let address = subscriber(address);
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_address.entry(address).or_default();
        if *count >= self.limits.per_address && !is_proxy {
            return None;
        }
        *count += 1;
        Some(Counted { _place: place, address, by_address: Arc::clone(&self.by_address) })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_has_its_share_and_a_proxy_more() {
        let limits = ConnectionLimits {
            total: 5,
            per_address: 2,
            proxies: "10.0.0.0/8".parse().unwrap(),
            pace: Pace::default(),
        };
        let connections = Connections::new(limits);
        let open = async |address: &str| {
            connections.count(connections.place().await.unwrap(), address.parse().unwrap())
        };
        let first = open("192.0.2.1").await.unwrap();
        let _second = open("192.0.2.1").await.unwrap();
        assert!(open("192.0.2.1").await.is_none());
        let _another = open("192.0.2.2").await.unwrap();
        drop(first);
        let _third = open("192.0.2.1").await.unwrap();
        for _ in 0..5 {
            assert!(open("10.0.0.1").await.is_some());
        }
        assert_eq!(connections.by_address.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn every_address_of_an_ipv6_network_is_one_subscriber() {
        let limits = ConnectionLimits { per_address: 2, ..ConnectionLimits::default() };
        let connections = Connections::new(limits);
        let open = async |address: &str| {
            connections.count(connections.place().await.unwrap(), address.parse().unwrap())
        };
        let _first = open("2001:db8::1").await.unwrap();
        let second = open("2001:db8::ffff:1").await.unwrap();
        assert!(open("2001:db8::2").await.is_none());
        let _another = open("2001:db8:0:1::2").await.unwrap();
        drop(second);
        assert!(open("2001:db8::2").await.is_some());
        // An IPv4 address is the same in either spelling.
        let _held = (open("::ffff:192.0.2.1").await.unwrap(), open("192.0.2.1").await.unwrap());
        assert!(open("192.0.2.1").await.is_none() && open("192.0.2.2").await.is_some());
    }
}
