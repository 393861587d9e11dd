use std::fmt;
use std::time::Duration;

/// Why a backup or a restore failed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// MongoDB refused an operation.
    #[error("could not {step}")]
    Database {
        /// The step that failed.
        step: String,
        /// MongoDB's error.
        #[source]
        error: mongodb::error::Error,
    },
    /// MongoDB did not answer.
    #[error("could not {step}: MongoDB did not answer within {} s", .timeout.as_secs())]
    NoAnswer {
        /// The step that failed.
        step: String,
        /// The timeout.
        timeout: Duration,
    },
    /// MongoDB no longer keeps the backup's snapshot.
    #[error("{0}")]
    SnapshotLost(Box<LostSnapshot>, #[source] mongodb::error::Error),
    /// The databases have no collections: restoring such a backup would empty them.
    #[error(
        "there is nothing to back up: MongoDB has no collections in {0}; is MONGODB_DATABASE_PREFIX right?"
    )]
    NothingThere(String),
    /// The collections kept changing.
    #[error("collections or indexes are being made at this moment: try again")]
    Restless,
    /// The output is closed, or its disk is full.
    #[error("could not write the backup")]
    Write(#[source] std::io::Error),
    /// The input cannot be read.
    #[error("could not read the backup")]
    Read(#[source] std::io::Error),
    /// The file is not a backup.
    #[error("this is no backup of MongoDB by the gateway")]
    NoBackup,
    /// Another release wrote it.
    #[error("the backup has format {0}, which this release does not know")]
    OtherFormat(i32),
    /// Its end is missing.
    #[error("the backup is cut off: its end is missing")]
    CutOff,
    /// Its content was changed.
    #[error("the backup is damaged: {0}")]
    Damaged(&'static str),
    /// The databases hold a mixture of the old content and the backup.
    #[error("a restore was interrupted while it put its collections in place: restore again, to its end")]
    HalfRestored,
}

/// Details of a backup that took longer than MongoDB keeps a snapshot.
#[derive(Debug, Clone, Copy)]
pub struct LostSnapshot {
    /// How long it had run.
    pub(crate) elapsed: Duration,
    /// The bytes written by then.
    pub(crate) written: u64,
    /// The bytes in all, if the account may query them.
    pub(crate) total: Option<u64>,
    /// The server's window in seconds, if the account may query it.
    pub(crate) window: Option<i64>,
}

pub(crate) const PARAMETER: &str = "minSnapshotHistoryWindowInSeconds";

impl LostSnapshot {
    /// Twice the time of the whole backup at the observed pace: at least an hour, in whole hours.
    fn advised_seconds(&self) -> u64 {
        let whole = match self.total {
            Some(total) if self.written > 0 && total > self.written => {
                u128::from(self.elapsed.as_secs().max(1)) * u128::from(total) / u128::from(self.written)
            }
            _ => u128::from(self.elapsed.as_secs()),
        };
        u64::try_from(whole * 2).unwrap_or(u64::MAX).div_ceil(3600).clamp(1, 24 * 365) * 3600
    }
}

impl fmt::Display for LostSnapshot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elapsed = self.elapsed.as_secs();
        write!(
            formatter,
            "the backup takes longer than MongoDB keeps its snapshot: it was not done after {elapsed} s, and "
        )?;
        match self.window {
            Some(window) => write!(formatter, "{PARAMETER} is {window}")?,
            None => write!(formatter, "{PARAMETER} is 300 unless it was set (this account may not read it)")?,
        }
        let advised = self.advised_seconds();
        write!(
            formatter,
            ". Set it on every member of the replica set, for example to {advised}: \
             db.adminCommand({{setParameter: 1, {PARAMETER}: {advised}}})"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_is_for_the_whole_backup() {
        let lost = |written, total| LostSnapshot {
            elapsed: Duration::from_mins(5),
            written,
            total,
            window: Some(300),
        };
        assert_eq!(lost(1_000, Some(20_000)).advised_seconds(), 4 * 3600);
        assert_eq!(lost(0, Some(20_000)).advised_seconds(), 3600);
        assert_eq!(lost(1_000, None).advised_seconds(), 3600);
    }
}
