//! How often a client may do what costs us much. Counted in this process: with several gateways each counts its own.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;

use contracts::{ProblemCode, UserId};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use headers::HeaderValue;
use service_kit::Problem;

/// The limits, and who has used how much of them.
pub(crate) struct Limits {
    credentials: DefaultKeyedRateLimiter<IpAddr>,
    uploads: DefaultKeyedRateLimiter<UserId>,
    clock: DefaultClock,
}

impl Limits {
    pub(crate) fn new(credentials_per_minute: NonZeroU32, uploads_per_minute: NonZeroU32) -> Self {
        Self {
            credentials: RateLimiter::keyed(Quota::per_minute(credentials_per_minute)),
            uploads: RateLimiter::keyed(Quota::per_minute(uploads_per_minute)),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a registration or login.
    pub(crate) fn credentials(&self, client: IpAddr) -> Result<(), Problem> {
        self.count(&self.credentials, &network(client))
    }

    /// Counts the start of an upload.
    pub(crate) fn upload(&self, user: UserId) -> Result<(), Problem> {
        self.count(&self.uploads, &user)
    }

    /// Forgets those who have their whole allowance again.
    pub(crate) fn forget_idle(&self) {
        self.credentials.retain_recent();
        self.uploads.retain_recent();
    }

    fn count<K: Clone + Hash + Eq>(
        &self,
        limiter: &DefaultKeyedRateLimiter<K>,
        key: &K,
    ) -> Result<(), Problem> {
        limiter.check_key(key).map_err(|refusal| {
            let seconds = refusal.wait_time_from(self.clock.now()).as_secs() + 1;
            Problem::new(ProblemCode::TooManyRequests)
                .with_header(headers::HeaderName::from_static("retry-after"), HeaderValue::from(seconds))
        })
    }
}

/// One subscriber has a whole /64 of IPv6 addresses.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            std::net::Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_over_its_limit_is_told_when_to_come_back() {
        let limits = Limits::new(NonZeroU32::MIN, NonZeroU32::MIN);
        let client: IpAddr = "2001:db8::1".parse().unwrap();
        assert!(limits.credentials(client).is_ok());
        assert_eq!(
            limits.credentials("2001:db8::2".parse().unwrap()).unwrap_err().code(),
            ProblemCode::TooManyRequests
        );
        assert!(limits.credentials("2001:db8:0:1::1".parse().unwrap()).is_ok());
        assert!(limits.credentials("::ffff:192.0.2.1".parse().unwrap()).is_ok());
        assert!(limits.credentials("192.0.2.1".parse().unwrap()).is_err());
    }
}
