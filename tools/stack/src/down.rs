use std::time::Duration;

use anyhow::Result;
use futures_util::future::try_join_all;

use crate::folder::StackFolder;
use crate::ledger::Ledger;
use crate::parts::{SERVER_NAMES, SERVICE_NAMES};
use crate::up::SERVER_PATIENCE;
use test_kit::process::stop_strays;
use test_kit::services::DRAIN_PATIENCE;

/// Stops what `up` started, and nothing else. The data stay.
///
/// # Errors
/// The stack's folder cannot be read or written.
pub(crate) async fn down(folder: &StackFolder) -> Result<()> {
    if !folder.path().exists() {
        say!("Mixdown is not running.");
        return Ok(());
    }
    let _lock = folder.lock()?;
    let ledger = Ledger::open(folder)?;
    let was_running = !ledger.all_running().is_empty();
    // The services stop first, so that they finish their jobs while the servers run.
    stop_all(&ledger, &SERVICE_NAMES, DRAIN_PATIENCE).await?;
    stop_all(&ledger, &SERVER_NAMES, SERVER_PATIENCE).await?;
    let strays = stop_strays(folder.path(), &[], SERVER_PATIENCE).await;
    if strays > 0 {
        say!("  {strays} processes that an interrupted start had left: stopped");
    }
    if was_running {
        say!("Mixdown is down. Its data stays in {}", folder.data().display());
    } else {
        say!("Mixdown is not running.");
    }
    Ok(())
}

async fn stop_all(ledger: &Ledger, parts: &[&str], patience: Duration) -> Result<()> {
    try_join_all(parts.iter().map(|part| stop(ledger, part, patience))).await?;
    Ok(())
}

async fn stop(ledger: &Ledger, part: &str, patience: Duration) -> Result<()> {
    if let Some(entry) = ledger.running(part) {
        entry.identity.stop(patience).await;
        say!("  {part:<13} stopped");
    }
    // Recorded for a crashed part too: it should not run any more.
    if ledger.expects(part) { ledger.stopped(part) } else { Ok(()) }
}
