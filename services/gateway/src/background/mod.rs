//! What the gateway does without being asked: one file per task.

mod eraser;
mod reconciler;
mod sweeper;

use std::time::Duration;

use service_kit::{Chain, Shutdown};
use tokio::time::{MissedTickBehavior, interval};

pub(crate) use eraser::{Eraser, erase_soon};
pub(crate) use reconciler::Reconciler;
pub(crate) use sweeper::Sweeper;

/// Does something at once and then at every interval, until the process drains: what is under way then is left as a crash would
/// leave it.
pub(crate) async fn every<F, E>(period: Duration, shutdown: &Shutdown, failure: &str, work: impl Fn() -> F)
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

/// How long a readiness probe waits for RabbitMQ.
pub(crate) const GLANCE: Duration = Duration::from_millis(500);
