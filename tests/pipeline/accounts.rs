//! Accounts from their owners' view: mails, changes, and erasure.

use std::time::Duration;

use anyhow::{Context, Result};
use contracts::{JobStatus, NoticeState, ProblemCode};
use mongodb::bson::doc;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use system_tests::long_video;
use test_kit::gridfs::Store;
use test_kit::inbox::Inbox;
use test_kit::media::Sample;
use test_kit::mixdown::{Form, PATIENCE, Plan, User, assert_problem, mixdown};
use test_kit::services::Service;
use test_kit::{shared, unique_name, wait_until};

async fn registered() -> Result<User> {
    let mut user = mixdown().user().await?;
    user.email = format!("{}@example.org", unique_name("eve"));
    let body = json!({ "email": user.email, "password": user.password });
    let answer = user.anonymous(Method::POST, "/register").json(&body).send().await?;
    assert_eq!((answer.status(), answer.json::<Value>().await?), (StatusCode::CREATED, json!({})));
    user.token = user.log_in().await?.error_for_status()?.text().await?;
    Ok(user)
}

#[tokio::test]
async fn an_upload_needs_an_address_that_was_confirmed_and_the_mail_says_how() -> Result<()> {
    let user = registered().await?;
    let file = || Form::default().file("a.mp4", b"any");
    assert_problem("unconfirmed", user.post(file()).await?, ProblemCode::AddressNotVerified).await?;
    assert_eq!(user.jobs().await?, [], "everything else works");
    let mail = Inbox::shared().wait_for_mail(&user.email, PATIENCE).await;
    let token = mail.token().context("no token")?;
    let link = format!("{}/verify#token={token}", mixdown().system().public_url());
    assert!(mail.text.contains(&link) && mail.html.contains(&link), "{}", mail.text);
    assert!(mail.text.contains(&format!("curl -X POST {}/verify", mixdown().system().public_url())));
    user.verify(token).await?;
    // With the token from before the confirmation.
    assert_eq!(user.post(file()).await?.status(), StatusCode::ACCEPTED);
    Ok(())
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_mail() -> Result<()> {
    let mut user = mixdown().user().await?;
    let forgot = json!({ "email": user.email });
    let answer = user.anonymous(Method::POST, "/password/forgot").json(&forgot).send().await?;
    assert_eq!((answer.status(), answer.json::<Value>().await?), (StatusCode::ACCEPTED, json!({})));
    let inbox = Inbox::shared();
    let mail = inbox.wait_for_mail(&user.email, PATIENCE).await;
    assert!(mail.text.contains("/reset#token="), "{}", mail.text);
    user.password = unique_name("another secret");
    let reset = json!({ "token": mail.token().context("no token")?, "password": user.password });
    let answer = user.anonymous(Method::POST, "/password/reset").json(&reset).send().await?;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_problem("the old session", user.get("/jobs").await?, ProblemCode::InvalidToken).await?;
    assert_eq!(user.log_in().await?.status(), StatusCode::OK);
    let mails = inbox.wait_for_mails(&user.email, 2, PATIENCE).await;
    assert!(mails.iter().any(|mail| mail.subject == "Your password was changed"));
    let answer = user.anonymous(Method::POST, "/password/reset").json(&reset).send().await?;
    assert_problem("the token again", answer, ProblemCode::BadOrExpiredToken).await
}

#[tokio::test]
async fn mails_about_jobs_come_as_they_are_wanted() -> Result<()> {
    let mut user = mixdown().user().await?;
    let wanted = json!({ "mails": { "submitted": true, "finished": false } });
    let answer = user.request(Method::PATCH, "/me").json(&wanted).send().await?;
    assert_eq!(answer.status(), StatusCode::OK);
    user.token = user.log_in().await?.error_for_status()?.text().await?;
    let job = user.upload(&Sample::Mp4.file(Duration::from_secs(2)).await).await?;
    user.wait_for(job.id, "it is converted", |job| job.status == JobStatus::Converted).await;
    // Mails come in order: the mail about a failed job proves that the unwanted mail was not sent.
    let failed = user.submit(Form::default().file("b.mp4", b"no video")).await?;
    user.wait_for(failed.id, "its mail is sent", |job| {
        job.notices.iter().any(|notice| notice.state == NoticeState::Sent)
    })
    .await;
    let mails = Inbox::shared().wait_for_mails(&user.email, 3, PATIENCE).await;
    let mut subjects: Vec<&str> = mails.iter().filter_map(|mail| mail.subject.split(':').next()).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["Accepted", "Accepted", "Could not be converted"]);
    assert_eq!(user.job(job.id).await?.notices, []);
    Ok(())
}

/// The place of a text in any document of the databases, if there is one.
pub(crate) async fn is_in_mongodb(prefix: &str, text: &str) -> Result<Option<String>> {
    use futures_util::TryStreamExt as _;

    let client = mongodb::Client::with_uri_str(&shared().mongodb_url).await?;
    for name in client.list_database_names().await? {
        let Some(short) = name.strip_prefix(prefix) else { continue };
        let database = client.database(&name);
        for collection in database.list_collection_names().await? {
            let mut documents =
                database.collection::<mongodb::bson::Document>(&collection).find(doc! {}).await?;
            while let Some(document) = documents.try_next().await? {
                if format!("{document:?}").contains(text) {
                    return Ok(Some(format!("{short}.{collection}: {document:?}")));
                }
            }
        }
    }
    Ok(None)
}

#[tokio::test]
async fn mails_follow_an_account_to_its_new_address() -> Result<()> {
    let mut mixdown = Plan::new().start().await?;
    let user = mixdown.user().await?;
    mixdown.service(Service::Converter)?.kill_hard().await;
    let sample = Sample::Mp4.file(Duration::from_secs(2)).await;
    user.upload(&sample).await?;

    let address = format!("{}@example.org", unique_name("moved"));
    let body = json!({ "email": address, "password": user.password });
    let asked = user.request(Method::POST, "/me/email").json(&body).send().await?;
    assert_eq!(asked.status(), StatusCode::ACCEPTED);
    let inbox = Inbox::shared();
    let mail = inbox.wait_for_mail(&address, PATIENCE).await;
    user.verify(mail.token().context("no token")?).await?;
    wait_until("the job has followed", PATIENCE, async || {
        let found = is_in_mongodb(mixdown.prefix(), &user.email).await?;
        anyhow::ensure!(found.is_none(), "there is {found:?}");
        Ok(())
    })
    .await;
    // With a token that has the old address.
    user.upload(&sample).await?;
    mixdown.service(Service::Converter)?.restart().await?;
    let mails = inbox.wait_for_mails(&address, 3, PATIENCE).await;
    assert_eq!(mails.iter().filter(|mail| mail.subject.starts_with("Your MP3")).count(), 2, "{mails:?}");
    let old = inbox.mails_to(&user.email).await?;
    assert!(old.iter().all(|mail| !mail.subject.starts_with("Your MP3")), "{old:?}");
    Ok(())
}

#[tokio::test]
async fn nothing_of_an_erased_account_is_left() -> Result<()> {
    let mixdown = Plan::new().start().await?;
    let user = mixdown.user().await?;
    let other = mixdown.user().await?;
    let grid_fs = mixdown.grid_fs().await?;
    let sample = Sample::Mp4.file(Duration::from_secs(2)).await;
    let kept = other.upload(&sample).await?;
    other.wait_for_outcome(kept.id).await;
    let done = user.upload(&sample).await?;
    let done = user.wait_for_outcome(done.id).await;
    let running = user.upload(&long_video().await?).await?;
    let me: Value = user.get("/me").await?.json().await?;
    let id = me["id"].as_str().context("no id")?;
    assert!(is_in_mongodb(mixdown.prefix(), id).await?.is_some(), "the test would see it");

    let erase =
        |password: &str| user.request(Method::DELETE, "/me").json(&json!({ "password": password })).send();
    assert_problem("a wrong password", erase("wrong password").await?, ProblemCode::WrongPassword).await?;
    assert_eq!(erase(&user.password).await?.status(), StatusCode::ACCEPTED);
    assert_problem("the token", user.get("/jobs").await?, ProblemCode::InvalidToken).await?;
    assert_eq!(user.log_in().await?.status(), StatusCode::UNAUTHORIZED);
    wait_until("nothing is left", PATIENCE, async || {
        for text in [id, &user.email, &done.id.to_string(), &running.id.to_string()] {
            if let Some(found) = is_in_mongodb(mixdown.prefix(), text).await? {
                anyhow::bail!("there is {found}");
            }
        }
        for (store, fid) in [
            (Store::Videos, done.source.fid.to_string()),
            (Store::Videos, running.source.fid.to_string()),
            (Store::Mp3s, done.audio.as_ref().context("no MP3")?.fid.to_string()),
        ] {
            anyhow::ensure!(!grid_fs.has_any_of(store, &fid).await?, "there is {fid}");
        }
        Ok(())
    })
    .await;
    other.download(&other.job(kept.id).await?).await?;
    // The address can be registered again once the account is gone.
    let body = json!({ "email": user.email, "password": user.password });
    wait_until("the account is gone", PATIENCE, async || {
        user.anonymous(Method::POST, "/register").json(&body).send().await?.error_for_status()?;
        user.log_in().await?.error_for_status().context("it is not there yet")
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn an_erasure_that_a_crash_interrupts_is_finished() -> Result<()> {
    let mut mixdown = Plan::new().start().await?;
    let user = mixdown.user().await?;
    let job = user.upload(&Sample::Mp4.file(Duration::from_secs(2)).await).await?;
    user.wait_for_outcome(job.id).await;
    // Auth has begun the erasure, and no gateway runs to continue it.
    mixdown.service(Service::Gateway)?.kill_hard().await;
    let auth = format!("http://127.0.0.1:{}/me", mixdown.system().ports.auth);
    let body = json!({ "password": user.password });
    let begun = reqwest::Client::new().delete(auth).bearer_auth(&user.token).json(&body).send().await?;
    assert_eq!(begun.status(), StatusCode::ACCEPTED);
    mixdown.service(Service::Gateway)?.restart().await?;
    wait_until("nothing is left", PATIENCE, async || {
        let found = is_in_mongodb(mixdown.prefix(), &job.id.to_string()).await?;
        anyhow::ensure!(found.is_none(), "there is {found:?}");
        Ok(())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn administrators_see_accounts_and_close_them() -> Result<()> {
    let mixdown = Plan::new().only(&[Service::Auth, Service::Gateway]).start().await?;
    let (mut root, user) = (mixdown.user().await?, mixdown.user().await?);
    assert_problem("a user", root.get("/admin/users").await?, ProblemCode::AdminOnly).await?;
    mixdown.promote(&mut root).await?;
    let page: Value = root.get(&format!("/admin/users?q={}", user.email)).await?.json().await?;
    let id = page["users"][0]["id"].as_str().context("no id")?;
    let close = json!({ "is_disabled": true });
    let path = format!("/admin/users/{id}");
    let refused = user.request(Method::PATCH, &path).json(&close).send().await?;
    assert_problem("a user's change", refused, ProblemCode::AdminOnly).await?;
    assert_eq!(root.request(Method::PATCH, &path).json(&close).send().await?.status(), StatusCode::OK);
    assert_problem("the closed account's token", user.get("/jobs").await?, ProblemCode::InvalidToken).await?;
    assert_problem("its login", user.log_in().await?, ProblemCode::AccountDisabled).await
}
