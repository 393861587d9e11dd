//! Gateways and clients that die between two steps.

use std::time::Duration;

use anyhow::{Result, ensure};
use contracts::JobStatus;
use futures_util::{StreamExt as _, stream};
use reqwest::Method;
use system_tests::promise::{PATIENCE, assert_kept};
use test_kit::gridfs::{Contents, Store};
use test_kit::media::Sample;
use test_kit::mixdown::{Form, Plan};
use test_kit::proxy::{Proxy, Traffic};
use test_kit::services::Service;
use test_kit::{shared, wait_until};

#[tokio::test]
async fn a_gateway_that_dies_between_storing_and_announcing_announces_later() -> Result<()> {
    let (url, proxy) = Proxy::before(&shared().rabbitmq_url).await?;
    let mut mixdown = Plan::new().on_rabbitmq(&url).start().await?;
    let user = mixdown.user().await?;
    let video = Sample::Mp4.bytes(Duration::from_secs(2)).await;

    // The connection stays open, so the gateway accepts the upload and then waits for a confirm that never
    // comes.
    proxy.set(Traffic::Stall);
    let uploader = user.clone();
    let upload = tokio::spawn(async move { uploader.post(Form::default().file("a.mp4", &video)).await });
    let job = wait_until("the job is stored", PATIENCE, async || {
        let jobs = user.jobs().await?;
        ensure!(jobs.len() == 1, "there are {}", jobs.len());
        Ok(jobs[0].clone())
    })
    .await;
    assert!(!upload.is_finished(), "the client was answered before the announcement");
    mixdown.service(Service::Gateway)?.kill_hard().await;
    assert!(upload.await?.is_err(), "a dead gateway gave an answer");
    // Data on the way are lost, so only the gateway can announce the job again.
    proxy.cut();
    proxy.set(Traffic::Pass);
    assert_eq!(job.status, JobStatus::Queued);
    mixdown.service(Service::Gateway)?.restart().await?;

    let jobs = assert_kept(&mixdown, &user, &[job.id]).await?;
    assert_eq!((jobs.len(), jobs[0].status), (1, JobStatus::Converted));
    Ok(())
}

#[tokio::test]
async fn a_client_that_leaves_at_half_of_its_upload_leaves_nothing() -> Result<()> {
    let plan = Plan::new().with("ORPHAN_AGE", "1h").only(&[Service::Auth, Service::Gateway]);
    let mixdown = plan.start().await?;
    let user = mixdown.user().await?;
    let grid_fs = mixdown.grid_fs().await?;

    // Several megabytes, then silence until the client is gone.
    let opening = std::iter::once(Form::default().into_opening("a.mp4"));
    let pieces = opening.chain(std::iter::repeat_n(vec![7; 64 << 10], 64)).map(Ok::<_, std::io::Error>);
    let body = reqwest::Body::wrap_stream(stream::iter(pieces).chain(stream::pending()));
    let request = user.request(Method::POST, "/upload").header("content-type", Form::content_type());
    let request = request.header("content-length", (8 << 20).to_string()).body(body);
    let upload = tokio::spawn(request.send());
    wait_until("chunks of it are in the store", PATIENCE, async || {
        let contents = grid_fs.contents(Store::Videos).await?;
        ensure!(contents == Contents { files: 0, fragments: 1, pending: 1 }, "{contents:?}");
        Ok(())
    })
    .await;

    upload.abort();
    assert!(upload.await.is_err_and(|error| error.is_cancelled()), "the upload had ended before");
    grid_fs.wait_until_empty(Store::Videos).await;
    assert_eq!(user.jobs().await?, []);
    Ok(())
}
