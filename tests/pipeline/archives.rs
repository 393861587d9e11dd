//! Several files in one ZIP archive.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::{Job, ProblemCode};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use test_kit::media::Sample;
use test_kit::mixdown::{Form, User, assert_problem, mixdown};

async fn link_to(user: &User, jobs: &[&Job]) -> Result<String> {
    let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
    let answer = user.request(Method::POST, "/archives").json(&json!({ "jobs": ids })).send().await?;
    ensure!(answer.status() == 201, "the archive was answered with {}", answer.status());
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let made: Value = answer.json().await?;
    assert!(made["expires_at"].is_string(), "{made}");
    let public_url = mixdown().system().public_url();
    let path =
        made["url"].as_str().and_then(|url| url.strip_prefix(&public_url)).context("no url of ours")?;
    Ok(path.to_owned())
}

async fn open(user: &User, path: &str) -> Result<Response> {
    Ok(user.anonymous(Method::GET, path).send().await?)
}

/// The files of an archive as another program reads them, each with its checksum verified.
fn unpacked(archive: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.zip");
    std::fs::write(&path, archive)?;
    let program = "import sys, zipfile\n\
        with zipfile.ZipFile(sys.argv[1]) as archive:\n\
        \x20   for number, file in enumerate(archive.infolist()):\n\
        \x20       print(file.filename)\n\
        \x20       open(f'{sys.argv[2]}/{number}', 'wb').write(archive.read(file))\n";
    let read = Command::new("python3").args(["-c", program]).arg(&path).arg(folder.path()).output()?;
    ensure!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let names = String::from_utf8(read.stdout)?;
    let file = |(number, name): (usize, &str)| {
        Ok((name.to_owned(), std::fs::read(folder.path().join(number.to_string()))?))
    };
    names.lines().enumerate().map(file).collect()
}

#[tokio::test]
async fn an_archive_has_every_file_whole_and_under_a_name_of_its_own() -> Result<()> {
    let user = mixdown().user().await?;
    let video = Sample::Mp4.bytes(Duration::from_secs(2)).await;
    let upload = async |format| {
        let job = user.submit(Form::default().file("Übung.mp4", &video).field("format", format)).await?;
        Ok::<_, anyhow::Error>(user.wait_for_outcome(job.id).await)
    };
    let (first, second, third) = (upload("mp3").await?, upload("mp3").await?, upload("wav").await?);
    let path = link_to(&user, &[&first, &second, &third]).await?;

    let answer = open(&user, &path).await?;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/zip");
    assert_eq!(answer.headers()["content-disposition"], "attachment; filename=\"mixdown.zip\"");
    assert_eq!(answer.headers()["referrer-policy"], "no-referrer");
    let length: usize = answer.headers()["content-length"].to_str()?.parse()?;
    let archive = answer.bytes().await?;
    assert_eq!(archive.len(), length);
    let expected = [
        ("Übung.mp3".to_owned(), user.download(&first).await?),
        ("Übung (2).mp3".to_owned(), user.download(&second).await?),
        ("Übung.wav".to_owned(), user.download(&third).await?),
    ];
    let found = unpacked(&archive)?;
    assert!(
        found == expected,
        "{:?}",
        found.iter().map(|(name, bytes)| (name, bytes.len())).collect::<Vec<_>>()
    );

    user.delete(&format!("/jobs/{}", second.id)).await?.error_for_status()?;
    assert_problem("a file has gone", open(&user, &path).await?, ProblemCode::NotFound).await?;
    let changed = format!("{}A", &path[..path.len() - 1]);
    let changed = if changed == path { format!("{}B", &path[..path.len() - 1]) } else { changed };
    assert_problem("a changed link", open(&user, &changed).await?, ProblemCode::NotFound).await
}

#[tokio::test]
async fn an_archive_of_nothing_or_of_too_much_is_refused() -> Result<()> {
    let user = mixdown().user().await?;
    let job = user.upload(&Sample::Text.file(Duration::from_secs(2)).await).await?;
    let id = user.wait_for_outcome(job.id).await.id.to_string();
    for (what, body, code) in [
        ("nothing", json!({ "jobs": [] }), ProblemCode::BadRequest),
        ("too many", json!({ "jobs": vec![id.clone(); 101] }), ProblemCode::BadRequest),
        ("no list", json!({}), ProblemCode::BadRequest),
        ("a job that failed", json!({ "jobs": [id] }), ProblemCode::NotFound),
        ("no id", json!({ "jobs": ["x"] }), ProblemCode::NotFound),
    ] {
        let answer = user.request(Method::POST, "/archives").json(&body).send().await?;
        assert_problem(what, answer, code).await?;
    }
    Ok(())
}
