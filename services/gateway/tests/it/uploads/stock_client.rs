//! tus-js-client, as the page uses it, in Node.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use test_kit::project::{Project, find_program};
use tokio::process::Command;

use super::*;

/// Runs `tools/tus-client/upload.mjs`, and returns what it prints.
async fn upload(user: &User, endpoint: &str, file: &Path, options: Value) -> Result<Value> {
    let project = Project::locate()?;
    let mut options = options;
    options["token"] = json!(user.token);
    options["modules"] = json!(project.tus_client()?);
    let ran = Command::new(find_program("node")?)
        .arg(project.root().join("tools/tus-client/upload.mjs"))
        .args([endpoint, &file.display().to_string(), &options.to_string()])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ran = tokio::time::timeout(PATIENCE, ran).await.context("it does not end")??;
    ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&ran.stdout).context("it prints no JSON")
}

fn job_of(result: &Value) -> Result<JobId> {
    let location = result["job"].as_str().and_then(|location| location.strip_prefix("/jobs/"));
    Ok(location.with_context(|| format!("there is no job: {result}"))?.parse()?)
}

#[tokio::test]
async fn the_stock_client_uploads_stops_and_goes_on_in_another_process() -> Result<()> {
    let mixdown = only_gateway().await?;
    let user = mixdown.user().await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("a.mp4");
    let content: Vec<u8> =
        (0..20_000_003_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    tokio::fs::write(&file, &content).await?;
    let endpoint = format!("{}/uploads", mixdown.url());
    let metadata = json!({ "filename": "a.mp4", "filetype": "video/mp4", "quality": "V4" });

    let first = json!({ "metadata": metadata, "stopAt": 8 << 20 });
    let first = upload(&user, &endpoint, &file, first).await?;
    assert_eq!(first["job"], Value::Null, "{first}");
    let url = first["url"].as_str().context("there is no url")?;
    let path = url.strip_prefix(&mixdown.url()).context("it is elsewhere")?;
    assert!((8 << 20..content.len() as u64).contains(&offset_of(&user, path).await?));

    let second = upload(&user, &endpoint, &file, json!({ "url": url, "chunkSize": 3_000_000 })).await?;
    let statuses = second["statuses"].as_array().context("there are no statuses")?;
    assert_eq!(statuses.first().and_then(Value::as_str), Some("HEAD 200"), "{second}");
    assert!(statuses[1..].iter().all(|status| status == "PATCH 204"), "{second}");
    let job = user.job(job_of(&second)?).await?;
    assert_eq!(job.source.name, "a.mp4");
    assert_eq!(stored_hash(&mixdown, &job).await?, Sha256::digest(&content).to_vec());
    assert_eq!(user.jobs().await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn the_stock_client_sends_bytes_with_the_creation_and_in_one_go() -> Result<()> {
    let user = mixdown().user().await?;
    let file = Sample::Mp4.file(Duration::from_secs(2)).await;
    let endpoint = format!("{}/uploads", mixdown().url());
    let whole = json!({ "uploadDataDuringCreation": true, "metadata": { "filename": "b.mp4" } });
    let result = upload(&user, &endpoint, &file, whole).await?;
    assert_eq!(result["statuses"], json!(["POST 201"]), "{result}");
    let job = user.wait_for_outcome(job_of(&result)?).await;
    assert_eq!((job.status, job.source.name.as_str()), (JobStatus::Converted, "b.mp4"));
    Ok(())
}
