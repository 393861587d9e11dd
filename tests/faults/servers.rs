//! Servers that crash under load and come back with their data.

use anyhow::Result;
use contracts::JobStatus;
use system_tests::promise::{PATIENCE, assert_kept, load};
use test_kit::mixdown::{Plan, User};
use test_kit::servers::{MongoDb, RabbitMq, Running, Server};
use test_kit::wait_until;

const UPLOADS: usize = 10;

/// Kills a server during the load and starts it again.
async fn crash_in_the_middle<S: Server>(server: &mut Running<S>, user: &User) -> Result<()> {
    wait_until("a job has ended and others have not", PATIENCE, async || {
        let jobs = user.jobs().await?;
        let ended = jobs.iter().filter(|job| job.status.is_finished()).count();
        anyhow::ensure!(ended >= 1 && ended < jobs.len(), "{ended} of {}", jobs.len());
        Ok(())
    })
    .await;
    server.kill_hard().await;
    server.restart().await
}

#[tokio::test]
async fn a_crash_of_rabbitmq_under_load_loses_nothing() -> Result<()> {
    let mut rabbitmq = Running::<RabbitMq>::start().await?;
    let mixdown = Plan::new().on_rabbitmq(&rabbitmq.url()).start().await?;
    let user = mixdown.user().await?;
    let (accepted, crash) = tokio::join!(load(&user, UPLOADS), crash_in_the_middle(&mut rabbitmq, &user));
    crash?;
    let jobs = assert_kept(&mixdown, &user, &accepted?).await?;
    assert!(jobs.len() >= UPLOADS && jobs.iter().all(|job| job.status == JobStatus::Converted));
    Ok(())
}

#[tokio::test]
async fn a_crash_of_mongodb_under_load_loses_nothing() -> Result<()> {
    let mut mongodb = Running::<MongoDb>::start().await?;
    // Orphans must be deleted soon, but an upload that waits for MongoDB must not count as one.
    let plan = Plan::new().on_mongodb(&mongodb.url()).with("ORPHAN_AGE", "40s");
    let mixdown = plan.start().await?;
    let user = mixdown.user().await?;
    let (accepted, crash) = tokio::join!(load(&user, UPLOADS), crash_in_the_middle(&mut mongodb, &user));
    crash?;
    let jobs = assert_kept(&mixdown, &user, &accepted?).await?;
    assert!(jobs.len() >= UPLOADS && jobs.iter().all(|job| job.status == JobStatus::Converted));
    Ok(())
}
