//! The gateway's background tasks, one file for each.

mod eraser;
mod reconciler;
mod sweeper;

use std::time::Duration;

use clap::Args;
use humantime::parse_duration;

pub(crate) use eraser::{Eraser, erase_soon};
pub(crate) use reconciler::Reconciler;
pub(crate) use sweeper::Sweeper;

/// How often each task works, and from which age on.
#[derive(Debug, Clone, Args)]
pub struct BackgroundConfig {
    /// How often auth is asked which accounts are to be erased
    #[arg(long, env = "ERASURE_INTERVAL", default_value = "10s", value_parser = parse_duration)]
    pub(crate) erasure_interval: Duration,

    /// How often lost messages are looked for
    #[arg(long, env = "RECONCILE_INTERVAL", default_value = "15s", value_parser = parse_duration)]
    pub(crate) reconcile_interval: Duration,

    /// After how long a job that the broker has not confirmed is announced again
    #[arg(long, env = "UNANNOUNCED_AFTER", default_value = "30s", value_parser = parse_duration)]
    pub(crate) unannounced_after: Duration,

    /// After how long a job that nobody took up is announced again, in case the broker lost its message
    #[arg(long, env = "WAITING_AFTER", default_value = "1h", value_parser = parse_duration)]
    pub(crate) waiting_after: Duration,

    /// How often expired jobs and orphaned files are looked for
    #[arg(long, env = "SWEEP_INTERVAL", default_value = "5m", value_parser = parse_duration)]
    pub(crate) sweep_interval: Duration,

    /// The age from which a file counts as an orphan if no job refers to it, or if it was never finished
    #[arg(long, env = "ORPHAN_AGE", default_value = "1h", value_parser = parse_duration)]
    pub(crate) orphan_age: Duration,

    /// How long expired and cancelled jobs stay in their owner's list
    #[arg(long, env = "KEEP_HISTORY", default_value = "30days", value_parser = parse_duration)]
    pub(crate) keep_history: Duration,
}
