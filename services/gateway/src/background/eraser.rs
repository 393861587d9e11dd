use std::time::Duration;

use contracts::UserId;
use service_kit::{Chain, every};

use super::BackgroundConfig;
use crate::error::Error;
use crate::state::Gateway;

/// Erases accounts whose owners asked for it, and finishes erasures that a crash interrupted.
pub(crate) struct Eraser {
    gateway: Gateway,
    interval: Duration,
}

impl Eraser {
    pub(crate) fn new(gateway: &Gateway, config: &BackgroundConfig) -> Self {
        Self { gateway: gateway.clone(), interval: config.erasure_interval }
    }

    pub(crate) async fn run(self) {
        let failure = "could not erase accounts yet";
        every(self.interval, &self.gateway.shutdown, failure, || self.erase_all()).await;
    }

    async fn erase_all(&self) -> Result<(), Error> {
        for account in self.gateway.identity.auth.list_erasures().await?.accounts {
            erase(&self.gateway, account).await?;
        }
        // Uploads that were in progress during the erasure. Each removes its own job, unless a crash prevents
        // that.
        let erased = self.gateway.identity.auth.get_revocations().await?.erased_accounts;
        for account in self.gateway.jobs.left_of_erased(&erased).await? {
            erase_jobs(&self.gateway, account).await?;
            self.gateway.jobs.forget_usage(account).await?;
        }
        for account in self.gateway.intake.videos.owners_with_drafts(&texts(&erased)).await? {
            self.gateway.intake.videos.discard_drafts_of(&account).await?;
        }
        Ok(())
    }
}

/// Erases an account now, in the background. If that fails, the [`Eraser`] does it later.
pub(crate) fn erase_soon(gateway: &Gateway, account: UserId) {
    let gateway = gateway.clone();
    gateway.shutdown.tasks().clone().spawn(async move {
        if let Err(error) = erase(&gateway, account).await {
            tracing::warn!(user.id = %account, error = %Chain(&error), "could not erase an account yet");
        }
    });
}

/// Deletes everything that belongs to an account, then tells auth to delete the account. May run twice, even
/// at the same time.
async fn erase(gateway: &Gateway, account: UserId) -> Result<(), Error> {
    // First: a job of the account that is created after this, here or in another process, meets the mark and
    // is removed.
    gateway.jobs.mark_erased(account).await?;
    // Not necessary, but an upload that is refused early need not be removed later.
    if let Err(error) = gateway.identity.auth.refresh_revocations().await {
        tracing::warn!(error = %Chain(&error), "could not ask auth which accounts have ended");
    }
    let count = erase_jobs(gateway, account).await?;
    if !gateway.intake.videos.discard_drafts_of(&account.to_string()).await? {
        // The Eraser comes again when the drafts have become jobs, or fewer are left.
        return Ok(());
    }
    gateway.jobs.forget_usage(account).await?;
    gateway.identity.auth.finish_erasure(account).await?;
    tracing::info!(user.id = %account, jobs = count, "erased an account");
    Ok(())
}

fn texts(accounts: &[UserId]) -> Vec<String> {
    accounts.iter().map(UserId::to_string).collect()
}

/// Deletes an account's jobs and their files. Returns the number of jobs.
async fn erase_jobs(gateway: &Gateway, account: UserId) -> Result<u64, Error> {
    let mut count = 0;
    loop {
        let records = gateway.jobs.cancel_all(account).await?;
        if records.is_empty() {
            return Ok(count);
        }
        for record in records {
            gateway.intake.videos.delete(record.job.source.fid.0).await?;
            if let Some(audio) = &record.job.audio {
                gateway.delivery.mp3s.delete(audio.fid.0).await?;
            }
            // Last: as long as the job exists, a later erasure finds its files.
            gateway.jobs.erase(account, record.job.id).await?;
            count += 1;
        }
    }
}
