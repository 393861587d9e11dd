//! Tells watchers when a job changes. One change stream serves the whole process, however many clients watch.

use std::time::Duration;

use contracts::{JobId, UserId};
use futures_util::StreamExt as _;
use jobs::JobStore;
use service_kit::{Chain, Shutdown};
use tokio::sync::broadcast::{self, Receiver, Sender, error::RecvError};

/// The changes kept for a slow watcher. One that falls further behind reads its job again instead.
const BACKLOG: usize = 1024;

const RECONNECT_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
enum Change {
    Job(jobs::Change),
    /// Changes may have been missed.
    Anything,
}

/// The changes of all jobs.
pub(crate) struct JobFeed {
    changes: Sender<Change>,
}

/// The changes of one user's jobs.
pub(crate) struct OwnChanges {
    owner: UserId,
    changes: Receiver<Change>,
}

/// News about a user's jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// This job may have changed.
    Changed(JobId),
    /// This job was deleted.
    Removed(JobId),
    /// Changes may have been missed.
    Missed,
}

/// The changes of one job.
pub(crate) struct JobChanges {
    job: JobId,
    changes: Receiver<Change>,
}

impl JobFeed {
    pub(crate) fn start(jobs: JobStore, shutdown: &Shutdown) -> Self {
        let (sender, _) = broadcast::channel(BACKLOG);
        let drain = shutdown.drain().clone();
        let feed = Self { changes: sender.clone() };
        shutdown.spawn_vital("job feed", async move {
            drain.run_until_cancelled(follow(jobs, sender)).await;
        });
        feed
    }

    pub(crate) fn watch(&self, job: JobId) -> JobChanges {
        JobChanges { job, changes: self.changes.subscribe() }
    }

    /// Watches all of a user's jobs.
    pub(crate) fn watch_all(&self, owner: UserId) -> OwnChanges {
        OwnChanges { owner, changes: self.changes.subscribe() }
    }
}

async fn follow(jobs: JobStore, sender: Sender<Change>) {
    loop {
        match jobs.changes().await {
            Ok(changes) => {
                // Watchers missed what changed while there was no stream.
                let _ = sender.send(Change::Anything);
                let mut changes = std::pin::pin!(changes);
                while let Some(Ok(change)) = changes.next().await {
                    // Fails if there is no watcher.
                    let _ = sender.send(Change::Job(change));
                }
            }
            Err(error) => tracing::warn!(error = %Chain(&error), "could not follow the jobs' changes"),
        }
        tokio::time::sleep(RECONNECT_AFTER).await;
    }
}

impl JobChanges {
    /// Waits until the job may have changed. `None`: the feed has ended.
    pub(crate) async fn next(&mut self) -> Option<()> {
        loop {
            match self.changes.recv().await {
                Ok(Change::Job(change)) if change.job != self.job => {}
                Ok(_) | Err(RecvError::Lagged(_)) => return Some(()),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

impl OwnChanges {
    /// Waits for news. `None`: the feed has ended.
    pub(crate) async fn next(&mut self) -> Option<News> {
        loop {
            match self.changes.recv().await {
                Ok(Change::Job(change)) if change.owner == Some(self.owner) => {
                    let news = if change.is_removed { News::Removed } else { News::Changed };
                    return Some(news(change.job));
                }
                Ok(Change::Job(_)) => {}
                Ok(Change::Anything) | Err(RecvError::Lagged(_)) => return Some(News::Missed),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
