//! What no log may hold.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Method;
use test_kit::inbox::Inbox;
use test_kit::media::Sample;
use test_kit::mixdown::{Form, Plan};
use test_kit::services::Service;

use crate::stage::PATIENCE;

#[tokio::test]
async fn no_log_holds_a_secret_or_who_sent_what() -> Result<()> {
    // More than an operator would ever turn on, and all of it from our own code.
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

    let secret = path.trim_start_matches("/d/");
    let (local_part, _) = user.email.split_once('@').context("not an address")?;
    let (_, signature) = user.token.rsplit_once('.').context("not a token")?;
    let secrets =
        [secret, local_part, signature, &user.password, &stranger.password, "my-secret", "Dear diary"];
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
