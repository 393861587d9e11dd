use std::fmt::Display;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(50);

/// The type of a poll's answer: `bool`, `Option<T>` or `Result<T, status>`.
pub trait Condition {
    /// The value once the condition holds.
    type Value;

    /// The value if the condition holds.
    ///
    /// # Errors
    /// The status to report if the condition never holds.
    fn holds(self) -> Result<Self::Value, String>;
}

impl Condition for bool {
    type Value = ();

    fn holds(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("it is not so".to_owned()) }
    }
}

impl<T> Condition for Option<T> {
    type Value = T;

    fn holds(self) -> Result<T, String> {
        self.ok_or_else(|| "there is none".to_owned())
    }
}

impl<T, E: Display> Condition for Result<T, E> {
    type Value = T;

    fn holds(self) -> Result<T, String> {
        self.map_err(|status| format!("{status:#}"))
    }
}

/// Polls every 50 ms until the condition holds, and returns its value.
///
/// ```
/// # async fn example(jobs: Vec<u32>) {
/// use std::time::Duration;
/// let first = test_kit::wait_until("a job is there", Duration::from_secs(5), async || jobs.first()).await;
/// # }
/// ```
///
/// # Panics
/// The condition does not hold by the deadline. The message has `what` and the status of the last poll.
pub async fn wait_until<C: Condition>(
    what: &str,
    deadline: Duration,
    mut poll: impl AsyncFnMut() -> C,
) -> C::Value {
    let end = Instant::now() + deadline;
    let mut last_status = None;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        // A poll that hangs must fail the wait, not block the test forever.
        match tokio::time::timeout(left, poll()).await.map(Condition::holds) {
            Ok(Ok(value)) => return value,
            Ok(Err(status)) => last_status = Some(status),
            Err(_) => break,
        }
        tokio::time::sleep(POLL).await;
    }
    let last_status = last_status.as_deref().unwrap_or("the first poll did not end");
    panic!("waited {deadline:?} in vain until {what}; at last: {last_status}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_value_of_the_first_poll_that_holds_is_returned() {
        let mut polls = 0;
        let polled = wait_until("the third poll", Duration::from_secs(5), async || {
            polls += 1;
            if polls == 3 { Ok(polls) } else { Err("too early") }
        })
        .await;
        assert_eq!(polled, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "until pigs fly; at last: they sit")]
    async fn a_vain_wait_panics_with_the_last_status() {
        wait_until("pigs fly", Duration::from_millis(120), async || Err::<(), _>("they sit")).await;
    }

    #[tokio::test]
    #[should_panic(expected = "at last: the first poll did not end")]
    async fn a_poll_that_hangs_ends_at_the_deadline() {
        wait_until("never", Duration::from_millis(50), async || std::future::pending::<bool>().await).await;
    }
}
