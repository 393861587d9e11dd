use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{AddrParseError, IpNet};

/// A list of networks in CIDR notation, separated by commas: `10.0.0.0/8,fd00::/8`. An address is a network
/// of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Whether an address is in one of them.
    #[must_use]
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for Networks {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let network = |part: &str| part.parse().or_else(|_| part.parse::<IpAddr>().map(IpNet::from));
        parts.map(|part| network(part).or_else(|_| part.parse::<IpNet>())).collect::<Result<_, _>>().map(Self)
    }
}

/// The subscriber of an address, for all counts by address: one IPv4 address, or a whole /64 of IPv6.
#[must_use]
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses_in_either_spelling() {
        let networks: Networks = "10.0.0.0/8, 192.0.2.7,fd00::/8".parse().unwrap();
        let contains = |address: &str| networks.contain(address.parse().unwrap());
        assert!(
            contains("10.1.2.3")
                && contains("::ffff:10.1.2.3")
                && contains("192.0.2.7")
                && contains("fd00::1")
        );
        assert!(!contains("192.0.2.8") && !contains("11.0.0.1") && !contains("2001:db8::1"));
        assert_eq!("".parse(), Ok(Networks::default()));
        assert!("10.0.0.0/33".parse::<Networks>().is_err() && "localhost".parse::<Networks>().is_err());
    }
}
