use std::time::Duration;

use crate::BackupError;

/// For one command on one batch or collection: longer than a slow disk needs for 16 MiB.
const TIMEOUT: Duration = Duration::from_mins(2);

/// Waits for MongoDB, up to [`TIMEOUT`].
pub(crate) async fn within<T>(
    step: &str,
    operation: impl IntoFuture<Output = mongodb::error::Result<T>>,
) -> Result<T, BackupError> {
    let step = || step.to_owned();
    match tokio::time::timeout(TIMEOUT, operation.into_future()).await {
        Ok(result) => result.map_err(|error| BackupError::Database { step: step(), error }),
        Err(_) => Err(BackupError::NoAnswer { step: step(), timeout: TIMEOUT }),
    }
}

impl BackupError {
    /// The error code of a refused command.
    pub(crate) fn code(&self) -> Option<i32> {
        use mongodb::error::ErrorKind;

        let Self::Database { error, .. } = self else { return None };
        match &*error.kind {
            ErrorKind::Command(command) => Some(command.code),
            _ => None,
        }
    }
}
