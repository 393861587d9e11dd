//! Erases an account during an operation of its owner on another gateway, which is not told of the erasure.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::ProblemCode;
use futures_util::{StreamExt as _, stream};
use reqwest::{Body, Method, StatusCode};
use serde_json::{Value, json};
use test_kit::gridfs::{Contents, Store};
use test_kit::media::Sample;
use test_kit::mixdown::{Form, Mixdown, PATIENCE, Plan, User, assert_problem};
use test_kit::services::Service;
use test_kit::wait_until;
use tokio::sync::oneshot;

use crate::accounts::is_in_mongodb;

/// The gateways ask auth for erased accounts only when they start, so no later check removes what was left.
fn plan() -> Plan {
    Plan::new().with("REVOCATION_INTERVAL", "1h").with("ERASURE_INTERVAL", "1h").with("ORPHAN_AGE", "1h")
}

/// Erases the account through the first gateway and waits until it is done.
async fn erase(user: &User) -> Result<()> {
    let body = json!({ "password": user.password });
    let asked = user.request(Method::DELETE, "/me").json(&body).send().await?;
    assert_eq!(asked.status(), StatusCode::ACCEPTED);
    Ok(())
}

async fn nothing_is_left(mixdown: &Mixdown, user: &User, id: &str) -> Result<()> {
    let grid_fs = mixdown.grid_fs().await?;
    wait_until("nothing is left", PATIENCE, async || {
        for text in [id, &user.email] {
            let found = is_in_mongodb(mixdown.prefix(), text).await?;
            ensure!(found.is_none(), "there is {found:?}");
        }
        Ok(())
    })
    .await;
    for store in [Store::Videos, Store::Mp3s] {
        grid_fs.wait_until_empty(store).await;
    }
    Ok(())
}

#[tokio::test]
async fn an_upload_that_ends_on_another_gateway_leaves_nothing() -> Result<()> {
    let mixdown = plan().start().await?;
    let user = mixdown.user().await?;
    let id = user.get("/me").await?.json::<Value>().await?["id"].as_str().context("no id")?.to_owned();
    let another = mixdown.start_another(Service::Gateway).await?;
    let elsewhere = user.at(&another.public_url());
    elsewhere.get("/jobs").await?.error_for_status()?;

    // A form upload and a resumable upload, both without their last bytes.
    let video = Sample::Mp4.bytes(Duration::from_secs(2)).await;
    let form = Form::default().file("a.mp4", &video).into_body();
    let (beginning, end) = (form[..form.len() / 2].to_vec(), form[form.len() / 2..].to_vec());
    let (go_on, gone_on) = oneshot::channel::<()>();
    let pieces = stream::iter([Ok::<_, std::io::Error>(beginning)]).chain(stream::once(async move {
        let _ = gone_on.await;
        Ok(end)
    }));
    let upload = elsewhere
        .request(Method::POST, "/upload")
        .header("content-type", Form::content_type())
        .body(Body::wrap_stream(pieces));
    let upload = tokio::spawn(upload.send());
    let begun = elsewhere.tus(Method::POST, "/uploads").header("upload-length", video.len()).send().await?;
    let path = begun.error_for_status()?.headers()["location"].to_str()?.to_owned();
    let grid_fs = mixdown.grid_fs().await?;
    wait_until("the form is under way", PATIENCE, async || {
        let contents = grid_fs.contents(Store::Videos).await?;
        ensure!(contents != Contents::whole(0), "nothing has come yet");
        Ok(())
    })
    .await;

    erase(&user).await?;
    wait_until("the account is gone", PATIENCE, async || {
        let found = is_in_mongodb(mixdown.prefix(), &id).await?;
        ensure!(found.is_none(), "there is {found:?}");
        Ok(())
    })
    .await;
    let _ = go_on.send(());
    assert_problem("the form", upload.await??, ProblemCode::InvalidToken).await?;
    let rest = elsewhere.tus(Method::PATCH, &path).header("upload-offset", 0);
    let rest =
        rest.header("content-type", "application/offset+octet-stream").body(video.clone()).send().await?;
    assert_problem("the resumable upload", rest, ProblemCode::NotFound).await?;
    let another_one = elsewhere.tus(Method::POST, "/uploads").header("upload-length", video.len());
    assert_problem("a new one", another_one.send().await?, ProblemCode::InvalidToken).await?;
    let whole = elsewhere.post(Form::default().file("b.mp4", &video)).await?;
    assert_problem("a new form", whole, ProblemCode::InvalidToken).await?;
    nothing_is_left(&mixdown, &user, &id).await
}

#[tokio::test]
async fn a_retry_on_another_gateway_leaves_nothing() -> Result<()> {
    let mixdown = plan().start().await?;
    let user = mixdown.user().await?;
    let id = user.get("/me").await?.json::<Value>().await?["id"].as_str().context("no id")?.to_owned();
    let another = mixdown.start_another(Service::Gateway).await?;
    let elsewhere = user.at(&another.public_url());
    let failed = user.upload(&Sample::Text.file(Duration::from_secs(2)).await).await?;
    user.wait_for_outcome(failed.id).await;
    erase(&user).await?;
    // Before, during or after the erasure: the order is random.
    let path = format!("/jobs/{}/retry", failed.id);
    for _ in 0..20 {
        elsewhere.request(Method::POST, &path).send().await?;
    }
    nothing_is_left(&mixdown, &user, &id).await
}
