//! Logs that cannot be written.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use contracts::JobStatus;
use test_kit::media::Sample;
use test_kit::mixdown::Plan;
use test_kit::process::Lifetime;
use test_kit::services::Service;

/// A file on which every write fails for lack of space.
const FULL: &str = "/dev/full";

#[tokio::test]
async fn services_work_on_where_no_log_line_can_be_written() -> Result<()> {
    let mut mixdown = Plan::new().start().await?;
    let user = mixdown.user().await?;
    let system = mixdown.system().clone();
    let mut processes = Vec::new();
    for service in Service::ALL {
        mixdown.service(service)?.stop().await;
        let process = system.launch(service)?.start(Path::new(FULL), Lifetime::WithStarter)?;
        system.wait_until_ready(service, &process, Path::new(FULL)).await?;
        processes.push(process);
    }
    assert!(user.log_in().await?.status().is_success());
    let job = user.upload(&Sample::Mp4.file(Duration::from_secs(2)).await).await?;
    assert_eq!(user.wait_for_outcome(job.id).await.status, JobStatus::Converted);
    for mut process in processes {
        assert!(process.is_running());
        process.kill_hard().await;
    }
    Ok(())
}
