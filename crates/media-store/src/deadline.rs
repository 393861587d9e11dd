use std::error::Error;
use std::time::Duration;

use tokio::sync::AcquireError;
use tokio::time::timeout;

use crate::StoreError;

/// How long one operation may take before MongoDB counts as unavailable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(pub(crate) Duration);

impl Deadline {
    /// Stops waiting at the deadline. The server may still carry the operation out: a command that was sent
    /// cannot be recalled.
    pub(crate) async fn bound<T>(
        self,
        step: &'static str,
        operation: impl IntoFuture<Output = Result<T, mongodb::error::Error>>,
    ) -> Result<T, StoreError> {
        match timeout(self.0, operation).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(StoreError::from_driver(step, error)),
            Err(elapsed) => Err(StoreError::Unavailable { step, source: Box::new(elapsed) }),
        }
    }

    /// Waits for a permit, at most as long as an operation may take.
    pub(crate) async fn wait<T>(
        self,
        step: &'static str,
        turn: impl Future<Output = Result<T, AcquireError>>,
    ) -> Result<T, StoreError> {
        let unavailable = |source: Box<dyn Error + Send + Sync>| StoreError::Unavailable { step, source };
        timeout(self.0, turn)
            .await
            .map_err(|elapsed| unavailable(Box::new(elapsed)))?
            .map_err(|closed| unavailable(Box::new(closed)))
    }
}
