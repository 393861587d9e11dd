//! How often a client may do what costs us something. Each gateway process counts for itself.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderName, HeaderValue};
use clap::Args;
use contracts::{ProblemCode, UserId};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use service_kit::{Problem, subscriber};

use super::places::Places;

/// The limits, and how much of them each client has used.
pub(crate) struct Limits {
    credentials: Limit<IpAddr>,
    uploads: Limit<UserId>,
    requests: Limit<UserId>,
    strangers: Limit<IpAddr>,
    /// Uploads that are being received.
    pub(crate) receiving: Places,
    /// Downloads of a user's files, including those by links.
    pub(crate) sending: Places,
    /// Answers that are in memory as a whole until their client has received them.
    pub(crate) answering: Places,
    /// Streams of events.
    pub(crate) watching: Places,
}

/// A client that hears nothing for longer may give up.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An upload's client can wait longer: it waits to send its body and expects no answer yet.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// A client with more of them waits in line: for a list or a picture, some milliseconds.
const ANSWERS_AT_ONCE: usize = 64;

/// Streams of events of one user in this process: each costs a connection.
const STREAMS_AT_ONCE: usize = 20;

/// How often, and how much at the same time.
#[derive(Debug, Clone, Args)]
pub struct LimitConfig {
    /// The most connections at the same time; half of them from one address (of IPv6: one /64) that is no proxy
    #[arg(long, env = "MAX_CONNECTIONS", default_value = "4096")]
    pub(crate) max_connections: NonZeroU32,

    /// Registrations, logins and the like per minute from one client address, in each gateway process
    #[arg(long, env = "CREDENTIALS_PER_MINUTE", default_value = "120")]
    pub(crate) credentials_per_minute: NonZeroU32,

    /// Uploads per minute by one user, in each gateway process
    #[arg(long, env = "UPLOADS_PER_MINUTE", default_value = "300")]
    pub(crate) uploads_per_minute: NonZeroU32,

    /// Uploads of one user whose bytes are taken at the same time, in each gateway process; more wait. Half a megabyte of memory each
    #[arg(long, env = "UPLOADS_AT_ONCE", default_value = "32")]
    pub(crate) uploads_at_once: NonZeroU16,

    /// Uploads of all users whose bytes are taken at the same time, in each gateway process
    #[arg(long, env = "ALL_UPLOADS_AT_ONCE", default_value = "256")]
    pub(crate) all_uploads_at_once: NonZeroU16,

    /// Downloads of one user's files at the same time, also those by links, in each gateway process; more wait
    #[arg(long, env = "DOWNLOADS_AT_ONCE", default_value = "256")]
    pub(crate) downloads_at_once: NonZeroU16,

    /// Requests of any kind per minute by one user, and without a token by one client address, in each gateway process
    #[arg(long, env = "REQUESTS_PER_MINUTE", default_value = "6000")]
    pub(crate) requests_per_minute: NonZeroU32,
}

impl From<&LimitConfig> for Limits {
    fn from(config: &LimitConfig) -> Self {
        Self {
            credentials: Limit::new(config.credentials_per_minute),
            uploads: Limit::new(config.uploads_per_minute),
            requests: Limit::new(config.requests_per_minute),
            strangers: Limit::new(config.requests_per_minute),
            receiving: Places::new(
                config.uploads_at_once.get().into(),
                config.all_uploads_at_once.get().into(),
                UPLOAD_TIMEOUT,
            ),
            sending: Places::new(config.downloads_at_once.get().into(), usize::MAX, TIMEOUT),
            answering: Places::new(ANSWERS_AT_ONCE, usize::MAX, TIMEOUT),
            watching: Places::new(STREAMS_AT_ONCE, usize::MAX, Duration::ZERO),
        }
    }
}

impl Limits {
    /// Counts a registration, a login, or another attempt with a password or a token from a mail.
    pub(crate) fn credentials(&self, client: IpAddr) -> Result<(), Problem> {
        self.credentials.count(&subscriber(client))
    }

    /// Counts the start of an upload.
    pub(crate) fn upload(&self, user: UserId) -> Result<(), Problem> {
        self.uploads.count(&user)
    }

    /// Counts any request of a user.
    pub(crate) fn request(&self, user: UserId) -> Result<(), Problem> {
        self.requests.count(&user)
    }

    /// Counts any request without a valid token.
    pub(crate) fn stranger(&self, client: IpAddr) -> Result<(), Problem> {
        self.strangers.count(&subscriber(client))
    }

    /// Forgets clients that have their whole allowance again.
    pub(crate) fn forget_idle(&self) {
        self.credentials.forget_idle();
        self.uploads.forget_idle();
        self.requests.forget_idle();
        self.strangers.forget_idle();
        for places in [&self.receiving, &self.sending, &self.answering, &self.watching] {
            places.forget_idle();
        }
    }
}

/// A number of requests per minute. They may come all at once.
pub(crate) struct Limit<K: Clone + Hash + Eq> {
    limiter: DefaultKeyedRateLimiter<K>,
    per_minute: NonZeroU32,
    clock: DefaultClock,
}

impl<K: Clone + Hash + Eq> Limit<K> {
    pub(crate) fn new(per_minute: NonZeroU32) -> Self {
        let limiter = RateLimiter::keyed(Quota::per_minute(per_minute));
        Self { limiter, per_minute, clock: DefaultClock::default() }
    }

    pub(crate) fn count(&self, key: &K) -> Result<(), Problem> {
        self.limiter.check_key(key).map_err(|refusal| {
            let seconds = refusal.wait_time_from(self.clock.now()).as_secs() + 1;
            // The last three headers are those of draft-ietf-httpapi-ratelimit-headers-06.
            Problem::new(ProblemCode::TooManyRequests)
                .with_header(RETRY_AFTER, HeaderValue::from(seconds))
                .with_header(HeaderName::from_static("ratelimit-limit"), self.per_minute.get().into())
                .with_header(HeaderName::from_static("ratelimit-remaining"), 0.into())
                .with_header(HeaderName::from_static("ratelimit-reset"), HeaderValue::from(seconds))
        })
    }

    /// Forgets clients that have their whole allowance again.
    pub(crate) fn forget_idle(&self) {
        self.limiter.retain_recent();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_over_its_limit_is_refused_and_others_are_not() {
        let limit = Limit::new(NonZeroU32::MIN);
        let count = |client: &str| limit.count(&subscriber(client.parse().unwrap()));
        assert!(count("2001:db8::1").is_ok());
        assert_eq!(count("2001:db8::2").unwrap_err().code(), ProblemCode::TooManyRequests);
        assert!(count("2001:db8:0:1::1").is_ok());
        assert!(count("::ffff:192.0.2.1").is_ok());
        assert!(count("192.0.2.1").is_err());
    }
}
