//! Refused requests and their codes. Afterwards the service works, and nothing of the request is left.

use std::time::Duration;

use anyhow::{Context, Result};
use contracts::ProblemCode;
use futures_util::stream;
use reqwest::{Method, Response};
use test_kit::gridfs::Store;
use test_kit::media::Sample;
use test_kit::mixdown::{Form, PATIENCE, Plan, User, assert_problem, mixdown};

const MAX_UPLOAD_BYTES: usize = 1 << 20;

async fn post(user: &User, content_type: &str, body: impl Into<reqwest::Body>) -> Result<Response> {
    let request = user.request(Method::POST, "/upload").header("content-type", content_type).body(body);
    request.send().await.context("the upload got no answer")
}

#[tokio::test]
async fn a_bad_upload_is_refused_with_its_code_and_leaves_nothing() -> Result<()> {
    // Orphans live long, so that only the refusal itself can clean up.
    let mixdown = Plan::new().with("ORPHAN_AGE", "1h").start().await?;
    let user = mixdown.user().await?;
    let video = Sample::Mp4.bytes(Duration::from_secs(2)).await;
    let file = || Form::default().file("a.mp4", &video);
    let refused = [
        ("no file", Form::default().field("quality", "V2"), ProblemCode::NoFile),
        ("an empty form", Form::default(), ProblemCode::NoFile),
        ("two files", file().file("b.mp4", &video), ProblemCode::SeveralFiles),
        ("an empty file", Form::default().file("a.mp4", b""), ProblemCode::EmptyFile),
        ("an unknown option after the file", file().field("speed", "2"), ProblemCode::UnknownOption),
        ("an unknown option before it", Form::default().field("speed", "2"), ProblemCode::UnknownOption),
        ("a quality out of range", file().field("quality", "V10"), ProblemCode::BadOption),
        ("a bit rate that MP3 lacks", file().field("bitrate", "100"), ProblemCode::BadOption),
        ("a bit rate that is a command", file().field("bitrate", "128k; rm -rf /"), ProblemCode::BadOption),
        ("two options", file().field("quality", "V2").field("bitrate", "128"), ProblemCode::BadOption),
        (
            "another format's option",
            file().field("format", "flac").field("bitrate", "128"),
            ProblemCode::BadOption,
        ),
        ("an end before the start", file().field("start", "9").field("end", "1"), ProblemCode::BadOption),
        ("a title of two lines", file().field("title", "a\nb"), ProblemCode::BadOption),
        ("a picture from elsewhere", file().field("cover", "/etc/passwd"), ProblemCode::BadOption),
        ("an option of 2 kB", file().field("quality", &"9".repeat(2048)), ProblemCode::BadOption),
    ];
    for (what, form, code) in refused {
        assert_problem(what, user.post(form).await?, code).await?;
    }

    let mut broken = file().into_body();
    broken.truncate(broken.len() / 2);
    let answer = post(&user, &Form::content_type(), broken).await?;
    assert_problem("a form that ends early", answer, ProblemCode::IncompleteUpload).await?;
    for kind in ["application/json", "video/mp4", "multipart/form-data", "text/plain; boundary=x"] {
        let answer = post(&user, kind, video.clone()).await?;
        assert_problem(kind, answer, ProblemCode::UnsupportedMediaType).await?;
    }

    mixdown.grid_fs().await?.wait_until_empty(Store::Videos).await;
    assert_eq!(user.jobs().await?, [], "a refused upload became a job");
    let job = user.submit(file()).await?;
    user.wait_for_outcome(job.id).await;
    Ok(())
}

#[tokio::test]
async fn an_upload_over_the_limit_is_refused_by_its_length_or_as_soon_as_it_passes_it() -> Result<()> {
    let limit = MAX_UPLOAD_BYTES.to_string();
    let plan = Plan::new().with("MAX_UPLOAD_BYTES", &limit).with("ORPHAN_AGE", "1h");
    let mixdown = plan.start().await?;
    let user = mixdown.user().await?;

    let announced = Form::default().file("a.mp4", &vec![7; 8 * MAX_UPLOAD_BYTES]).into_body();
    let answer = post(&user, &Form::content_type(), announced).await?;
    assert_problem("announced by its length", answer, ProblemCode::TooLarge).await?;

    // The body is short enough by its length, but the file in it is over the limit.
    let barely = Form::default().file("a.mp4", &vec![7; MAX_UPLOAD_BYTES + 1]).into_body();
    let answer = post(&user, &Form::content_type(), barely).await?;
    assert_problem("over by a byte", answer, ProblemCode::TooLarge).await?;

    let opening = std::iter::once(Form::default().into_opening("a.mp4"));
    let pieces = opening.chain(std::iter::repeat_n(vec![7; 64 << 10], 512)).map(Ok::<_, std::io::Error>);
    let endless = reqwest::Body::wrap_stream(stream::iter(pieces));
    let answer = post(&user, &Form::content_type(), endless).await?;
    assert_problem("a stream of unknown length", answer, ProblemCode::TooLarge).await?;

    mixdown.grid_fs().await?.wait_until_empty(Store::Videos).await;
    let largest = user.submit(Form::default().file("a.mp4", &vec![7; MAX_UPLOAD_BYTES])).await?;
    assert_eq!(largest.source.bytes, MAX_UPLOAD_BYTES as u64);
    Ok(())
}

#[tokio::test]
async fn a_client_that_is_still_sending_hears_the_refusal_and_can_go_on() -> Result<()> {
    let user = mixdown().user().await?;
    let body = Form::default().file("a.mp4", &vec![7; 8 << 20]).into_body();
    for _ in 0..10 {
        let upload = user.anonymous(Method::POST, "/upload").header("content-type", Form::content_type());
        let refused = upload.body(body.clone()).send().await?;
        // Without this header, the client would send its next request on a connection that is about to close.
        assert_eq!(refused.headers()["connection"], "close");
        assert_problem("an upload without a token", refused, ProblemCode::NoToken).await?;
        assert_eq!(user.jobs().await?, []);
    }
    Ok(())
}

#[tokio::test]
async fn malformed_identifiers_are_answered_like_unknown_ones() -> Result<()> {
    let user = mixdown().user().await?;
    for id in ["1", "x", "..", "0190a3c4-0000-7000-8000-00000000000g", "%00", "665f1c2ab8e4a70012345678"] {
        for (method, path) in [
            (Method::GET, format!("/jobs/{id}")),
            (Method::DELETE, format!("/jobs/{id}")),
            (Method::GET, format!("/jobs/{id}/events")),
            (Method::GET, format!("/download?fid={id}")),
            (Method::GET, format!("/d/{id}")),
        ] {
            // Clients resolve `..` to the parent folder before they send the request.
            if id != ".." || path.contains('?') {
                let what = format!("{method} {path}");
                let answer = user.request(method, &path).send().await?;
                assert_problem(&what, answer, ProblemCode::NotFound).await?;
            }
        }
    }
    assert_problem("no fid", user.get("/download").await?, ProblemCode::BadRequest).await?;
    assert_problem("a bad cursor", user.get("/jobs?cursor=x").await?, ProblemCode::BadCursor).await?;
    assert_problem("a bad limit", user.get("/jobs?limit=x").await?, ProblemCode::BadRequest).await?;
    assert_problem("no such route", user.get("/nothing").await?, ProblemCode::NotFound).await
}

#[tokio::test]
async fn methods_types_and_ranges_out_of_place_are_problems_too() -> Result<()> {
    let user = mixdown().user().await?;
    for (method, path) in [
        (Method::GET, "/upload"),
        (Method::PUT, "/jobs"),
        (Method::POST, "/download"),
        (Method::GET, "/login"),
    ] {
        let answer = user.request(method, path).send().await?;
        assert!(answer.headers().contains_key("allow"), "{path} does not say what it takes");
        assert_problem(path, answer, ProblemCode::MethodNotAllowed).await?;
    }
    for path in ["/register", "/login"] {
        let answer = user.anonymous(Method::POST, path).body("email=a").send().await?;
        assert_problem(path, answer, ProblemCode::UnsupportedMediaType).await?;
        let json = user.anonymous(Method::POST, path).header("content-type", "application/json");
        assert_problem(path, json.body("{").send().await?, ProblemCode::BadRequest).await?;
    }
    let wrong = user.anonymous(Method::POST, "/login").basic_auth(&user.email, Some("not the password"));
    assert_problem("a wrong password", wrong.send().await?, ProblemCode::WrongCredentials).await?;

    let job = user.upload(&Sample::Mp4.file(Duration::from_secs(2)).await).await?;
    let job = user.wait_for_outcome(job.id).await;
    let audio = job.audio.as_ref().context("it has an MP3")?;
    let path = format!("/download?fid={}", audio.fid);
    let beyond = user.request(Method::GET, &path).header("range", format!("bytes={}-", audio.bytes));
    let beyond = beyond.send().await?;
    assert_eq!(beyond.headers()["content-range"], format!("bytes */{}", audio.bytes));
    assert_problem("a range beyond the end", beyond, ProblemCode::RangeNotSatisfiable).await?;

    let whole = user.download(&job).await?;
    let part = user.request(Method::GET, &path).header("range", "bytes=100-199").send().await?;
    assert_eq!(part.status(), 206);
    assert_eq!(part.bytes().await?, whole[100..200]);
    tokio::time::timeout(PATIENCE, user.jobs()).await??;
    Ok(())
}
