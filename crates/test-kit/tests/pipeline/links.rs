//! The links in the mails: each opens one file, for a while.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::ProblemCode;
use reqwest::Method;
use test_kit::inbox::Inbox;
use test_kit::media::Sample;
use test_kit::mixdown::{Mixdown, Plan, User};
use test_kit::wait_until;

use crate::stage::{PATIENCE, assert_problem, mixdown};

/// The path of the link that a person was sent for a converted video.
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
