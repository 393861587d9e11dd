//! What logs must not contain, and what they must.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use test_kit::inbox::Inbox;
use test_kit::media::Sample;
use test_kit::mixdown::{Form, Mixdown, PATIENCE, Plan};
use test_kit::services::Service;

fn assert_no_log_holds(mixdown: &Mixdown, secrets: &[&str]) -> Result<()> {
    for service in Service::ALL {
        let log = mixdown.log(service)?;
        assert!(!log.is_empty(), "{} logs nothing at all", service.name());
        for secret in secrets {
            let found = log.lines().find(|line| line.contains(secret));
            assert_eq!(found, None, "{} logs {secret:?}", service.name());
        }
    }
    Ok(())
}

#[tokio::test]
async fn no_log_holds_a_secret_or_who_sent_what() -> Result<()> {
    // More than an operator would ever enable, from all of our own code.
    let levels =
        "info,gateway=trace,auth=trace,converter=trace,notification=trace,service_kit=trace,tower_http=trace";
    let mixdown = Plan::new().with("RUST_LOG", levels).start().await?;
    let user = mixdown.user().await?;
    let mut stranger = user.clone();
    stranger.password = "wrong-but-nearly-right".to_owned();
    assert_eq!(stranger.log_in().await?.status(), 401);
    let video = std::fs::read(Sample::Mp4.file(Duration::from_secs(2)).await)?;
    for (name, content) in [("my-secret-holiday.mp4", &video[..]), ("my-secret-diary.mp4", b"Dear diary")] {
        let job = user.submit(Form::default().file(name, content)).await?;
        user.wait_for_outcome(job.id).await;
    }
    let mails = Inbox::shared().wait_for_mails(&user.email, 2, PATIENCE).await;
    let public_url = mixdown.system().public_url();
    let link = mails.iter().find_map(|mail| mail.link(&public_url)).context("one mail has a link")?;
    let path = link.replace(&public_url, "");
    assert_eq!(user.anonymous(Method::GET, &path).send().await?.status(), 200);
    assert_eq!(user.anonymous(Method::GET, &format!("{path}x")).send().await?.status(), 404);

    let login = json!({ "email": user.email, "password": user.password });
    let tokens: Value = user.anonymous(Method::POST, "/login").json(&login).send().await?.json().await?;
    let refresh = json!({ "refresh_token": tokens["refresh_token"] });
    assert_eq!(user.anonymous(Method::POST, "/token/refresh").json(&refresh).send().await?.status(), 200);
    let key = json!({ "name": "my-secret-key-name", "scopes": ["read"] });
    let key: Value = user.request(Method::POST, "/keys").json(&key).send().await?.json().await?;
    let key = key["key"].as_str().context("no key")?;
    assert_eq!(user.anonymous(Method::GET, "/jobs").bearer_auth(key).send().await?.status(), 200);
    let forgot = json!({ "email": user.email });
    assert_eq!(user.anonymous(Method::POST, "/password/forgot").json(&forgot).send().await?.status(), 202);
    let mails = Inbox::shared().wait_for_mails(&user.email, 3, PATIENCE).await;
    let mailed = mails.iter().find_map(test_kit::inbox::Mail::token).context("no mail has a token")?;
    let reset = json!({ "token": mailed, "password": "yet-another-secret" });
    assert_eq!(user.anonymous(Method::POST, "/password/reset").json(&reset).send().await?.status(), 204);
    let refresh = tokens["refresh_token"].as_str().context("no refresh token")?;

    let secret = path.trim_start_matches("/d/");
    let (local_part, _) = user.email.split_once('@').context("not an address")?;
    let (_, signature) = user.token.rsplit_once('.').context("not a token")?;
    let secrets = [
        secret,
        local_part,
        signature,
        &user.password,
        &stranger.password,
        "my-secret",
        "Dear diary",
        refresh,
        key,
        mailed,
        "yet-another-secret",
    ];
    assert_no_log_holds(&mixdown, &secrets)
}

#[tokio::test]
async fn security_events_are_logged_whatever_the_log_filter_says() -> Result<()> {
    let plan = Plan::new().with("RUST_LOG", "off").only(&[Service::Auth, Service::Gateway]);
    let mixdown = plan.start().await?;
    let mut user = mixdown.user().await?;
    user.password = "wrong-but-nearly-right".to_owned();
    assert_eq!(user.log_in().await?.status(), 401);
    let gateway = mixdown.log(Service::Gateway)?;
    assert!(gateway.contains("account_request"), "{gateway}");
    let auth = mixdown.log(Service::Auth)?;
    for event in ["registered", "signed_in", "sign_in_failed"] {
        assert!(auth.contains(&format!("audit=\"{event}\"")), "{event}: {auth}");
    }
    assert!(auth.lines().all(|line| line.contains("audit=")), "the filter holds for the rest: {auth}");
    Ok(())
}
