use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::{Chain, Shutdown};

/// Works at once and then at every interval, until the service drains. Work that is under way then is dropped, and leaves what a
/// crash would leave. A failure is logged with this sentence, and the next interval tries again.
pub async fn every<F, E>(period: Duration, shutdown: &Shutdown, failure: &str, work: impl Fn() -> F)
where
    F: Future<Output = Result<(), E>>,
    E: std::error::Error + 'static,
{
    let drain = shutdown.drain();
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while drain.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Some(Err(error)) = drain.run_until_cancelled(work()).await {
            tracing::warn!(error = %Chain(&error), "{failure}");
        }
    }
}
