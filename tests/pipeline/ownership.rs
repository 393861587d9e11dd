//! Two users: another user's identifiers are answered like unknown ones.

use std::time::Duration;

use anyhow::{Context, Result};
use contracts::{JobStatus, ProblemCode};
use reqwest::Method;
use test_kit::media::Sample;
use test_kit::mixdown::{assert_problem, mixdown};

#[tokio::test]
async fn every_route_answers_404_to_anothers_identifiers() -> Result<()> {
    let (ada, eve) = tokio::try_join!(mixdown().user(), mixdown().user())?;
    let job = ada.upload(&Sample::Mp4.file(Duration::from_secs(2)).await).await?;
    let job = ada.wait_for_outcome(job.id).await;
    let audio = job.audio.as_ref().context("it has an MP3")?;

    let routes = [
        (Method::GET, format!("/jobs/{}", job.id)),
        (Method::DELETE, format!("/jobs/{}", job.id)),
        (Method::GET, format!("/jobs/{}/events", job.id)),
        (Method::GET, format!("/jobs/{}/peaks", job.id)),
        (Method::GET, format!("/jobs/{}/audio", job.id)),
        (Method::GET, format!("/jobs/{}/cover", job.id)),
        (Method::POST, format!("/jobs/{}/retry", job.id)),
        (Method::POST, format!("/jobs/{}/link", job.id)),
        (Method::GET, format!("/download?fid={}", audio.fid)),
        (Method::HEAD, format!("/download?fid={}", audio.fid)),
        (Method::GET, format!("/download?fid={}", job.source.fid)),
    ];
    for (method, path) in routes {
        let what = format!("{method} {path}");
        let is_head = method == Method::HEAD;
        let answer = eve.request(method, &path).send().await?;
        if is_head {
            assert_eq!(answer.status(), 404, "{what}");
        } else {
            assert_problem(&what, answer, ProblemCode::NotFound).await?;
        }
    }
    assert_eq!(eve.jobs().await?, []);
    let archive = eve.request(Method::POST, "/archives").json(&serde_json::json!({ "jobs": [job.id] }));
    assert_problem("an archive", archive.send().await?, ProblemCode::NotFound).await?;
    // A cursor from another user's list shows nothing of it.
    let page: serde_json::Value = eve.get(&format!("/jobs?cursor={}", job.id)).await?.json().await?;
    assert_eq!(page["jobs"], serde_json::json!([]));

    assert_eq!(ada.job(job.id).await?.status, JobStatus::Converted, "the attempts did something");
    assert_eq!(ada.download(&job).await?.len() as u64, audio.bytes);
    Ok(())
}
