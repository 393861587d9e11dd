//! One user's quotas, and fair turns between users.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::{JobStatus, ProblemCode};
use reqwest::Method;
use serde_json::Value;
use test_kit::gridfs::{Contents, Store};
use test_kit::media::Sample;
use test_kit::mixdown::{Form, PATIENCE, Plan, assert_problem};
use test_kit::services::Service;
use test_kit::wait_until;

#[tokio::test]
async fn a_user_with_one_video_does_not_wait_for_all_videos_of_another() -> Result<()> {
    // One conversion at a time, so that the order is visible.
    let plan = Plan::new().with("SLOTS", "1").with("JOBS_AT_ONCE", "2").without_mails();
    let mixdown = plan.only(&[Service::Auth, Service::Gateway, Service::Converter]).start().await?;
    let (many, one) = (mixdown.user().await?, mixdown.user().await?);
    let video = Sample::Mp4.bytes(Duration::from_secs(2)).await;
    let mut jobs = Vec::new();
    for number in 0..20 {
        jobs.push(many.submit(Form::default().file(&format!("{number}.mp4"), &video)).await?.id);
    }
    let only = one.submit(Form::default().file("only.mp4", &video)).await?.id;
    let only = one.wait_for(only, "the one job is converted", |job| job.status == JobStatus::Converted).await;
    let earlier = async || -> Result<usize> {
        let jobs = many.jobs().await?;
        let ended = jobs.iter().filter(|job| job.status == JobStatus::Converted);
        Ok(ended.filter(|job| job.updated_at < only.updated_at).count())
    };
    for job in jobs {
        many.wait_for(job, "all of the other's are converted", |job| job.status == JobStatus::Converted)
            .await;
    }
    // The jobs that were done before it came, and the two in front of it.
    let earlier = earlier().await?;
    ensure!(earlier < 15, "{earlier} of the other's 20 were converted before");
    Ok(())
}

#[tokio::test]
async fn an_upload_over_the_quota_is_refused_and_leaves_nothing() -> Result<()> {
    let video = Sample::Mp4.bytes(Duration::from_secs(2)).await;
    let file = || Form::default().file("a.mp4", &video);
    let room = (video.len() * 5 / 2).to_string();
    let plan = Plan::new().with("MAX_STORED_BYTES", &room).with("ORPHAN_AGE", "1h");
    let mixdown = plan.only(&[Service::Auth, Service::Gateway]).start().await?;
    let user = mixdown.user().await?;
    let first = user.submit(file()).await?;
    user.submit(file()).await?;
    let refused = user.post(file()).await?;
    assert_problem("a file too many", refused, ProblemCode::StorageFull).await?;
    let begin = user.tus(Method::POST, "/uploads");
    let begin = begin.header("upload-length", video.len()).send().await?;
    assert_problem("a resumable one", begin, ProblemCode::StorageFull).await?;
    let grid_fs = mixdown.grid_fs().await?;
    wait_until("nothing of the refused upload is left", Duration::from_secs(30), async || {
        let contents = grid_fs.contents(Store::Videos).await?;
        ensure!(contents == Contents::whole(2), "{contents:?}");
        Ok(())
    })
    .await;
    let mut administrator = mixdown.user().await?;
    let me: Value = user.get("/me").await?.json().await?;
    let path = format!("/admin/users/{}/usage", me["id"].as_str().context("no id")?);
    assert_problem("a user's look", user.get(&path).await?, ProblemCode::AdminOnly).await?;
    mixdown.promote(&mut administrator).await?;
    let usage: Value = administrator.get(&path).await?.json().await?;
    let taken = (usage["stored_bytes"].as_u64(), usage["unfinished_jobs"].as_u64());
    assert_eq!(taken, (Some(2 * video.len() as u64), Some(2)), "{usage}");
    assert_eq!(usage["max_stored_bytes"].to_string(), room);

    // Another user still has room, and so does the same user after a deletion.
    mixdown.user().await?.submit(file()).await?;
    assert_eq!(user.delete(&format!("/jobs/{}", first.id)).await?.status(), 204);
    user.submit(file()).await?;
    Ok(())
}

#[tokio::test]
async fn unfinished_jobs_and_minutes_are_counted() -> Result<()> {
    let video = Sample::Mp4.bytes(Duration::from_secs(2)).await;
    let file = || Form::default().file("a.mp4", &video);
    let plan = Plan::new().with("MAX_UNFINISHED_JOBS", "2");
    let waiting = plan.only(&[Service::Auth, Service::Gateway]).start().await?;
    let user = waiting.user().await?;
    let first = user.submit(file()).await?;
    user.submit(file()).await?;
    assert_problem("the third", user.post(file()).await?, ProblemCode::TooManyJobs).await?;
    assert_eq!(user.delete(&format!("/jobs/{}", first.id)).await?.status(), 204);

    // One that was allowed to begin and is one too many at its end leaves nothing that is asked about.
    let creation = user.tus(Method::POST, "/uploads").header("upload-length", video.len().to_string());
    let begun = creation.send().await?;
    let resumable = begun.headers().get("location").context("no upload")?.to_str()?.to_owned();
    user.submit(file()).await?;
    let rest = user.tus(Method::PATCH, &resumable).header("upload-offset", "0");
    let rest = rest.header("content-type", "application/octet-stream").body(video.clone());
    assert_problem("its end", rest.send().await?, ProblemCode::TooManyJobs).await?;
    assert_eq!(user.tus(Method::HEAD, &resumable).send().await?.status(), 404);

    let plan = Plan::new().with("MAX_MINUTES_PER_DAY", "1").without_mails();
    let working = plan.only(&[Service::Auth, Service::Gateway, Service::Converter]).start().await?;
    let user = working.user().await?;
    let minute = Sample::Mp4.bytes(Duration::from_secs(61)).await;
    let job = user.submit(Form::default().file("minute.mp4", &minute)).await?;
    user.wait_for(job.id, "it is converted", |job| job.status == JobStatus::Converted).await;
    // Deleting it does not give minutes back.
    assert_eq!(user.delete(&format!("/jobs/{}", job.id)).await?.status(), 204);
    wait_until("the minute is counted", PATIENCE, async || {
        let refused = user.post(file()).await?;
        ensure!(refused.status() == 429, "{}", refused.status());
        assert_problem("one more", refused, ProblemCode::DailyLimit).await
    })
    .await;
    working.user().await?.submit(file()).await?;
    Ok(())
}
