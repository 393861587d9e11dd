//! Compares the gateway with its OpenAPI document: Schemathesis generates thousands of requests from it.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use test_kit::media::Sample;
use test_kit::mixdown::{Form, Plan, User};
use test_kit::project::{Project, find_program};
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_mins(15);

/// Existing objects to ask for, by their names in `hooks.py` and `schemathesis.toml`.
async fn things(user: &User, spare: &User) -> Result<Vec<(&'static str, String)>> {
    let video = Sample::Mp4.file(Duration::from_secs(2)).await;
    let job = user.submit(Form::of_file(&video).await?).await?;
    let job = user.wait_for_outcome(job.id).await;
    let file = &job.audio.as_ref().context("the clip is not converted")?.fid;
    let link = user.request(Method::POST, &format!("/jobs/{}/link", job.id)).json(&json!({}));
    let archive = user.request(Method::POST, "/archives").json(&json!({ "jobs": [job.id] }));
    let upload = user.tus(Method::POST, "/uploads");
    let upload = upload.header("upload-length", "1000000").send().await?;
    let upload = upload.headers().get("location").context("the upload has no address")?.to_str()?;
    let spare_user: Value = spare.get("/me").await?.json().await?;
    Ok(vec![
        ("MIXDOWN_TOKEN", user.token.clone()),
        ("MIXDOWN_JOB", job.id.to_string()),
        ("MIXDOWN_FILE", file.to_string()),
        ("MIXDOWN_LINK", made(link).await?),
        ("MIXDOWN_ARCHIVE", made(archive).await?),
        ("MIXDOWN_UPLOAD", last_part_of(upload)),
        ("MIXDOWN_SPARE_TOKEN", spare.token.clone()),
        ("MIXDOWN_SPARE_USER", spare_user["id"].as_str().context("the user has no id")?.to_owned()),
    ])
}

/// The link that was created.
async fn made(request: RequestBuilder) -> Result<String> {
    let answer: Value = request.send().await?.error_for_status()?.json().await?;
    Ok(last_part_of(answer["url"].as_str().with_context(|| format!("no address in {answer}"))?))
}

fn last_part_of(address: &str) -> String {
    address.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Expects no 5xx, no undocumented status, type or body, and no success without a required token. Uses an
/// administrator's token, so that every route is reached. The seed is in `schemathesis.toml`.
#[tokio::test]
async fn thousands_of_made_up_requests_are_answered_as_the_description_says() -> Result<()> {
    let project = Project::locate()?;
    let mixdown = Plan::new().with("MAX_UNFINISHED_JOBS", "100000").start().await?;
    let (mut user, spare) = (mixdown.user().await?, mixdown.user().await?);
    mixdown.promote(&mut user).await?;

    let folder = project.root().join("tools/schemathesis");
    let mut requests = Command::new(find_program("python3")?);
    requests
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(folder.join("schemathesis.toml"))
        .args(["run", &format!("{}/openapi.json", mixdown.url())])
        // Schemathesis leaves files for its next run in its current folder.
        .current_dir(&mixdown.system().home)
        .env("SCHEMATHESIS_HOOKS", folder.join("hooks.py"))
        .env("PYTHONPATH", project.schemathesis()?)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .envs(things(&user, &spare).await?)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let ran = tokio::time::timeout(PATIENCE, requests.output()).await.context("it does not end")??;
    let report = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{report}\n{}", String::from_utf8_lossy(&ran.stderr));
    // "4321 generated, 4321 passed"
    let count = report.split("Test cases:").nth(1).and_then(|rest| rest.split_whitespace().next());
    let count: u32 = count.with_context(|| format!("no number of cases: {report}"))?.parse()?;
    assert!(count > 2000, "only {count} cases:\n{report}");
    println!("{count} made-up requests were answered as described");
    Ok(())
}
