//! `DELETE /jobs/{id}` cancels a running job and deletes an ended one.

use std::time::Duration;

use anyhow::{Context, Result};
use contracts::{JobStatus, Phase, ProblemCode};
use reqwest::StatusCode;
use system_tests::long_video;
use test_kit::gridfs::Store;
use test_kit::inbox::Inbox;
use test_kit::media::Sample;
use test_kit::mixdown::{PATIENCE, assert_problem, mixdown};
use test_kit::wait_until;

#[tokio::test]
async fn a_running_job_is_cancelled_and_leaves_nothing() -> Result<()> {
    let user = mixdown().user().await?;
    let grid_fs = mixdown().grid_fs().await?;
    let job = user.upload(&long_video().await?).await?;
    let path = format!("/jobs/{}", job.id);
    user.wait_for(job.id, "it is being encoded", |job| job.progress.phase == Phase::Encoding).await;

    assert_eq!(user.delete(&path).await?.status(), StatusCode::NO_CONTENT);
    let cancelled = user.job(job.id).await?;
    assert_eq!(cancelled.status, JobStatus::Cancelled);
    wait_until("the video is deleted", PATIENCE, async || {
        let is_there = grid_fs.has_any_of(Store::Videos, &job.source.fid.to_string()).await?;
        anyhow::ensure!(!is_there, "it is there");
        Ok(())
    })
    .await;

    // When the next job is done, the converter has long noticed the cancellation.
    let next = user.upload(&Sample::Mp4.file(Duration::from_secs(2)).await).await?;
    user.wait_for_outcome(next.id).await;
    let cancelled = user.job(job.id).await?;
    assert_eq!((cancelled.status, cancelled.audio, cancelled.notices.len()), (JobStatus::Cancelled, None, 0));
    assert_eq!(
        Inbox::shared().wait_for_mails(&user.email, 1, PATIENCE).await.len(),
        1,
        "one for the second job"
    );

    assert_eq!(user.delete(&path).await?.status(), StatusCode::NO_CONTENT);
    assert_problem("a deleted job", user.get(&path).await?, ProblemCode::NotFound).await
}

#[tokio::test]
async fn a_finished_job_is_removed_with_its_mp3() -> Result<()> {
    let user = mixdown().user().await?;
    let job = user.upload(&Sample::Mp4.file(Duration::from_secs(2)).await).await?;
    let job = user.wait_for_outcome(job.id).await;
    let fid = job.audio.context("it has an MP3")?.fid;
    let path = format!("/jobs/{}", job.id);

    assert_eq!(user.delete(&path).await?.status(), StatusCode::NO_CONTENT);
    assert_problem("the job", user.get(&path).await?, ProblemCode::NotFound).await?;
    assert_problem("its deletion", user.delete(&path).await?, ProblemCode::NotFound).await?;
    let download = user.get(&format!("/download?fid={fid}")).await?;
    assert_problem("its MP3", download, ProblemCode::NotFound).await?;
    assert_eq!(user.jobs().await?, []);
    let grid_fs = mixdown().grid_fs().await?;
    assert!(!grid_fs.has_any_of(Store::Mp3s, &fid.to_string()).await?, "the MP3 is still there");
    Ok(())
}
