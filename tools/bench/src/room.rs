//! Disk space: each measurement's data are deleted at once, and MongoDB must reuse their space for the next.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use mongodb::Client;
use mongodb::bson::doc;

const GIB: u64 = 1 << 30;

/// Space for some rounds whose space is not reused yet, in addition to what the gateway keeps free.
const NEEDED_BYTES: u64 = 20 * GIB;

/// With less, the gateway would soon refuse uploads of a gibibyte, and the bench would measure a full disk.
const LEAST_BYTES: u64 = 9 * GIB;

/// Fails before the bench begins if the folder's disk is too full for it.
pub(crate) fn look_first(folder: &Path) -> Result<()> {
    let free = free_bytes(folder)?;
    ensure!(
        free >= NEEDED_BYTES,
        "{} has {} GiB free, and {} GiB are needed: make room there, or let TMPDIR name another folder",
        folder.display(),
        free / GIB,
        NEEDED_BYTES / GIB
    );
    Ok(())
}

/// Lets MongoDB drop deleted files at once. By default it keeps their bytes for five minutes, for reads of
/// the past.
pub(crate) async fn forget_the_past(client: &Client) -> Result<()> {
    let set = doc! { "setParameter": 1, "minSnapshotHistoryWindowInSeconds": 0 };
    let set = client.database("admin").run_command(set).await;
    set.context("could not have MongoDB forget deleted files").map(drop)
}

/// Makes MongoDB reuse the space of deleted files, between two rounds.
pub(crate) async fn reclaim(client: &Client, folder: &Path) -> Result<()> {
    // One checkpoint frees the blocks, and the next may use them.
    for _ in 0..2 {
        let checkpoint = client.database("admin").run_command(doc! { "fsync": 1 }).await;
        checkpoint.context("MongoDB could not write a checkpoint")?;
    }
    let free = free_bytes(folder)?;
    eprintln!("  {} GiB free", free / GIB);
    ensure!(
        free >= LEAST_BYTES,
        "{} has no more than {} GiB free: what came next would measure a full disk",
        folder.display(),
        free / GIB
    );
    Ok(())
}

fn free_bytes(folder: &Path) -> Result<u64> {
    let volume = rustix::fs::statvfs(folder).context("could not look at the disk")?;
    Ok(volume.f_bavail * volume.f_frsize)
}
