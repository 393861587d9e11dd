//! RabbitMQ's disk alarm, raised for real: the broker stops reading from publishers.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::Job;
use reqwest::{Method, StatusCode};
use system_tests::promise::{PATIENCE, assert_kept};
use test_kit::inbox::Inbox;
use test_kit::media::Sample;
use test_kit::mixdown::{Form, Plan};
use test_kit::servers::{RabbitMq, Running, Server as _};
use test_kit::services::Service;
use test_kit::{unique_name, wait_until};

use crate::mongodb::{metric, problem_code};

#[tokio::test]
async fn a_broker_without_room_loses_nothing_and_uploads_are_refused_until_it_has_some() -> Result<()> {
    let rabbitmq = Running::<RabbitMq>::start().await?;
    let mut mixdown = Plan::new().on_rabbitmq(&rabbitmq.url()).start().await?;
    let user = mixdown.user().await?;
    let video = Sample::Mp4.bytes(Duration::from_secs(2)).await;
    let first = user.submit(Form::default().file("first.mp4", &video)).await?;
    let first = user.wait_for_outcome(first.id).await;
    let mut accepted = vec![first.id];

    rabbitmq.set_disk_free_limit("900000GB").await?;
    // RabbitMQ announces the alarm only when something is published. Uploads until then are accepted, and
    // announced later.
    let refused = wait_until("uploads are refused", PATIENCE, async || {
        let answer = user.post(Form::default().file("a.mp4", &video)).await?;
        if answer.status() == StatusCode::ACCEPTED {
            accepted.push(answer.json::<Job>().await?.id);
            anyhow::bail!("one more was accepted");
        }
        Ok(answer)
    })
    .await;
    assert!(accepted.len() < 4, "{} were accepted", accepted.len());
    assert_eq!(refused.status(), StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(refused.headers()["retry-after"], "60");
    assert_eq!(problem_code(refused).await?, "insufficient_storage");
    let admin = mixdown.service(Service::Gateway)?.admin_url();
    wait_until("the metric tells", PATIENCE, async || {
        let blocked = metric(&admin, "mixdown_broker_blocked").await?;
        ensure!(blocked == Some(1.0), "it is {blocked:?}");
        Ok(())
    })
    .await;
    // Everything else continues.
    assert!(!user.download(&first).await?.is_empty());
    let email = format!("{}@example.org", unique_name("bob"));
    let body = serde_json::json!({ "email": email, "password": unique_name("secret") });
    let registered = user.anonymous(Method::POST, "/register").json(&body).send().await?;
    assert_eq!(registered.status(), StatusCode::CREATED);

    rabbitmq.set_disk_free_limit("50MB").await?;
    let late = wait_until("uploads are taken", PATIENCE, async || {
        let answer = user.post(Form::default().file("late.mp4", &video)).await?;
        ensure!(answer.status() == StatusCode::ACCEPTED, "it was answered with {}", answer.status());
        answer.json::<Job>().await.context("the answer is no job")
    })
    .await;
    accepted.push(late.id);
    assert_kept(&mixdown, &user, &accepted).await?;
    Inbox::shared().wait_for_mail(&email, PATIENCE).await;
    Ok(())
}
