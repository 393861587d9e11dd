//! Following jobs: the versions of one, and the changes of all of a user's.

use contracts::{Job, JobId, UserId};
use jobs::JobStore;

use super::feed::{JobChanges, JobFeed, News, OwnChanges};

/// Follows one job.
pub(crate) struct JobWatcher {
    jobs: JobStore,
    owner: UserId,
    id: JobId,
    changes: JobChanges,
    shown: Option<Job>,
    next: Option<Job>,
}

/// Follows all of a user's jobs.
pub(crate) struct AllJobsWatcher {
    jobs: JobStore,
    owner: UserId,
    changes: OwnChanges,
    /// The last job that was shown. It may come again unchanged.
    shown: Option<Job>,
}

/// News about a user's jobs.
pub(crate) enum JobNews {
    /// Changes may have been missed: the list has the current state of the jobs.
    Missed,
    /// A job as it is now.
    Changed(Box<Job>),
    /// A job was deleted.
    Removed(JobId),
}

impl JobWatcher {
    /// `None`: the user has no such job.
    pub(crate) async fn start(
        jobs: &JobStore,
        feed: &JobFeed,
        owner: UserId,
        id: JobId,
    ) -> Result<Option<Self>, jobs::JobsError> {
        // Watches before reading: otherwise a change in between would be missed.
        let changes = feed.watch(id);
        let record = jobs.get_owned(owner, id).await?;
        let watcher = |next| Self { jobs: jobs.clone(), owner, id, changes, shown: None, next: Some(next) };
        Ok(record.map(|record| watcher(record.job)))
    }

    /// The job, at once and then whenever it differs from what was shown. `None` when there is nothing more
    /// to show.
    pub(crate) async fn next_version(&mut self) -> Option<Job> {
        let job = match self.next.take() {
            Some(job) => job,
            None => self.changed().await?,
        };
        self.shown = Some(job.clone());
        Some(job)
    }

    async fn changed(&mut self) -> Option<Job> {
        if self.shown.as_ref().is_some_and(|job| job.status.is_finished()) {
            return None;
        }
        loop {
            self.changes.next().await?;
            let job = self.jobs.get_owned(self.owner, self.id).await.ok()??.job;
            if self.shown.as_ref().is_none_or(|shown| !is_same(shown, &job)) {
                return Some(job);
            }
        }
    }
}

impl AllJobsWatcher {
    pub(crate) fn start(jobs: &JobStore, feed: &JobFeed, owner: UserId) -> Self {
        Self { jobs: jobs.clone(), owner, changes: feed.watch_all(owner), shown: None }
    }

    /// `None`: the feed has ended, or the jobs cannot be read; the client comes back and reads the list.
    pub(crate) async fn next_news(&mut self) -> Option<JobNews> {
        loop {
            let id = match self.changes.next().await? {
                News::Missed => return Some(JobNews::Missed),
                News::Removed(id) => return Some(JobNews::Removed(id)),
                News::Changed(id) => id,
            };
            // The job was deleted since. News of that will follow.
            let Some(record) = self.jobs.get_owned(self.owner, id).await.ok()? else { continue };
            if !self.shown.as_ref().is_some_and(|shown| is_same(shown, &record.job)) {
                self.shown = Some(record.job.clone());
                return Some(JobNews::Changed(Box::new(record.job)));
            }
        }
    }
}

/// A renewed lease changes only the time, which is not news.
fn is_same(shown: &Job, job: &Job) -> bool {
    *shown == Job { updated_at: shown.updated_at, ..job.clone() }
}
