//! Converters that crash or leave in the middle of a job.

use anyhow::Result;
use contracts::{JobStatus, Phase};
use system_tests::long_video;
use system_tests::promise::assert_kept;
use test_kit::mixdown::Plan;
use test_kit::services::Service;

#[tokio::test]
async fn a_job_outlives_the_crash_of_its_converter() -> Result<()> {
    let mut mixdown = Plan::new().start().await?;
    let user = mixdown.user().await?;
    let job = user.upload(&long_video().await?).await?;
    user.wait_for(job.id, "it is being encoded", |job| job.progress.phase == Phase::Encoding).await;

    mixdown.service(Service::Converter)?.kill_hard().await;
    let held = user.job(job.id).await?;
    assert_eq!((held.status, held.attempts), (JobStatus::Converting, 1), "the crash came too late");
    mixdown.service(Service::Converter)?.restart().await?;

    let jobs = assert_kept(&mixdown, &user, &[job.id]).await?;
    assert_eq!((jobs[0].status, jobs[0].attempts), (JobStatus::Converted, 2));
    Ok(())
}

#[tokio::test]
async fn a_converter_that_leaves_hands_its_job_to_another_without_an_attempt_lost() -> Result<()> {
    let mut mixdown = Plan::new().with("DRAIN_TIMEOUT", "500ms").start().await?;
    let user = mixdown.user().await?;
    let job = user.upload(&long_video().await?).await?;
    user.wait_for(job.id, "it is being encoded", |job| job.progress.phase == Phase::Encoding).await;

    let another = mixdown.start_another(Service::Converter).await?;
    mixdown.service(Service::Converter)?.stop().await;

    let jobs = assert_kept(&mixdown, &user, &[job.id]).await?;
    assert_eq!((jobs[0].status, jobs[0].attempts), (JobStatus::Converted, 1), "the attempt counted");
    drop(another);
    Ok(())
}
