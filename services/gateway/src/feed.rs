//! Who is told when a job changes: one change stream for the whole process, however many people watch.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::{JobId, UserId};
use futures_util::StreamExt as _;
use jobs::JobStore;
use service_kit::{Chain, Shutdown};
use tokio::sync::broadcast::{self, Receiver, Sender, error::RecvError};

/// More changes than that at once make a watcher read its job again instead.
const BACKLOG: usize = 1024;

const RECONNECT_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
enum Change {
    Job(jobs::Change),
    /// Changes may have been missed.
    Anything,
}

/// How many streams of all their jobs one user may have open here: each costs a connection.
const STREAMS_OF_A_USER: usize = 20;

/// The changes of all jobs.
pub(crate) struct JobFeed {
    changes: Sender<Change>,
    streams: Arc<Mutex<HashMap<UserId, usize>>>,
}

/// The changes of one user's jobs.
pub(crate) struct OwnChanges {
    owner: UserId,
    changes: Receiver<Change>,
    streams: Arc<Mutex<HashMap<UserId, usize>>>,
}

/// What a user is to be told.
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
        let feed = Self { changes: sender.clone(), streams: Arc::default() };
        shutdown.spawn_vital("job feed", async move {
            drain.run_until_cancelled(follow(jobs, sender)).await;
        });
        feed
    }

    pub(crate) fn watch(&self, job: JobId) -> JobChanges {
        JobChanges { job, changes: self.changes.subscribe() }
    }

    /// Watches all of a user's jobs. `None`: the user does that too many times over already.
    pub(crate) fn watch_all(&self, owner: UserId) -> Option<OwnChanges> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let open = streams.entry(owner).or_default();
        if *open == STREAMS_OF_A_USER {
            return None;
        }
        *open += 1;
        Some(OwnChanges { owner, changes: self.changes.subscribe(), streams: Arc::clone(&self.streams) })
    }
}

async fn follow(jobs: JobStore, sender: Sender<Change>) {
    loop {
        match jobs.changes().await {
            Ok(changes) => {
                // What changed while there was no stream, nobody was told.
                let _ = sender.send(Change::Anything);
                let mut changes = std::pin::pin!(changes);
                while let Some(Ok(change)) = changes.next().await {
                    // Fails when nobody watches.
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

impl Drop for OwnChanges {
    fn drop(&mut self) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = streams.get_mut(&self.owner) {
            *open -= 1;
            if *open == 0 {
                streams.remove(&self.owner);
            }
        }
    }
}
