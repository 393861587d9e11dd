//! API keys: what they may and may not do.

use std::time::Duration;

use anyhow::{Context, Result};
use contracts::ProblemCode;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use test_kit::media::Sample;
use test_kit::mixdown::{PATIENCE, User, assert_problem, mixdown};
use test_kit::wait_until;

async fn with_key(user: &User, scopes: &[&str]) -> Result<(String, User)> {
    let body = json!({ "name": "a script", "scopes": scopes });
    let made = user.request(Method::POST, "/keys").json(&body).send().await?;
    assert_eq!(made.status(), StatusCode::CREATED);
    let made: Value = made.json().await?;
    let mut script = user.clone();
    made["key"].as_str().context("no key")?.clone_into(&mut script.token);
    Ok((made["id"].as_str().context("no id")?.to_owned(), script))
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_nothing_else() -> Result<()> {
    let user = mixdown().user().await?;
    let (_, uploader) = with_key(&user, &["upload"]).await?;
    let (_, reader) = with_key(&user, &["read"]).await?;
    let (_, deleter) = with_key(&user, &["delete"]).await?;
    let job = uploader.upload(&Sample::Mp4.file(Duration::from_secs(2)).await).await?;
    let job = reader.wait_for_outcome(job.id).await;
    reader.download(&job).await?;
    let path = format!("/jobs/{}", job.id);
    let fid = job.audio.as_ref().context("no MP3")?.fid;
    let paths = [
        (Method::POST, "/upload".to_owned(), [false, true, true]),
        (Method::GET, "/jobs".to_owned(), [true, false, true]),
        (Method::GET, path.clone(), [true, false, true]),
        (Method::GET, format!("{path}/events"), [true, false, true]),
        (Method::GET, format!("{path}/peaks"), [true, false, true]),
        (Method::GET, format!("/download?fid={fid}"), [true, false, true]),
        (Method::DELETE, path.clone(), [true, true, false]),
    ];
    for (method, path, is_refused) in paths {
        for (script, is_refused) in [&uploader, &reader, &deleter].into_iter().zip(is_refused) {
            if is_refused {
                let answer = script.request(method.clone(), &path).send().await?;
                assert_problem(&format!("{method} {path}"), answer, ProblemCode::ScopeMissing).await?;
            }
        }
    }
    for (method, path) in [
        (Method::GET, "/me"),
        (Method::DELETE, "/me"),
        (Method::POST, "/me/password"),
        (Method::POST, "/me/email"),
        (Method::GET, "/keys"),
        (Method::POST, "/keys"),
        (Method::DELETE, "/keys/0190a3c4-0000-7000-8000-000000000001"),
        (Method::GET, "/sessions"),
        (Method::DELETE, "/sessions"),
        (Method::GET, "/admin/users"),
    ] {
        let answer = reader.request(method.clone(), path).json(&json!({})).send().await?;
        assert_problem(&format!("{method} {path}"), answer, ProblemCode::ScopeMissing).await?;
    }
    assert_eq!(deleter.delete(&path).await?.status(), StatusCode::NO_CONTENT);
    Ok(())
}

#[tokio::test]
async fn a_deleted_key_stops_to_work_and_made_up_ones_never_do() -> Result<()> {
    let user = mixdown().user().await?;
    let (id, script) = with_key(&user, &["read"]).await?;
    assert_eq!(script.get("/jobs").await?.status(), StatusCode::OK);
    assert_eq!(user.delete(&format!("/keys/{id}")).await?.status(), StatusCode::NO_CONTENT);
    assert_problem("deleted", script.get("/jobs").await?, ProblemCode::InvalidToken).await?;
    let mut stranger = user.clone();
    for wrong in ["mxk_", "mxk_AAAA", &format!("{}A", script.token), &"mxk_".repeat(10)] {
        wrong.clone_into(&mut stranger.token);
        assert_problem(wrong, stranger.get("/jobs").await?, ProblemCode::InvalidToken).await?;
    }
    Ok(())
}

#[tokio::test]
async fn guessing_keys_is_slowed_down_and_does_not_stop_a_key_that_works() -> Result<()> {
    // A Mixdown of its own: the guesses count against an address that all tests share.
    let plan = test_kit::mixdown::Plan::new();
    let mixdown = plan.only(&[test_kit::services::Service::Auth, test_kit::services::Service::Gateway]);
    let mixdown = mixdown.start().await?;
    let user = mixdown.user().await?;
    let (_, script) = with_key(&user, &["read"]).await?;
    assert_eq!(script.get("/jobs").await?.status(), StatusCode::OK);
    let mut number: u64 = 0;
    let refused = wait_until("guesses are refused", PATIENCE, async || {
        number += 1;
        let mut random = [0_u8; 32];
        random[..8].copy_from_slice(&number.to_be_bytes());
        let mut guesser = user.clone();
        guesser.token = contracts::ApiKeyHash::key_of(&random);
        let answer = guesser.get("/jobs").await?;
        anyhow::ensure!(answer.status() == StatusCode::TOO_MANY_REQUESTS, "{}", answer.status());
        Ok(answer)
    })
    .await;
    assert_problem("the guess", refused, ProblemCode::TooManyRequests).await?;
    assert_eq!(script.get("/jobs").await?.status(), StatusCode::OK);
    Ok(())
}
