//! The browser page on the whole system: starts a Mixdown with the page, and runs the tests in `web/tests` on
//! it.
//!
//! A separate test program, which cargo runs after the others, because a browser needs the machine for
//! itself. It needs the services and the page: `cargo build --release --bins`, `make page`. `ONLY=admin` in
//! the environment runs only the files with that text in their path.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::Redirect;
use axum::routing::get;
use broker::{Broker, BrokerConfig};
use contracts::{FailureCode, JobStatus, Queue};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};
use test_kit::media::Sample;
use test_kit::mixdown::{Mixdown, Plan, User};
use test_kit::project::Project;
use test_kit::provider::Provider;
use test_kit::services::{RunningService, Service};
use test_kit::{shared, wait_until};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_mins(20);
const PATIENCE: Duration = Duration::from_mins(1);

/// With these settings every conversion times out. A retry with other settings may succeed.
const NO_TIME: [(&str, &str); 2] = [("BASE_CONVERSION_TIME", "1ms"), ("CONVERSION_TIME_FACTOR", "0")];

#[tokio::test]
async fn the_page_works_in_a_browser() -> Result<()> {
    let project = Project::locate()?;
    let page = project.page().context("the page is not built: run `make page`")?;
    let provider = Arc::new(Provider::start().await);
    let plan = Plan::new()
        .with("STATIC_DIR", &page.display().to_string())
        .with("OIDC_PROVIDERS", &provider.setting());
    let plan = NO_TIME.iter().fold(plan, |plan, (name, value)| plan.with(name, value));
    let mut mixdown = plan.start().await?;
    let callback = format!("{}/oidc/main/callback", mixdown.system().public_url());
    provider.behave(|behaviour| behaviour.redirect_uri = callback);
    let (scene, _patient_converter) = set_the_scene(&mut mixdown, provider).await?;

    let mut tests = Command::new("npm");
    tests
        .args(["run", "test:browser", "--"])
        .args(std::env::var("ONLY").ok())
        .current_dir(project.root().join("web"))
        .env("BASE_URL", mixdown.system().public_url())
        .env("INBOX_URL", &shared().inbox_url)
        .env("SCENE", scene.to_string())
        // A killed browser's files are removed together with the system.
        .env("TMPDIR", &mixdown.system().home)
        .kill_on_drop(true);
    let ended = tokio::time::timeout(DEADLINE, tests.status()).await;
    let status = ended.context("the browser tests did not end")?.context("could not start npm")?;
    // A panic, so that the services' logs are shown.
    assert!(status.success(), "the browser tests failed, as they say above");
    Ok(())
}

/// Creates the data that the tests need and could not make in a browser. Returns it with the converter that
/// the system uses from then on.
async fn set_the_scene(mixdown: &mut Mixdown, provider: Arc<Provider>) -> Result<(Value, RunningService)> {
    let mut administrator = mixdown.user().await?;
    mixdown.promote(&mut administrator).await?;
    park_two_messages(mixdown).await?;
    let unlucky = mixdown.user().await?;
    fail_for_lack_of_time(mixdown, &unlucky).await?;
    let late = mixdown.user().await?;
    let_expire(mixdown, &late).await?;
    let converter = patient_converter(mixdown, "7days").await?;
    let person = |user: &User| json!({ "email": user.email, "password": user.password });
    let scene = json!({
        "administrator": person(&administrator),
        "unlucky": person(&unlucky),
        "late": person(&late),
        "provider": { "issuer": provider.issuer(), "door": open_door(provider).await? },
    });
    Ok((scene, converter))
}

/// Messages that no service understands, so they are dead-lettered.
async fn park_two_messages(mixdown: &Mixdown) -> Result<()> {
    let config = BrokerConfig {
        queue_prefix: mixdown.prefix().to_owned(),
        retry_delays: "200ms,1s,2s".parse()?,
        ..BrokerConfig::new(mixdown.system().rabbitmq_url.clone().into())
    };
    let broker = Broker::new(&config, "test", CancellationToken::new())?;
    for (name, version) in [("from the past", 0), ("from the future", 1000)] {
        broker.publish(Queue::Account, name, &json!({ "version": version })).await?;
    }
    wait_until("they are parked", PATIENCE, async || {
        let parked = broker.dead_depth(Queue::Account).await?;
        ensure!(parked == 2, "there are {parked}");
        Ok(())
    })
    .await;
    Ok(())
}

/// Lets a video fail, and stops the converter whose settings caused it.
async fn fail_for_lack_of_time(mixdown: &mut Mixdown, user: &User) -> Result<()> {
    let job = user.upload(&Sample::Mp4.file(Duration::from_secs(2)).await).await?;
    let failed = user.wait_for_outcome(job.id).await;
    let code = failed.error.context("the conversion did not fail")?.code;
    ensure!(code == FailureCode::TimedOut, "it failed as {code:?}");
    mixdown.service(Service::Converter)?.stop().await;
    Ok(())
}

/// Converts a video whose file is not kept.
async fn let_expire(mixdown: &Mixdown, user: &User) -> Result<()> {
    let mut converter = patient_converter(mixdown, "1s").await?;
    let job = user.upload(&Sample::Mp4.file(Duration::from_secs(2)).await).await?;
    user.wait_for(job.id, "it expires", |job| job.status == JobStatus::Expired).await;
    converter.stop().await;
    Ok(())
}

/// A converter with enough time, which keeps files for this long.
async fn patient_converter(mixdown: &Mixdown, keep: &str) -> Result<RunningService> {
    let mut system = mixdown.system().clone();
    system.variables.retain(|name, _| NO_TIME.iter().all(|(setting, _)| setting != name));
    system.variables.insert("KEEP_MP3".to_owned(), keep.to_owned());
    RunningService::start(&system, Service::Converter).await
}

/// The provider's address for browsers. The provider itself answers only services.
async fn open_door(provider: Arc<Provider>) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = Router::new().route("/authorize", get(let_in)).with_state(provider);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

#[derive(Deserialize)]
struct Asked {
    redirect_uri: String,
}

/// Signs every browser in and sends it back.
async fn let_in(
    State(provider): State<Arc<Provider>>,
    uri: Uri,
    Query(asked): Query<Asked>,
) -> Result<Redirect, StatusCode> {
    let (state, code) = provider.sign_in(&format!("{}{uri}", provider.issuer()));
    let answer = Url::parse_with_params(&asked.redirect_uri, [("state", state), ("code", code)]);
    answer.map(|url| Redirect::to(url.as_str())).map_err(|_| StatusCode::BAD_REQUEST)
}
