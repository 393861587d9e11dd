//! `GET /jobs/{id}/events` and `GET /jobs/events`.

use anyhow::{Context, Result};
use contracts::{Job, JobId, JobStatus, ProblemCode};
use reqwest::{Method, Response};
use serde_json::Value;
use std::time::Duration;
use system_tests::long_video;
use test_kit::media::Sample;
use test_kit::mixdown::{Form, PATIENCE, Plan, User, assert_problem, mixdown};
use test_kit::services::Service;
use tokio::time::timeout;

/// The jobs in a stream of events. The last event may be cut off.
fn jobs_in(stream: &[u8]) -> Result<Vec<Job>> {
    let text = String::from_utf8_lossy(stream);
    let whole = text.rfind("\n\n").map_or("", |end| &text[..end]);
    let events = whole.split("\n\n").filter(|event| event.lines().any(|line| line == "event: job"));
    events
        .map(|event| {
            let data = event.lines().find_map(|line| line.strip_prefix("data: ")).context("no data")?;
            serde_json::from_str(data).context("an event is no job")
        })
        .collect()
}

#[tokio::test]
async fn a_watcher_sees_the_whole_job_at_once_then_each_change_until_the_end() -> Result<()> {
    let user = mixdown().user().await?;
    let job = user.upload(&long_video().await?).await?;
    let path = format!("/jobs/{}/events", job.id);
    let mut answer = user.get(&path).await?.error_for_status()?;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");

    let mut stream = Vec::new();
    let first = timeout(Duration::from_secs(10), answer.chunk()).await.context("nothing came at first")??;
    stream.extend(first.context("the stream ended at once")?);
    assert_eq!(jobs_in(&stream)?.first().map(|job| job.id), Some(job.id));

    let rest = async {
        while let Some(piece) = answer.chunk().await? {
            stream.extend(piece);
        }
        Ok::<_, reqwest::Error>(())
    };
    timeout(PATIENCE, rest).await.context("the stream did not end with the job")??;
    let seen = jobs_in(&stream)?;
    assert!(seen.len() >= 3, "only {} versions of the job", seen.len());
    assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "a version came twice");
    assert!(seen.is_sorted_by_key(|job| job.updated_at));
    assert!(seen.iter().any(|job| (0.01..0.99).contains(&job.progress.ratio)), "no progress was shown");
    let last = seen.last().context("there was none")?;
    assert_eq!(last.status, JobStatus::Converted);

    // A job that has ended has one event.
    let text = timeout(Duration::from_secs(10), user.get(&path).await?.bytes()).await??;
    assert_eq!(jobs_in(&text)?.len(), 1);
    Ok(())
}

/// The events of a stream, one after another.
struct Events {
    answer: Response,
    text: String,
}

impl Events {
    async fn next(&mut self) -> Result<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                let found = field("event: ").zip(field("data: "));
                let rest = rest.to_owned();
                let found = found.map(|(name, data)| Ok((name.to_owned(), serde_json::from_str(data)?)));
                self.text = rest;
                match found {
                    Some(found) => return found,
                    // A comment keeps the connection alive.
                    None => continue,
                }
            }
            let piece = timeout(PATIENCE, self.answer.chunk()).await.context("no event comes")??;
            self.text.push_str(std::str::from_utf8(&piece.context("the stream has ended")?)?);
        }
    }

    /// The next event that does not report an interrupted stream.
    async fn next_news(&mut self) -> Result<(String, Value)> {
        loop {
            let event = self.next().await?;
            if event.0 != "ready" {
                return Ok(event);
            }
        }
    }
}

#[tokio::test]
async fn one_stream_reports_all_jobs_of_its_user_and_no_others() -> Result<()> {
    let (ada, eve) = tokio::try_join!(mixdown().user(), mixdown().user())?;
    let answer = ada.get("/jobs/events").await?.error_for_status()?;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut events = Events { answer, text: String::new() };
    assert_eq!(events.next().await?.0, "ready");

    let video = Sample::Mp4.file(Duration::from_secs(2)).await;
    let foreign = eve.upload(&video).await?.id;
    let own: [JobId; 2] = [ada.upload(&video).await?.id, ada.upload(&video).await?.id];
    eve.wait_for_outcome(foreign).await;
    let mut converted = Vec::new();
    while converted.len() < own.len() {
        let (name, data) = events.next_news().await?;
        assert_eq!(name, "job");
        let job: Job = serde_json::from_value(data)?;
        assert!(own.contains(&job.id), "another's job was told of");
        if job.status == JobStatus::Converted && !converted.contains(&job.id) {
            converted.push(job.id);
        }
    }
    eve.delete(&format!("/jobs/{foreign}")).await?.error_for_status()?;
    ada.delete(&format!("/jobs/{}", own[0])).await?.error_for_status()?;
    let removed = loop {
        let (name, data) = events.next_news().await?;
        if name == "removed" {
            break data;
        }
    };
    assert_eq!(removed, serde_json::json!({ "id": own[0] }));
    Ok(())
}

#[tokio::test]
async fn one_user_cannot_hold_every_connection_with_streams() -> Result<()> {
    let (ada, eve) = tokio::try_join!(mixdown().user(), mixdown().user())?;
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(ada.get("/jobs/events").await?.error_for_status()?);
    }
    assert_problem("one more", ada.get("/jobs/events").await?, ProblemCode::TooManyRequests).await?;
    eve.get("/jobs/events").await?.error_for_status()?;
    drop(open);
    test_kit::wait_until("the streams are closed", PATIENCE, async || {
        ada.get("/jobs/events").await.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    Ok(())
}

/// Opens two streams of each kind.
async fn streams(user: &User, job: JobId, token: &str) -> Result<Vec<Response>> {
    let mut open = Vec::new();
    for path in ["/jobs/events".to_owned(), format!("/jobs/{job}/events")] {
        let request = user.anonymous(Method::GET, &path).bearer_auth(token);
        open.push(request.send().await?.error_for_status()?);
    }
    Ok(open)
}

/// Checks that the gateway ends each stream before the client's timeout.
async fn end(streams: Vec<Response>) -> Result<()> {
    for mut stream in streams {
        let rest = async {
            while stream.chunk().await?.is_some() {}
            Ok::<_, anyhow::Error>(())
        };
        timeout(PATIENCE, rest).await.context("a stream goes on")?.context("a stream goes on")?;
    }
    Ok(())
}

#[tokio::test]
async fn streams_of_one_job_are_bounded_with_the_others() -> Result<()> {
    let mixdown = Plan::new().only(&[Service::Auth, Service::Gateway]).start().await?;
    let (ada, eve) = tokio::try_join!(mixdown.user(), mixdown.user())?;
    let path = format!("/jobs/{}/events", unfinished(&ada).await?);
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(ada.get(&path).await?.error_for_status()?);
    }
    assert_problem("one more", ada.get(&path).await?, ProblemCode::TooManyRequests).await?;
    assert_problem("of all jobs", ada.get("/jobs/events").await?, ProblemCode::TooManyRequests).await?;
    eve.get("/jobs/events").await?.error_for_status()?;
    assert_eq!(ada.get("/jobs").await?.status(), 200);
    Ok(())
}

/// A job that stays unfinished, because there is no converter.
async fn unfinished(user: &User) -> Result<JobId> {
    Ok(user.submit(Form::default().file("a.mp4", b"any")).await?.id)
}

#[tokio::test]
async fn streams_end_with_the_session_or_the_key_that_opened_them() -> Result<()> {
    let plan = Plan::new().only(&[Service::Auth, Service::Gateway]);
    let mixdown = plan.start().await?;
    let user = mixdown.user().await?;
    let job = unfinished(&user).await?;
    let kept = streams(&user, job, &user.token).await?;

    let second = user.log_in().await?.error_for_status()?.text().await?;
    let of_second = streams(&user, job, &second).await?;
    let ended = user.anonymous(Method::GET, "/sessions").bearer_auth(&second).send().await?;
    let sessions: Value = ended.error_for_status()?.json().await?;
    let list = sessions["sessions"].as_array().context("there are sessions")?;
    let current = list.iter().find(|session| session["is_current"] == true).context("one is current")?;
    let id = current["id"].as_str().context("it has an id")?;
    user.delete(&format!("/sessions/{id}")).await?.error_for_status()?;
    end(of_second).await?;

    let wish = serde_json::json!({ "name": "script", "scopes": ["read"] });
    let made = user.request(Method::POST, "/keys").json(&wish).send().await?.error_for_status()?;
    let made: Value = made.json().await?;
    let of_key = streams(&user, job, made["key"].as_str().context("there is a key")?).await?;
    let id = made["id"].as_str().context("it has an id")?;
    user.delete(&format!("/keys/{id}")).await?.error_for_status()?;
    end(of_key).await?;

    // The first session's streams continue until this session ends too.
    let mut events = Events { answer: kept.into_iter().next().context("there is one")?, text: String::new() };
    assert_eq!(events.next().await?.0, "ready");
    let other = unfinished(&user).await?;
    // The first job may be reported again when it is announced again.
    while events.next_news().await?.1["id"] != serde_json::json!(other) {}
    user.delete("/sessions").await?.error_for_status()?;
    end(vec![events.answer]).await
}

#[tokio::test]
async fn streams_end_with_their_token() -> Result<()> {
    let plan = Plan::new().with("ACCESS_TOKEN_LIFETIME", "20s").only(&[Service::Auth, Service::Gateway]);
    let mixdown = plan.start().await?;
    let user = mixdown.user().await?;
    let job = unfinished(&user).await?;
    end(streams(&user, job, &user.token).await?).await
}

#[tokio::test]
async fn the_list_is_searched_by_name_and_status() -> Result<()> {
    let user = mixdown().user().await?;
    let job = user.upload(&Sample::Text.file(Duration::from_secs(2)).await).await?;
    user.wait_for_outcome(job.id).await;
    let found = async |query: &str| {
        let page: Value = user.get(&format!("/jobs?{query}")).await?.error_for_status()?.json().await?;
        Ok::<_, anyhow::Error>(page["jobs"].as_array().map_or(0, Vec::len))
    };
    let name = job.source.name.to_uppercase();
    assert_eq!(found(&format!("q={name}")).await?, 1);
    assert_eq!(found(&format!("q={name}&status=failed")).await?, 1);
    assert_eq!(found("status=converted").await?, 0);
    assert_eq!(found("q=.*").await?, 0);
    assert_problem("no status", user.get("/jobs?status=lost").await?, ProblemCode::BadRequest).await?;
    let long = format!("/jobs?q={}", "x".repeat(251));
    assert_problem("a long text", user.get(&long).await?, ProblemCode::BadRequest).await
}
