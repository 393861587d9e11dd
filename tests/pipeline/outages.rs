//! A server that is down: requests get 503 with `Retry-After` and do not hang, and everything works when it
//! is back.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use contracts::{JobStatus, ProblemCode};
use futures_util::future::try_join_all;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;
use test_kit::inbox::Inbox;
use test_kit::media::Sample;
use test_kit::mixdown::{Form, Mixdown, PATIENCE, Plan, User, assert_problem};
use test_kit::proxy::{Proxy, Traffic};
use test_kit::services::Service;
use test_kit::{shared, wait_until};

/// The timeout for such an answer.
const BOUND: Duration = Duration::from_secs(30);

async fn assert_unavailable(what: String, request: RequestBuilder) -> Result<()> {
    let began = Instant::now();
    let answer = request.send().await.with_context(|| format!("{what} got no answer"))?;
    assert_problem(&what, answer, ProblemCode::Unavailable).await?;
    ensure!(began.elapsed() < BOUND, "{what} took {:?}", began.elapsed());
    Ok(())
}

fn upload_request(user: &User, video: &[u8]) -> RequestBuilder {
    let form = Form::default().file("a.mp4", video);
    user.request(Method::POST, "/upload").header("content-type", Form::content_type()).body(form.into_body())
}

async fn wait_until_it_works(user: &User, video: &[u8]) {
    let job = wait_until("an upload is accepted again", PATIENCE, async || {
        let answer = upload_request(user, video).send().await?;
        ensure!(answer.status() == StatusCode::ACCEPTED, "it was answered with {}", answer.status());
        Ok(answer.json::<contracts::Job>().await?)
    })
    .await;
    let job = user.wait_for_outcome(job.id).await;
    assert_eq!(job.status, JobStatus::Converted);
}

/// Every route that reads or writes jobs and files, with an existing file and link.
async fn requests_to_the_store(
    mixdown: &Mixdown,
    user: &User,
    video: &[u8],
) -> Result<Vec<(Method, String)>> {
    let job = user.submit(Form::default().file("a.mp4", video)).await?;
    let job = user.wait_for_outcome(job.id).await;
    let fid = job.audio.context("it has an MP3")?.fid;
    let mail = Inbox::shared().wait_for_mail(&user.email, PATIENCE).await;
    let public_url = mixdown.system().public_url();
    let link = mail.link(&format!("{public_url}/d/")).context("the mail has a link")?;
    Ok(vec![
        (Method::GET, "/jobs".to_owned()),
        (Method::GET, format!("/jobs/{}", job.id)),
        (Method::GET, format!("/jobs/{}/events", job.id)),
        (Method::GET, format!("/download?fid={fid}")),
        (Method::GET, link.replace(&public_url, "")),
        (Method::DELETE, format!("/jobs/{}", job.id)),
    ])
}

#[tokio::test]
async fn without_mongodb_every_route_says_503_in_time_and_works_again_after() -> Result<()> {
    let (url, proxy) = Proxy::before(&shared().mongodb_url).await?;
    // A direct connection: a member of a replica set would announce its real address and bypass the proxy.
    let mixdown =
        Plan::new().on_mongodb(&url.replace("replicaSet=rs0", "directConnection=true")).start().await?;
    let user = mixdown.user().await?;
    let video = Sample::Mp4.bytes(Duration::from_secs(2)).await;
    let requests = requests_to_the_store(&mixdown, &user, &video).await?;

    for traffic in [Traffic::Stall, Traffic::Refuse] {
        proxy.set(traffic);
        let reads = requests.iter().map(|(method, path)| {
            assert_unavailable(format!("{traffic:?}, {method} {path}"), user.request(method.clone(), path))
        });
        let upload = assert_unavailable(format!("{traffic:?}, upload"), upload_request(&user, &video));
        tokio::try_join!(try_join_all(reads), upload)?;
    }
    proxy.set(Traffic::Pass);
    wait_until_it_works(&user, &video).await;
    Ok(())
}

#[tokio::test]
async fn without_rabbitmq_uploads_say_503_in_time_and_reading_goes_on() -> Result<()> {
    let (url, proxy) = Proxy::before(&shared().rabbitmq_url).await?;
    let mixdown = Plan::new().on_rabbitmq(&url).start().await?;
    let user = mixdown.user().await?;
    let video = Sample::Mp4.bytes(Duration::from_secs(2)).await;

    proxy.set(Traffic::Refuse);
    wait_until("the gateway notices", PATIENCE, async || {
        assert_unavailable("upload".to_owned(), upload_request(&user, &video)).await.is_ok()
    })
    .await;
    assert_eq!(user.jobs().await?, []);
    proxy.set(Traffic::Pass);
    wait_until_it_works(&user, &video).await;
    Ok(())
}

#[tokio::test]
async fn without_auth_or_mysql_only_accounts_are_away() -> Result<()> {
    let (url, proxy) = Proxy::before(&shared().mysql_url).await?;
    let mut mixdown = Plan::new().on_mysql(&url).start().await?;
    let user = mixdown.user().await?;
    assert_eq!(user.jobs().await?, []);

    let login = || user.anonymous(Method::POST, "/login").basic_auth(&user.email, Some(&user.password));
    let register = || {
        let body = serde_json::json!({ "email": "eve@example.org", "password": user.password });
        user.anonymous(Method::POST, "/register").json(&body)
    };
    for traffic in [Traffic::Stall, Traffic::Refuse] {
        proxy.set(traffic);
        tokio::try_join!(
            assert_unavailable(format!("{traffic:?}, login"), login()),
            assert_unavailable(format!("{traffic:?}, register"), register()),
        )?;
        assert_eq!(user.jobs().await?, [], "a token stopped working");
    }
    proxy.set(Traffic::Pass);
    wait_until("MySQL is back", PATIENCE, async || {
        user.log_in().await.is_ok_and(|answer| answer.status().is_success())
    })
    .await;

    mixdown.service(Service::Auth)?.kill_hard().await;
    assert_unavailable("login without auth".to_owned(), login()).await?;
    assert_unavailable("register without auth".to_owned(), register()).await?;
    assert_eq!(user.jobs().await?, [], "a token stopped working");
    mixdown.service(Service::Auth)?.restart().await?;
    let again = user.log_in().await?;
    assert_eq!(again.status(), StatusCode::OK);
    Ok(())
}

#[tokio::test]
async fn a_mail_that_auth_had_promised_when_it_was_killed_comes_once() -> Result<()> {
    let (url, proxy) = Proxy::before(&shared().rabbitmq_url).await?;
    let mut mixdown = Plan::new().on_rabbitmq(&url).start().await?;
    let user = mixdown.user().await?;
    let address = json!({ "email": user.email });
    let forget = async || user.anonymous(Method::POST, "/password/forgot").json(&address).send().await;
    // Auth has recorded the mail, but cannot send it to RabbitMQ.
    proxy.set(Traffic::Stall);
    assert_eq!(forget().await?.status(), StatusCode::ACCEPTED);
    mixdown.service(Service::Auth)?.kill_hard().await;
    proxy.set(Traffic::Pass);
    mixdown.service(Service::Auth)?.restart().await?;
    Inbox::shared().wait_for_mail(&user.email, PATIENCE).await;
    // Mails are sent in order: no mail of the first request can follow after this one.
    assert_eq!(forget().await?.status(), StatusCode::ACCEPTED);
    let mails = Inbox::shared().wait_for_mails(&user.email, 2, PATIENCE).await;
    assert_eq!(mails.len(), 2);
    assert_ne!(mails[0].token(), mails[1].token());
    assert!(mails.iter().all(|mail| mail.token().is_some()));
    Ok(())
}
