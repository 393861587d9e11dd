//! The converter's scratch folder without space.

use std::time::Duration;

use anyhow::{Result, ensure};
use contracts::{FailureCode, Job, JobStatus, Phase};
use system_tests::long_video;
use system_tests::promise::{PATIENCE, assert_kept};
use test_kit::inbox::Inbox;
use test_kit::media::Sample;
use test_kit::mixdown::{Form, Mixdown, Plan, User};
use test_kit::services::Service;
use test_kit::wait_until;

use crate::disk::{MIB, SmallDisk};

async fn on(disk: &SmallDisk) -> Result<(Mixdown, User)> {
    let plan = Plan::new().with("SCRATCH_DIR", &disk.path().display().to_string());
    let mixdown = plan.start().await?;
    let user = mixdown.user().await?;
    Ok((mixdown, user))
}

/// Waits until the converter has logged this text `count` times.
pub(crate) async fn wait_for_log(mixdown: &Mixdown, text: &str, count: usize) {
    wait_until(&format!("the converter says “{text}”"), PATIENCE, async || {
        let log = mixdown.log(Service::Converter)?;
        ensure!(log.matches(text).count() >= count, "it does not");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn jobs_that_find_no_scratch_space_wait_and_spend_no_attempt() -> Result<()> {
    let disk = SmallDisk::of(256 * MIB)?;
    disk.fill(16 * MIB)?;
    let (mixdown, user) = on(&disk).await?;
    let video = Sample::Mp4.file(Duration::from_secs(2)).await;
    let job = user.upload(&video).await?;
    // More often than a job has attempts.
    wait_for_log(&mixdown, "a job waits until there is room", 10).await;
    assert_eq!(user.job(job.id).await?.attempts.saturating_sub(1), 0);

    disk.clear()?;
    let jobs = assert_kept(&mixdown, &user, &[job.id]).await?;
    assert_eq!((jobs[0].status, jobs[0].attempts), (JobStatus::Converted, 1));
    Ok(())
}

#[tokio::test]
async fn a_disk_that_others_fill_in_the_middle_of_a_conversion_spoils_nothing() -> Result<()> {
    let disk = SmallDisk::of(256 * MIB)?;
    let (mixdown, user) = on(&disk).await?;
    let job = user.upload(&long_video().await?).await?;
    user.wait_for(job.id, "it is encoded", |job| job.progress.phase == Phase::Encoding).await;
    disk.fill(0)?;
    wait_for_log(&mixdown, "the scratch folder's disk is full", 1).await;
    assert_ne!(user.job(job.id).await?.status, JobStatus::Failed);

    disk.clear()?;
    let jobs = assert_kept(&mixdown, &user, &[job.id]).await?;
    assert_eq!((jobs[0].status, jobs[0].attempts), (JobStatus::Converted, 1));
    Ok(())
}

#[tokio::test]
async fn a_job_that_no_emptiness_of_the_disk_could_help_fails_and_says_so() -> Result<()> {
    let disk = SmallDisk::of(32 * MIB)?;
    let (mixdown, user) = on(&disk).await?;
    let beside = user.upload(&Sample::Mp4.file(Duration::from_secs(2)).await).await?;
    // One file that is larger than the disk, and one whose result is.
    let large = user.submit(Form::default().file("large.mp4", &vec![7; 40 << 20])).await?;
    let video = std::fs::read(long_video().await?)?;
    let growing = user.submit(Form::default().field("format", "wav").file("growing.mp4", &video)).await?;

    let jobs = assert_kept(&mixdown, &user, &[beside.id, large.id, growing.id]).await?;
    let job = |id| jobs.iter().find(|job: &&Job| job.id == id);
    for id in [large.id, growing.id] {
        let error = job(id).and_then(|job| job.error.clone());
        assert_eq!(error.map(|error| error.code), Some(FailureCode::FileTooLarge), "{:?}", job(id));
    }
    assert_eq!(job(beside.id).map(|job| job.status), Some(JobStatus::Converted));
    let mails = Inbox::shared().wait_for_mails(&user.email, 3, PATIENCE).await;
    let says_so = |text: &str| {
        let words: Vec<&str> = text.split_whitespace().collect();
        words.join(" ").contains(FailureCode::FileTooLarge.text())
    };
    assert_eq!(mails.iter().filter(|mail| says_so(&mail.text)).count(), 2);
    Ok(())
}
