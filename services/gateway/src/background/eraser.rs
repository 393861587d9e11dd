use std::time::Duration;

use contracts::UserId;
use service_kit::{Chain, every};

use super::BackgroundConfig;
use crate::error::Error;
use crate::state::Gateway;

/// Erases the accounts whose owners asked for it and whose jobs a crash left.
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
        // What was on its way then, and a crash kept from seeing that its owner is gone.
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

/// Erases an account now, in the background. What fails, the [`Eraser`] makes up for.
pub(crate) fn erase_soon(gateway: &Gateway, account: UserId) {
    let gateway = gateway.clone();
    gateway.shutdown.tasks().clone().spawn(async move {
        if let Err(error) = erase(&gateway, account).await {
            tracing::warn!(user.id = %account, error = %Chain(&error), "could not erase an account yet");
        }
    });
}

/// Deletes all that belongs to an account, then has auth forget it. May run twice, and at once.
async fn erase(gateway: &Gateway, account: UserId) -> Result<(), Error> {
    // First: a job of the account that is made after this, here or elsewhere, meets the mark and is taken back.
    gateway.jobs.mark_erased(account).await?;
    // Not needed for that, but what is refused early need not be taken back.
    if let Err(error) = gateway.identity.auth.refresh_revocations().await {
        tracing::warn!(error = %Chain(&error), "could not ask which accounts have ended yet");
    }
    let count = erase_jobs(gateway, account).await?;
    if !gateway.intake.videos.discard_drafts_of(&account.to_string()).await? {
        // The Eraser comes again when they have become jobs, or are fewer.
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

/// Deletes an account's jobs and their files; their number is returned.
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
            // Last: as long as it is there, somebody comes back to its files.
            gateway.jobs.erase(account, record.job.id).await?;
            count += 1;
        }
    }
}
