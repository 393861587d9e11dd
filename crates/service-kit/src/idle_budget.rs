//! Bounds the waiting for a slow or dead peer.

use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// How slow a peer may be.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The longest time without a byte.
    pub idle_timeout: Duration,
    /// The lowest average in bytes per second, apart from pauses of ten idle timeouts in all.
    pub min_rate: NonZeroU32,
}

impl Default for Pace {
    fn default() -> Self {
        const KIBIBYTE: NonZeroU32 = NonZeroU32::new(1024).unwrap();
        Self { idle_timeout: Duration::from_mins(1), min_rate: KIBIBYTE }
    }
}

/// The time that a peer may still let us wait.
///
/// A peer that moves one byte a minute could hold a connection for hours. So each has a budget: waiting
/// spends it, and every byte earns it back at `min_rate`.
#[derive(Debug)]
pub struct IdleBudget {
    pace: Pace,
    left: Duration,
    deadline: Option<Instant>,
    awaited_since: Option<Instant>,
    /// Created with the first wait: most peers never cause one.
    timer: Option<Pin<Box<Sleep>>>,
}

/// A peer's initial and largest budget, in idle timeouts.
const IDLE_TIMEOUTS: u32 = 10;

impl IdleBudget {
    /// The full budget.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        let left = pace.idle_timeout * IDLE_TIMEOUTS;
        Self { pace, left, deadline: None, awaited_since: None, timer: None }
    }

    /// Also ends at this moment, if the peer lets us wait then.
    #[must_use]
    pub fn until(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The peer has sent or received this many bytes.
    pub fn moved(&mut self, bytes: usize) {
        let waited = self.awaited_since.take().map_or(Duration::ZERO, |since| since.elapsed());
        let worth = Duration::from_nanos(
            (bytes as u64).saturating_mul(1_000_000_000) / u64::from(self.pace.min_rate.get()),
        );
        self.left = (self.left.saturating_sub(waited) + worth).min(self.pace.idle_timeout * IDLE_TIMEOUTS);
    }

    /// Ready when the budget is used up. Poll only while waiting for the peer alone.
    pub fn poll_exhausted(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.awaited_since.is_none() {
            let now = Instant::now();
            self.awaited_since = Some(now);
            let end = now + self.pace.idle_timeout.min(self.left);
            let end = self.deadline.map_or(end, |deadline| end.min(deadline));
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(end),
                None => self.timer = Some(Box::pin(tokio::time::sleep_until(end))),
            }
        }
        if let Some(timer) = &mut self.timer {
            ready!(timer.as_mut().poll(context));
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn waiting_spends_the_budget_and_bytes_earn_it_back() {
        let pace = Pace { idle_timeout: Duration::from_secs(1), min_rate: NonZeroU32::new(100).unwrap() };
        let mut budget = IdleBudget::new(pace);
        let wait_for = |budget: &mut IdleBudget, seconds| {
            budget.awaited_since = Some(Instant::now() - Duration::from_secs(seconds));
        };
        // A byte earns back a hundredth of a second.
        wait_for(&mut budget, 5);
        budget.moved(1);
        assert!((4900..=5010).contains(&budget.left.as_millis()), "{:?}", budget.left);
        budget.moved(1_000_000);
        assert_eq!(budget.left, pace.idle_timeout * IDLE_TIMEOUTS, "nobody saves up more");
        wait_for(&mut budget, 20);
        budget.moved(0);
        assert_eq!(budget.left, Duration::ZERO);
        poll_fn(|context| budget.poll_exhausted(context)).await;
    }
}
