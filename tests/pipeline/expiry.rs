//! Jobs whose retention time is over.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::{JobStatus, ProblemCode};
use reqwest::Method;
use test_kit::gridfs::{Contents, Store};
use test_kit::inbox::Inbox;
use test_kit::media::Sample;
use test_kit::mixdown::{PATIENCE, Plan, assert_problem};
use test_kit::wait_until;

#[tokio::test]
async fn an_expired_job_keeps_its_record_and_loses_its_files() -> Result<()> {
    let mixdown = Plan::new().with("KEEP_MP3", "12s").with("SWEEP_INTERVAL", "300ms").start().await?;
    let user = mixdown.user().await?;
    let failed = user.upload(&Sample::Silent.file(Duration::from_secs(2)).await).await?;
    let job = user.upload(&Sample::Mp4.file(Duration::from_secs(2)).await).await?;
    let job = user.wait_for(job.id, "it is converted", |job| job.status == JobStatus::Converted).await;
    let fid = job.audio.context("it has an MP3")?.fid;
    let mails = Inbox::shared().wait_for_mails(&user.email, 2, PATIENCE).await;
    let prefix = format!("{}/d/", mixdown.system().public_url());
    let link = mails.iter().find_map(|mail| mail.link(&prefix)).context("one mail has a link")?;
    let link = link.strip_prefix(&mixdown.system().public_url()).context("the link leads elsewhere")?;

    for id in [job.id, failed.id] {
        let job = user.wait_for(id, "it expires", |job| job.status == JobStatus::Expired).await;
        assert_eq!(job.audio, None);
    }
    let download = user.get(&format!("/download?fid={fid}")).await?;
    assert_problem("the download", download, ProblemCode::NotFound).await?;
    let linked = user.anonymous(Method::GET, link).send().await?;
    assert_problem("the link", linked, ProblemCode::Gone).await?;

    let grid_fs = mixdown.grid_fs().await?;
    wait_until("every file is deleted", PATIENCE, async || {
        for store in [Store::Videos, Store::Mp3s] {
            let contents = grid_fs.contents(store).await?;
            ensure!(contents == Contents::whole(0), "{store:?}: {contents:?}");
        }
        Ok(())
    })
    .await;
    Ok(())
}
