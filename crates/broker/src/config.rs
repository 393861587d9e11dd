use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;

/// The address of RabbitMQ, and how its queues are used.
#[derive(Debug, Clone, Args)]
pub struct BrokerConfig {
    /// RabbitMQ, with user and password: `amqp://user:password@host:port/vhost`, or `amqps://` for TLS
    #[arg(id = "rabbitmq_url", long = "rabbitmq-url", env = "RABBITMQ_URL", hide_env_values = true)]
    pub url: SecretString,

    /// Goes in front of the names of the queues
    #[arg(
        id = "rabbitmq_queue_prefix",
        long = "rabbitmq-queue-prefix",
        env = "RABBITMQ_QUEUE_PREFIX",
        default_value = ""
    )]
    pub queue_prefix: String,

    /// Delays before a message is tried again, growing, separated by commas
    #[arg(long, env = "RETRY_DELAYS", default_value_t)]
    pub retry_delays: RetryLadder,

    /// How long a publisher waits for a session and the confirm together.
    #[arg(skip = PUBLISH_TIMEOUT)]
    pub publish_timeout: Duration,
}

/// Long enough to elect a queue's new leader, short enough for a user who waits for the answer to an upload.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(10);

impl BrokerConfig {
    /// The settings of production for this server.
    #[must_use]
    pub fn new(url: SecretString) -> Self {
        Self {
            url,
            queue_prefix: String::new(),
            retry_delays: RetryLadder::default(),
            publish_timeout: PUBLISH_TIMEOUT,
        }
    }
}

/// A setting that cannot work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    /// The URL. The message omits it, since it holds a password.
    #[error("the broker's URL is not of the form amqp://user:password@host:5672/vhost")]
    Url,
    /// The queue prefix.
    #[error("the queue prefix is longer than {MAX_PREFIX_BYTES} bytes")]
    QueuePrefix,
}

/// AMQP allows 255 bytes for the name of a queue; the rest is for our own part of it.
pub(crate) const MAX_PREFIX_BYTES: usize = 200;

/// The delays before a message is tried again, one for each attempt; the last repeats.
///
/// Each delay has its own queue. Changing the ladder declares new queues and leaves the old ones, whose
/// messages still return after their delay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryLadder(Vec<Duration>);

/// The delays are not a ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("retry delays must be 1 to 16 growing durations from 1 ms to 24 h, in whole milliseconds")]
pub struct InvalidLadder;

impl RetryLadder {
    const MAX_STEPS: usize = 16;
    const LONGEST: Duration = Duration::from_hours(24);

    /// A ladder of these delays.
    ///
    /// # Errors
    /// They must be 1 to 16 and growing, each of 1 ms to 24 h and in whole milliseconds.
    pub fn new(delays: Vec<Duration>) -> Result<Self, InvalidLadder> {
        let in_range = |delay: &Duration| {
            !delay.is_zero() && *delay <= Self::LONGEST && delay.subsec_nanos().is_multiple_of(1_000_000)
        };
        // Growing strictly: two equal steps would be one queue.
        let is_ladder = (1..=Self::MAX_STEPS).contains(&delays.len())
            && delays.iter().all(in_range)
            && delays.is_sorted_by(|shorter, longer| shorter < longer);
        if is_ladder { Ok(Self(delays)) } else { Err(InvalidLadder) }
    }

    /// The delays, from the shortest to the longest.
    #[must_use]
    pub fn delays(&self) -> &[Duration] {
        &self.0
    }

    /// The delay after this attempt, where 1 is the first.
    pub(crate) fn after_attempt(&self, attempt: u32) -> Duration {
        let step = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        self.0.get(step).copied().unwrap_or_else(|| self.longest())
    }

    /// The shortest delay that is not below `wanted`, or the longest there is.
    pub(crate) fn at_least(&self, wanted: Duration) -> Duration {
        self.0.iter().copied().find(|delay| *delay >= wanted).unwrap_or_else(|| self.longest())
    }

    fn longest(&self) -> Duration {
        self.0.last().copied().unwrap_or(Self::LONGEST)
    }
}

impl fmt::Display for RetryLadder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let delays: Vec<String> = self
            .0
            .iter()
            .map(|delay| humantime::format_duration(*delay).to_string().replace(' ', ""))
            .collect();
        f.write_str(&delays.join(","))
    }
}

impl FromStr for RetryLadder {
    type Err = InvalidLadder;

    /// Reads delays such as `2s,30s,10m`.
    fn from_str(text: &str) -> Result<Self, InvalidLadder> {
        let delays: Result<Vec<_>, _> =
            text.split(',').map(|delay| humantime::parse_duration(delay.trim())).collect();
        Self::new(delays.map_err(|_| InvalidLadder)?)
    }
}

impl Default for RetryLadder {
    /// 2 s, 10 s, 30 s, 2 min, 10 min, 30 min: quick enough for a restart, and over an hour in eight
    /// attempts.
    fn default() -> Self {
        Self([2, 10, 30, 120, 600, 1800].map(Duration::from_secs).to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_with_attempts_and_the_last_repeats() {
        let ladder = RetryLadder::default();
        let seconds: Vec<u64> = (0..9).map(|attempt| ladder.after_attempt(attempt).as_secs()).collect();
        assert_eq!(seconds, [2, 2, 10, 30, 120, 600, 1800, 1800, 1800]);
        assert_eq!(ladder.after_attempt(u32::MAX).as_secs(), 1800);
    }

    #[test]
    fn a_ladder_is_written_as_it_is_read() {
        let text = RetryLadder::default().to_string();
        assert_eq!(text, "2s,10s,30s,2m,10m,30m");
        assert_eq!(text.parse(), Ok(RetryLadder::default()));
        assert_eq!("1m 30s, 2m".parse::<RetryLadder>().unwrap().to_string(), "1m30s,2m");
        assert_eq!("soon".parse::<RetryLadder>(), Err(InvalidLadder));
    }

    #[test]
    fn a_wanted_delay_is_rounded_up_to_a_step() {
        let ladder = RetryLadder::default();
        for (wanted, given) in [(0, 2), (2, 2), (3, 10), (31, 120), (1800, 1800), (9999, 1800)] {
            assert_eq!(ladder.at_least(Duration::from_secs(wanted)).as_secs(), given, "{wanted}");
        }
    }

    #[test]
    fn only_growing_whole_milliseconds_are_a_ladder() {
        let millis =
            |steps: &[u64]| RetryLadder::new(steps.iter().copied().map(Duration::from_millis).collect());
        assert!(millis(&[1, 86_400_000]).is_ok());
        for wrong in [&[][..], &[0], &[86_400_001], &[2, 1], &[5, 5], &[1; 17]] {
            assert_eq!(millis(wrong), Err(InvalidLadder), "{wrong:?}");
        }
        assert_eq!(RetryLadder::new(vec![Duration::from_micros(1500)]), Err(InvalidLadder));
    }

    #[test]
    fn a_ladder_as_text_reads_back() {
        let ladder = RetryLadder::default();
        assert_eq!(ladder.to_string(), "2s,10s,30s,2m,10m,30m");
        assert_eq!(ladder.to_string().parse(), Ok(ladder));
        assert_eq!("200ms, 1h 30m".parse::<RetryLadder>().unwrap().delays()[1], Duration::from_mins(90));
        for wrong in ["", "2s,", "2", "10s,2s", "2s;10s"] {
            assert_eq!(wrong.parse::<RetryLadder>(), Err(InvalidLadder), "{wrong:?}");
        }
    }
}
