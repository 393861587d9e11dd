//! The links in mails: each opens one file for a limited time.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::ProblemCode;
use reqwest::Method;
use serde_json::{Value, json};
use test_kit::inbox::Inbox;
use test_kit::media::Sample;
use test_kit::mixdown::{Form, Mixdown, PATIENCE, Plan, User, assert_problem, mixdown};
use test_kit::wait_until;

/// The path of the link in a user's mail about a converted video.
async fn link_of(mixdown: &Mixdown, user: &User) -> Result<String> {
    let job = user.upload(&Sample::Mp4.file(Duration::from_secs(2)).await).await?;
    user.wait_for_outcome(job.id).await;
    let mails = Inbox::shared().wait_for_mails(&user.email, 1, PATIENCE).await;
    let public_url = mixdown.system().public_url();
    let link = mails[0].link(&format!("{public_url}/d/")).context("the mail has a link")?;
    Ok(link.replace(&public_url, ""))
}

#[tokio::test]
async fn a_link_that_was_changed_opens_nothing() -> Result<()> {
    let user = mixdown().user().await?;
    let link = link_of(mixdown(), &user).await?;
    let (path, secret) = link.rsplit_once('/').context("the link has a secret")?;
    for position in 0..secret.len() {
        let replacement = if &secret[position..=position] == "A" { "B" } else { "A" };
        let changed = format!("{}{replacement}{}", &secret[..position], &secret[position + 1..]);
        let answer = user.anonymous(Method::GET, &format!("{path}/{changed}")).send().await?;
        assert_problem(&format!("character {position}"), answer, ProblemCode::NotFound).await?;
    }
    let cut = &link[..link.len() - 1];
    assert_problem("cut", user.anonymous(Method::GET, cut).send().await?, ProblemCode::NotFound).await?;
    assert_eq!(user.anonymous(Method::GET, &link).send().await?.status(), 200);
    Ok(())
}

#[tokio::test]
async fn a_link_whose_time_is_over_is_gone_while_its_owner_still_downloads() -> Result<()> {
    let mixdown = Plan::new().with("LINK_LIFETIME", "5s").start().await?;
    let user = mixdown.user().await?;
    let link = link_of(&mixdown, &user).await?;
    let answer = wait_until("the link has expired", PATIENCE, async || {
        let answer = user.anonymous(Method::GET, &link).send().await?;
        ensure!(answer.status() != 200, "it still works");
        Ok(answer)
    })
    .await;
    assert_problem("the link", answer, ProblemCode::Gone).await?;
    assert!(!user.download(&user.jobs().await?[0]).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn an_owner_makes_links_that_last_as_long_as_wished_and_play_in_the_page() -> Result<()> {
    let user = mixdown().user().await?;
    let video = Sample::Mp4.bytes(Duration::from_secs(2)).await;
    let job = user.submit(Form::default().file("a.mp4", &video).field("cover", "1")).await?;
    let job = user.wait_for_outcome(job.id).await;
    let path = format!("/jobs/{}/link", job.id);
    let answer = user.request(Method::POST, &path).json(&json!({ "expires_in_seconds": 60 })).send().await?;
    assert_eq!(answer.status(), 201);
    let made: Value = answer.json().await?;
    let public_url = mixdown().system().public_url();
    let link =
        made["url"].as_str().and_then(|url| url.strip_prefix(&public_url)).context("no url of ours")?;
    assert!(made["expires_at"].is_string(), "{made}");

    let whole = user.download(&job).await?;
    let played = user.anonymous(Method::GET, &format!("{link}?inline=1")).header("range", "bytes=0-99");
    let played = played.send().await?;
    assert_eq!(played.status(), 206);
    assert_eq!(played.headers()["content-disposition"], "inline; filename=\"a.mp3\"");
    assert_eq!(played.bytes().await?, whole[..100]);
    let saved = user.anonymous(Method::GET, link).send().await?;
    assert_eq!(saved.headers()["content-disposition"], "attachment; filename=\"a.mp3\"");
    assert_eq!(saved.bytes().await?, whole);

    let without_body = user.request(Method::POST, &path).send().await?;
    assert_eq!(without_body.status(), 201);
    for body in ["{", "[]", r#"{"expires_in_seconds":59}"#, r#"{"expires_in_seconds":604801}"#, r#"{"x":1}"#]
    {
        let request = user.request(Method::POST, &path).header("content-type", "application/json");
        assert_problem(body, request.body(body).send().await?, ProblemCode::BadRequest).await?;
    }
    let answer = user.request(Method::POST, &path).body(r#"{"expires_in_seconds":60}"#).send().await?;
    assert_problem("a body without a type", answer, ProblemCode::UnsupportedMediaType).await?;

    let cover = user.get(&format!("/jobs/{}/cover", job.id)).await?.error_for_status()?;
    assert_eq!(cover.headers()["content-type"], "image/jpeg");
    let picture = cover.bytes().await?;
    assert!(picture.starts_with(&[0xff, 0xd8, 0xff]));
    assert!(whole.windows(picture.len()).any(|part| part == picture), "it is not the picture in the file");
    let plain = user.submit(Form::default().file("a.mp4", &video).field("cover", "none")).await?;
    user.wait_for_outcome(plain.id).await;
    let none = user.get(&format!("/jobs/{}/cover", plain.id)).await?;
    assert_problem("no picture", none, ProblemCode::NotFound).await
}
