//! The curl commands of the README, word for word.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::{Job, JobStatus};
use tempfile::TempDir;
use test_kit::inbox::Inbox;
use test_kit::media::Sample;
use test_kit::project::find_program;
use test_kit::unique_name;
use tokio::process::Command;

use crate::mp3::Mp3;
use test_kit::mixdown::mixdown;

async fn curl(folder: &Path, arguments: &[&str]) -> Result<String> {
    let done = Command::new(find_program("curl")?)
        .args(["--silent", "--show-error", "--fail-with-body", "--max-time", "60"])
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .await?;
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    ensure!(done.status.success(), "curl {arguments:?}: {said}");
    Ok(String::from_utf8(done.stdout)?)
}

#[tokio::test]
async fn the_readme_works_with_curl() -> Result<()> {
    let folder = TempDir::new()?;
    let length = Duration::from_secs(3);
    std::fs::copy(Sample::Mp4.file(length).await, folder.path().join("video.mp4"))?;
    let url = mixdown().url();
    let email = format!("{}@example.org", unique_name("curl"));
    let password = "enchantress of numbers";

    let body = serde_json::json!({ "email": email, "password": password }).to_string();
    let register = format!("{url}/register");
    curl(folder.path(), &["-X", "POST", &register, "-H", "Content-Type: application/json", "-d", &body])
        .await?;

    let mail = Inbox::shared().wait_for_mail(&email, test_kit::mixdown::PATIENCE).await;
    let token = serde_json::json!({ "token": mail.token().context("the mail has no token")? }).to_string();
    let verify = format!("{url}/verify");
    curl(folder.path(), &["-X", "POST", &verify, "-H", "Content-Type: application/json", "-d", &token])
        .await?;

    let account = format!("{email}:{password}");
    let token = curl(folder.path(), &["-X", "POST", &format!("{url}/login"), "-u", &account]).await?;
    assert_eq!(token.split('.').count(), 3, "not a bare token: {token}");
    let bearer = format!("Authorization: Bearer {token}");

    let upload = ["-F", "file=@video.mp4", "-H", &bearer, &format!("{url}/upload")];
    let job: Job = serde_json::from_str(&curl(folder.path(), &upload).await?)?;
    assert_eq!(job.source.name, "video.mp4");

    let jobs = ["-H", &bearer, &format!("{url}/jobs")];
    let job = test_kit::wait_until("the job is converted", test_kit::mixdown::PATIENCE, async || {
        let page: serde_json::Value = serde_json::from_str(&curl(folder.path(), &jobs).await?)?;
        let jobs: Vec<Job> = serde_json::from_value(page["jobs"].clone())?;
        let job = jobs.into_iter().next().context("the list is empty")?;
        ensure!(job.status == JobStatus::Converted, "it is {:?}", job.status);
        Ok(job)
    })
    .await;

    let fid = job.audio.context("it has an MP3")?.fid;
    let download = ["-o", "out.mp3", "-H", &bearer, &format!("{url}/download?fid={fid}")];
    curl(folder.path(), &download).await?;
    Mp3::probe(&std::fs::read(folder.path().join("out.mp3"))?).await?.assert_length(length.as_secs_f64());

    let named = ["-OJ", "-H", &bearer, &format!("{url}/download?fid={fid}")];
    curl(folder.path(), &named).await?;
    assert!(folder.path().join("video.mp3").is_file(), "the download is not named after the video");
    Ok(())
}
