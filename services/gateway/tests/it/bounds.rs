//! What one client can make the services hold: metrics, answers that are not read, uploads that stop.

use anyhow::{Context, Result, ensure};
use contracts::ProblemCode;
use futures_util::future::try_join_all;
use reqwest::Method;
use std::collections::BTreeSet;
use test_kit::mixdown::{Form, Mixdown, PATIENCE, Plan, User, assert_problem};
use test_kit::services::Service;
use test_kit::wait_until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const EDGE: [Service; 2] = [Service::Auth, Service::Gateway];

/// The labelled metrics of every service, without their values.
async fn series(mixdown: &Mixdown) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for service in Service::ALL {
        let url = format!("http://127.0.0.1:{}/metrics", mixdown.system().ports.admin(service));
        let text = reqwest::get(url).await?.error_for_status()?.text().await?;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let names = lines.filter_map(|line| line.rsplit_once(' '));
        all.extend(names.map(|(name, _)| format!("{} {name}", service.name())));
    }
    Ok(all)
}

/// Sends requests that all differ in everything that a client can choose.
async fn talk_nonsense(mixdown: &Mixdown, user: &User, round: usize) -> Result<()> {
    let ports = mixdown.system().ports;
    let jobs = [ports.gateway, ports.auth, ports.gateway_admin, ports.converter_admin].map(async |port| {
        for number in 0..100 {
            let word = format!("X{round}N{number}");
            for (method, path) in [
                (word.as_str(), "/jobs".to_owned()),
                (&word, "/jobs/{id}/events".replace("{id}", &word)),
                ("GET", format!("/{word}")),
                ("GET", format!("/docs/{word}")),
                ("GET", format!("/d/{word}?inline={word}")),
                ("POST", format!("/oidc/{word}/start")),
                ("GET", format!("/download?fid={word}")),
            ] {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
                let request = format!(
                    "{method} {path} HTTP/1.1\r\nhost: {word}\r\nuser-agent: {word}\r\norigin: {word}\r\n\
                     authorization: Bearer {}\r\ncontent-type: {word}\r\nconnection: close\r\n\r\n",
                    if number % 2 == 0 { &user.token } else { &word }
                );
                stream.write_all(request.as_bytes()).await?;
                let mut answer = Vec::new();
                timeout(PATIENCE, stream.read_to_end(&mut answer)).await??;
                ensure!(answer.starts_with(b"HTTP/1.1 "), "{method} {path} of {port} got no answer");
            }
        }
        Ok(())
    });
    try_join_all(jobs).await.map(drop)
}

#[tokio::test]
async fn metrics_do_not_grow_with_nonsense_requests() -> Result<()> {
    let mixdown = Plan::new().start().await?;
    let user = mixdown.user().await?;
    talk_nonsense(&mixdown, &user, 0).await?;
    let known = series(&mixdown).await?;
    talk_nonsense(&mixdown, &user, 1).await?;
    let grown = series(&mixdown).await?;
    let new: Vec<_> = grown.difference(&known).collect();
    // An event without a request, such as a first message, may add a series.
    let of_requests = |series: &&&String| series.contains("mixdown_http_");
    assert_eq!(new.iter().filter(of_requests).count(), 0, "{new:?}");
    ensure!(grown.len() < 2000, "there are {} series", grown.len());
    let odd: Vec<_> =
        grown.iter().filter(|series| series.contains("X0N") || series.contains("X1N")).collect();
    assert!(odd.is_empty(), "{odd:?}");
    Ok(())
}

async fn begin(mixdown: &Mixdown, head: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", mixdown.system().ports.gateway)).await?;
    stream.write_all(head.as_bytes()).await?;
    Ok(stream)
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_given_up() -> Result<()> {
    let plan = Plan::new().with("DOWNLOAD_IDLE_TIMEOUT", "500ms").only(&EDGE);
    let mixdown = plan.start().await?;
    // Answers of every kind come through the same connection. This one is long enough if it is requested
    // often.
    let request = "GET /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n".repeat(2000);
    let (mut reader, mut writer) = begin(&mixdown, "").await?.into_split();
    let ended = async {
        // Nothing is read. In the end the gateway can neither write nor read, and the connection is reset.
        while writer.write_all(request.as_bytes()).await.is_ok() {}
    };
    timeout(PATIENCE, ended).await.context("it is never given up")?;
    let mut rest = Vec::new();
    let _ = reader.read_to_end(&mut rest).await;
    Ok(())
}

#[tokio::test]
async fn uploads_beyond_a_users_limit_wait() -> Result<()> {
    let mixdown = Plan::new()
        .with("UPLOADS_AT_ONCE", "2")
        .with("UPLOAD_IDLE_TIMEOUT", "3s")
        .only(&EDGE)
        .start()
        .await?;
    let (user, other) = tokio::try_join!(mixdown.user(), mixdown.user())?;
    let opening = Form::default().into_opening("a.mp4");
    let head = format!(
        "POST /upload HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ncontent-type: {}\r\ncontent-length: 100000\r\n\r\n{}",
        user.token,
        Form::content_type(),
        String::from_utf8_lossy(&opening)
    );
    let first_two = try_join_all((0..2).map(async |_| begin(&mixdown, &head).await)).await?;
    // Repeated: until the gateway has accepted both, a third could be served before them.
    let third = wait_until("a third upload waits", PATIENCE, async || {
        let (user, list_reader) = (user.clone(), &user);
        let third = tokio::spawn(async move { user.post(Form::default().file("b.mp4", b"any")).await });
        // Meanwhile other users are served, and so are the user's other requests.
        for _ in 0..5 {
            let theirs = other.post(Form::default().file("c.mp4", b"any")).await?;
            ensure!(theirs.status() == 202, "another's was answered with {}", theirs.status());
            ensure!(list_reader.get("/jobs").await?.status() == 200, "the list was refused");
        }
        ensure!(!third.is_finished(), "it did not wait");
        Ok(third)
    })
    .await;
    drop(first_two);
    assert_eq!(third.await??.status(), 202);
    Ok(())
}

#[tokio::test]
async fn resumable_uploads_count_with_the_others() -> Result<()> {
    let mixdown = Plan::new().with("UPLOADS_AT_ONCE", "1").only(&EDGE).start().await?;
    let user = mixdown.user().await?;
    let head = format!(
        "POST /uploads HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\ntus-resumable: 1.0.0\r\nupload-length: 1000\r\n\
         content-type: application/offset+octet-stream\r\ncontent-length: 1000\r\n\r\na",
        user.token
    );
    let _held = begin(&mixdown, &head).await?;
    let refused = wait_until("a second is refused", PATIENCE, async || {
        let answer = user.post(Form::default().file("b.mp4", b"any")).await?;
        ensure!(answer.status() == 429, "it was answered with {}", answer.status());
        Ok(answer)
    })
    .await;
    assert_problem("the second", refused, ProblemCode::TooManyRequests).await?;
    // A creation without bytes takes no place.
    let begun = user.tus(Method::POST, "/uploads").header("upload-length", 5);
    assert_eq!(begun.send().await?.status(), 201);
    Ok(())
}
