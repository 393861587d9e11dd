//! Renews a converter's lease on a job while it works.

use std::time::Duration;

use jobs::{ConversionLease, JobStore};
use service_kit::Chain;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::engine::Report;

/// The interval between reports. It decides how often a user sees progress, and how soon a cancelled job is
/// stopped.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Writes reports into the job during the work, which renews its lease.
#[derive(Debug)]
pub(crate) struct LeaseKeeper<'a> {
    jobs: &'a JobStore,
    lease: &'a ConversionLease,
    reports: watch::Receiver<Report>,
    is_source_tried: bool,
    is_source_written: bool,
}

/// The job no longer belongs to this converter: it was cancelled, or another converter took it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lease is lost")]
pub(crate) struct LeaseLost;

impl<'a> LeaseKeeper<'a> {
    /// For a lease that was taken just now.
    pub(crate) fn new(
        jobs: &'a JobStore,
        lease: &'a ConversionLease,
        reports: watch::Receiver<Report>,
    ) -> Self {
        Self { jobs, lease, reports, is_source_tried: false, is_source_written: false }
    }

    /// Reports until the lease is lost.
    ///
    /// An unreachable database is not a loss: no other converter can take the job then, so the work goes on.
    pub(crate) async fn keep(&mut self) -> LeaseLost {
        let mut tick = interval_at(Instant::now() + REPORT_EVERY, REPORT_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut reports = self.reports.clone();
            tokio::select! {
                _ = tick.tick() => {}
                // Written at once, so that it is there before a short job ends.
                () = source_found(&mut reports), if !self.is_source_tried => self.is_source_tried = true,
            }
            // Also without news: only a write shows a cancellation.
            if let Err(LeaseLost) = self.write().await {
                return LeaseLost;
            }
        }
    }

    /// Writes the facts about the source, if that has not been done.
    pub(crate) async fn write_source(&mut self) -> Result<(), LeaseLost> {
        let is_found = self.reports.borrow().source.is_some();
        if is_found && !self.is_source_written { self.write().await } else { Ok(()) }
    }

    async fn write(&mut self) -> Result<(), LeaseLost> {
        let mut report = self.reports.borrow_and_update().clone();
        if self.is_source_written {
            report.source = None;
        }
        match self.jobs.report(self.lease, &report.progress, report.source.as_ref()).await {
            Ok(true) => {
                self.is_source_written |= report.source.is_some();
                Ok(())
            }
            Ok(false) => Err(LeaseLost),
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "could not renew a job's lease");
                Ok(())
            }
        }
    }
}

async fn source_found(reports: &mut watch::Receiver<Report>) {
    // The sender ends with the work, and so does this task.
    if reports.wait_for(|report| report.source.is_some()).await.is_err() {
        std::future::pending::<()>().await;
    }
}
