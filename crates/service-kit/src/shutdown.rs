use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How a service ends: the first SIGTERM or SIGINT drains it, the second or the drain timeout aborts it.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    abort: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    /// A shutdown that was not requested yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts listening for signals.
    pub(crate) fn listen(&self, drain_timeout: Duration) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = shutdown.drain.cancelled() => {}
            }
            tracing::info!(timeout = ?drain_timeout, "draining");
            shutdown.drain.cancel();
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = tokio::time::sleep(drain_timeout) => {}
            }
            tracing::warn!("aborting what is still running");
            shutdown.abort.cancel();
        });
        Ok(())
    }

    /// Cancelled when no new work may begin.
    #[must_use]
    pub fn drain(&self) -> &CancellationToken {
        &self.drain
    }

    /// Cancelled when running work must stop at once.
    #[must_use]
    pub fn abort(&self) -> &CancellationToken {
        &self.abort
    }

    /// Whether a shutdown was requested.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// The tasks that must end before the process does.
    #[must_use]
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Runs a task for the life of the service. If it fails or panics before a shutdown is requested, the
    /// service drains: a process with a missing part must not look healthy.
    pub fn spawn_vital<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let drain = self.drain.clone();
        let died = self.clone();
        let task = self.tasks.spawn(task);
        tokio::spawn(async move {
            let ended = task.await;
            if !drain.is_cancelled() {
                tracing::error!(task = name, panicked = ended.is_err(), "a task ended that must not");
                died.drain.cancel();
            }
        });
    }

    /// Waits until every tracked task has ended, or the abort.
    pub async fn finished(&self) {
        self.tasks.close();
        tokio::select! {
            () = self.tasks.wait() => {}
            () = self.abort.cancelled() => {}
        }
    }
}
