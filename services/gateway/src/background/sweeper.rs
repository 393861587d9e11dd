use std::time::Duration;

use contracts::{FileId, Mp3Fid, VideoFid};
use service_kit::every;

use super::BackgroundConfig;
use crate::error::Error;
use crate::state::Gateway;

/// Deletes what is no longer needed: expired jobs' files, uploads that never ended, files that no job refers
/// to.
pub(crate) struct Sweeper {
    gateway: Gateway,
    interval: Duration,
    orphan_age: Duration,
    keep_history: Duration,
}

/// The files and jobs handled in one query.
const BATCH: u16 = 100;

#[derive(Clone, Copy)]
enum Bucket {
    Videos,
    Mp3s,
}

impl Sweeper {
    pub(crate) fn new(gateway: &Gateway, config: &BackgroundConfig) -> Self {
        Self {
            gateway: gateway.clone(),
            interval: config.sweep_interval,
            orphan_age: config.orphan_age,
            keep_history: config.keep_history,
        }
    }

    pub(crate) async fn run(self) {
        every(self.interval, &self.gateway.shutdown, "could not sweep", || self.sweep()).await;
    }

    async fn sweep(&self) -> Result<(), Error> {
        self.gateway.edge.limits.forget_idle();
        self.gateway.identity.forget_idle();
        // Again, in case MongoDB was away when the service started.
        self.gateway.jobs.ensure_indexes().await?;
        self.gateway.intake.videos.ensure_indexes().await?;
        self.gateway.delivery.mp3s.ensure_indexes().await?;

        let expired = self.expire().await?;
        let videos = self.delete_videos().await?;
        let drafts = self.gateway.intake.videos.sweep_drafts().await?;
        let mut unfinished = self.gateway.intake.videos.sweep_unfinished(self.orphan_age).await?;
        unfinished += self.gateway.delivery.mp3s.sweep_unfinished(self.orphan_age).await?;
        let orphans = self.delete_orphans(Bucket::Videos).await? + self.delete_orphans(Bucket::Mp3s).await?;
        let forgotten = self.gateway.jobs.forget(self.keep_history).await?;
        if expired + videos + drafts + unfinished + orphans + forgotten > 0 {
            tracing::info!(expired, videos, drafts, unfinished, orphans, forgotten, "swept");
        }
        Ok(())
    }

    async fn expire(&self) -> Result<u64, Error> {
        let mut count = 0;
        loop {
            let expired = self.gateway.jobs.expire(BATCH).await?;
            if expired.is_empty() {
                return Ok(count);
            }
            for job in expired {
                // The video follows in `delete_videos`; a crash here leaves an orphan for later.
                if let Some(Mp3Fid(mp3)) = job.mp3 {
                    self.gateway.delivery.mp3s.delete(mp3).await?;
                }
                count += 1;
            }
        }
    }

    async fn delete_videos(&self) -> Result<u64, Error> {
        let mut count = 0;
        loop {
            let due = self.gateway.jobs.videos_due(BATCH).await?;
            if due.is_empty() {
                return Ok(count);
            }
            for (job, VideoFid(video)) in due {
                self.gateway.intake.videos.delete(video).await?;
                self.gateway.jobs.mark_video_deleted(job).await?;
                count += 1;
            }
        }
    }

    async fn delete_orphans(&self, bucket: Bucket) -> Result<u64, Error> {
        let store = match bucket {
            Bucket::Videos => &self.gateway.intake.videos,
            Bucket::Mp3s => &self.gateway.delivery.mp3s,
        };
        let mut count = 0;
        let mut after = None;
        loop {
            let files = store.files_older_than(self.orphan_age, after, BATCH).await?;
            let Some(last) = files.last() else { return Ok(count) };
            after = Some(*last);
            for fid in files {
                if !self.is_needed(bucket, fid).await?
                    && store.delete_unless(fid, self.is_needed(bucket, fid)).await?
                {
                    count += 1;
                }
            }
        }
    }

    async fn is_needed(&self, bucket: Bucket, fid: FileId) -> Result<bool, Error> {
        Ok(match bucket {
            // The draft is checked first: it is settled only after its job exists.
            Bucket::Videos => {
                self.gateway.intake.videos.is_draft(fid).await?
                    || self.gateway.jobs.needs_video(VideoFid(fid)).await?
            }
            Bucket::Mp3s => {
                // The right is read first: it ends at the moment at which the job refers to the file.
                let right = self.gateway.delivery.mp3s.right(fid).await?.unwrap_or_default();
                self.gateway.jobs.may_commit(Mp3Fid(fid), &right).await?
            }
        })
    }
}
