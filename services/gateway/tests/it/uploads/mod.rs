//! tus at `/uploads`, with a hand-written client.

mod broken_connections;
mod file_names;
mod stock_client;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contracts::{AudioFormat, Job, JobId, JobStatus, ProblemCode};
use reqwest::{Body, Method, RequestBuilder, Response};
use sha2::{Digest as _, Sha256};
use test_kit::gridfs::{Contents, Store};
use test_kit::media::Sample;
use test_kit::mixdown::{Mixdown, PATIENCE, Plan, User, assert_problem, mixdown};
use test_kit::services::Service;
use test_kit::wait_until;

const BYTES: &str = "application/offset+octet-stream";

/// `Upload-Metadata` with these pairs.
fn metadata(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().map(|(key, value)| format!("{key} {}", STANDARD.encode(value)));
    pairs.collect::<Vec<_>>().join(",")
}

fn creation(user: &User, bytes: u64) -> RequestBuilder {
    user.tus(Method::POST, "/uploads").header("upload-length", bytes)
}

/// Creates an upload, and returns its path.
async fn begin(user: &User, bytes: u64) -> Result<String> {
    let answer =
        creation(user, bytes).header("upload-metadata", metadata(&[("filename", "a.mp4")])).send().await?;
    ensure!(answer.status() == 201, "the creation was answered with {}", answer.status());
    Ok(answer.headers()["location"].to_str()?.to_owned())
}

fn patch(user: &User, path: &str, offset: u64, body: impl Into<Body>) -> RequestBuilder {
    let request = user.tus(Method::PATCH, path).header("content-type", BYTES);
    request.header("upload-offset", offset).body(body)
}

async fn head(user: &User, path: &str) -> Result<Response> {
    user.tus(Method::HEAD, path).send().await.context("HEAD got no answer")
}

fn offset_in(answer: &Response) -> Result<u64> {
    let offset = answer.headers().get("upload-offset").context("there is no offset")?;
    Ok(offset.to_str()?.parse()?)
}

async fn offset_of(user: &User, path: &str) -> Result<u64> {
    let answer = head(user, path).await?;
    ensure!(answer.status() == 200, "HEAD was answered with {}", answer.status());
    offset_in(&answer)
}

/// The job that a finished upload says it became.
fn job_in(answer: &Response) -> Result<JobId> {
    let location = answer.headers().get("job-location").context("there is no job")?.to_str()?;
    Ok(location.strip_prefix("/jobs/").context("it is no job's address")?.parse()?)
}

/// The SHA-256 of what is stored as a job's video, read by the driver.
async fn stored_hash(mixdown: &Mixdown, job: &Job) -> Result<Vec<u8>> {
    let mut hash = Sha256::new();
    let fid = job.source.fid.to_string();
    mixdown.grid_fs().await?.read(Store::Videos, &fid, |piece| hash.update(piece)).await?;
    Ok(hash.finalize().to_vec())
}

/// Without a converter, which would delete the videos that it has converted.
async fn only_gateway() -> Result<Mixdown> {
    Plan::new().only(&[Service::Auth, Service::Gateway]).start().await
}

#[tokio::test]
async fn an_upload_in_parts_becomes_one_job_with_its_name_and_options() -> Result<()> {
    let user = mixdown().user().await?;
    let capabilities = user.anonymous(Method::OPTIONS, "/uploads").send().await?;
    assert_eq!(capabilities.status(), 204);
    assert_eq!(capabilities.headers()["tus-version"], "1.0.0");
    let extensions = &capabilities.headers()["tus-extension"];
    assert_eq!(extensions, "creation,creation-with-upload,termination,expiration,checksum");
    assert_eq!(capabilities.headers()["tus-checksum-algorithm"], "sha1,sha256");
    assert_eq!(capabilities.headers()["tus-max-size"], (2_u64 << 30).to_string());

    let video = Sample::Mp4.bytes(Duration::from_secs(2)).await;
    let given =
        metadata(&[("filename", "Übung.mp4"), ("filetype", "video/mp4"), ("format", "flac"), ("title", "T")]);
    let created = creation(&user, video.len() as u64).header("upload-metadata", &given).send().await?;
    assert_eq!(created.status(), 201);
    assert_eq!(created.headers()["tus-resumable"], "1.0.0");
    assert!(created.headers()["upload-expires"].to_str()?.ends_with(" GMT"));
    assert_eq!(offset_in(&created)?, 0);
    let path = created.headers()["location"].to_str()?.to_owned();

    let half = video.len() / 2;
    let first = patch(&user, &path, 0, video[..half].to_vec()).send().await?;
    assert_eq!((first.status().as_u16(), offset_in(&first)?), (204, half as u64));
    assert!(!first.headers().contains_key("job-location"));
    let looked = head(&user, &path).await?;
    assert_eq!((looked.status().as_u16(), offset_in(&looked)?), (200, half as u64));
    assert_eq!(looked.headers()["upload-length"], video.len().to_string());
    assert_eq!(looked.headers()["upload-metadata"], given);
    assert_eq!(looked.headers()["cache-control"], "no-store");
    assert_eq!(user.jobs().await?, [], "half an upload is a job");

    let last = patch(&user, &path, half as u64, video[half..].to_vec()).send().await?;
    assert_eq!((last.status().as_u16(), offset_in(&last)?), (204, video.len() as u64));
    let id = job_in(&last)?;
    assert_eq!(job_in(&head(&user, &path).await?)?, id);
    let repeated = patch(&user, &path, video.len() as u64, "").send().await?;
    assert_eq!((repeated.status().as_u16(), job_in(&repeated)?), (204, id));
    let again = patch(&user, &path, half as u64, video[half..].to_vec()).send().await?;
    assert_problem("a part once more", again, ProblemCode::WrongOffset).await?;

    let job = user.wait_for_outcome(id).await;
    assert_eq!(job.status, JobStatus::Converted);
    assert_eq!((job.source.name.as_str(), job.source.bytes), ("Übung.mp4", video.len() as u64));
    assert_eq!(job.audio.as_ref().map(|audio| audio.format), Some(AudioFormat::Flac));
    assert_eq!(user.jobs().await?.len(), 1);

    // The job stays when the upload is forgotten.
    assert_eq!(user.tus(Method::DELETE, &path).send().await?.status(), 204);
    assert_eq!(head(&user, &path).await?.status(), 404);
    assert_eq!(user.job(id).await?.status, JobStatus::Converted);
    Ok(())
}

#[tokio::test]
async fn a_creation_can_bring_the_bytes_with_it() -> Result<()> {
    let mixdown = only_gateway().await?;
    let user = mixdown.user().await?;
    let video = Sample::Mp4.bytes(Duration::from_secs(2)).await;
    let whole =
        creation(&user, video.len() as u64).header("content-type", BYTES).body(video.clone()).send().await?;
    assert_eq!((whole.status().as_u16(), offset_in(&whole)?), (201, video.len() as u64));
    assert!(whole.headers().contains_key("location"));
    let job = user.job(job_in(&whole)?).await?;
    assert_eq!(job.source.name, "video");

    let part = creation(&user, video.len() as u64).header("content-type", BYTES).body(video[..1000].to_vec());
    let part = part.send().await?;
    assert_eq!((part.status().as_u16(), offset_in(&part)?), (201, 1000));
    let path = part.headers()["location"].to_str()?.to_owned();
    // As through a network that blocks PATCH.
    let rest = user.tus(Method::POST, &path).header("x-http-method-override", "PATCH");
    let rest = rest.header("content-type", BYTES).header("upload-offset", 1000).body(video[1000..].to_vec());
    let rest = rest.send().await?;
    assert_eq!(rest.status(), 204);
    let job = user.job(job_in(&rest)?).await?;
    assert_eq!(stored_hash(&mixdown, &job).await?, Sha256::digest(&video).to_vec());
    Ok(())
}

#[tokio::test]
async fn a_creation_that_is_refused_makes_nothing() -> Result<()> {
    const LIMIT: u64 = 1 << 20;
    let plan =
        Plan::new().with("MAX_UPLOAD_BYTES", &LIMIT.to_string()).only(&[Service::Auth, Service::Gateway]);
    let mixdown = plan.start().await?;
    let user = mixdown.user().await?;
    let with = |pairs| creation(&user, 9).header("upload-metadata", metadata(pairs));
    for (what, request, code) in [
        ("no length", user.tus(Method::POST, "/uploads"), ProblemCode::BadRequest),
        (
            "a length that is none",
            user.tus(Method::POST, "/uploads").header("upload-length", "+1"),
            ProblemCode::BadRequest,
        ),
        ("an empty file", creation(&user, 0), ProblemCode::EmptyFile),
        ("over the limit", creation(&user, LIMIT + 1), ProblemCode::TooLarge),
        ("no such quality", with(&[("quality", "V10")]), ProblemCode::BadOption),
        ("two options", with(&[("quality", "V2"), ("bitrate", "128")]), ProblemCode::BadOption),
        ("no Base64", creation(&user, 9).header("upload-metadata", "filename ?"), ProblemCode::BadRequest),
        (
            "another type",
            creation(&user, 9).header("content-type", "video/mp4").body("x"),
            ProblemCode::UnsupportedMediaType,
        ),
        (
            "more than announced",
            creation(&user, 9).header("content-type", BYTES).body("0123456789"),
            ProblemCode::TooLarge,
        ),
        (
            "no version",
            user.request(Method::POST, "/uploads").header("upload-length", 9),
            ProblemCode::UnsupportedTusVersion,
        ),
        (
            "another version",
            user.request(Method::POST, "/uploads").header("tus-resumable", "0.2.2"),
            ProblemCode::UnsupportedTusVersion,
        ),
        (
            "no token",
            user.anonymous(Method::POST, "/uploads").header("tus-resumable", "1.0.0"),
            ProblemCode::NoToken,
        ),
    ] {
        let answer = request.send().await?;
        assert_eq!(answer.headers()["tus-resumable"], "1.0.0", "{what}");
        assert_problem(what, answer, code).await?;
    }

    assert_eq!(mixdown.grid_fs().await?.contents(Store::Videos).await?, Contents::whole(0));
    Ok(())
}

#[tokio::test]
async fn a_part_that_is_refused_changes_nothing() -> Result<()> {
    let mixdown = only_gateway().await?;
    let (user, eve) = tokio::try_join!(mixdown.user(), mixdown.user())?;
    let path = begin(&user, 9).await?;
    assert_eq!(patch(&user, &path, 0, "abc").send().await?.status(), 204);
    let sum = |name, value: &[u8]| format!("{name} {}", STANDARD.encode(value));
    let wrong = sum("sha256", &Sha256::digest(b"xyz"));
    for (what, request, code) in [
        ("a lower offset", patch(&user, &path, 0, "abc"), ProblemCode::WrongOffset),
        ("a higher offset", patch(&user, &path, 4, "abc"), ProblemCode::WrongOffset),
        ("an offset beyond the end", patch(&user, &path, 10, "abc"), ProblemCode::WrongOffset),
        (
            "no offset",
            user.tus(Method::PATCH, &path).header("content-type", BYTES).body("abc"),
            ProblemCode::BadRequest,
        ),
        (
            "another type",
            user.tus(Method::PATCH, &path).header("upload-offset", 3).body("abc"),
            ProblemCode::UnsupportedMediaType,
        ),
        ("beyond the end", patch(&user, &path, 3, "0123456"), ProblemCode::TooLarge),
        (
            "a wrong sum",
            patch(&user, &path, 3, "abc").header("upload-checksum", &wrong),
            ProblemCode::ChecksumMismatch,
        ),
        (
            "no such sum",
            patch(&user, &path, 3, "abc").header("upload-checksum", "crc32 AAAAAA=="),
            ProblemCode::BadRequest,
        ),
        (
            "no version",
            user.request(Method::PATCH, &path).header("upload-offset", 3),
            ProblemCode::UnsupportedTusVersion,
        ),
        ("another's", patch(&eve, &path, 3, "abc"), ProblemCode::NotFound),
        ("another's to delete", eve.tus(Method::DELETE, &path), ProblemCode::NotFound),
        ("nobody's", patch(&user, "/uploads/665f1c2ab8e4a70012345678", 0, "abc"), ProblemCode::NotFound),
        ("no id", patch(&user, "/uploads/x", 0, "abc"), ProblemCode::NotFound),
        ("no override", user.tus(Method::POST, &path), ProblemCode::MethodNotAllowed),
    ] {
        assert_problem(what, request.send().await?, code).await?;
        assert_eq!(offset_of(&user, &path).await?, 3, "{what}");
    }
    assert_eq!(head(&eve, &path).await?.status(), 404);

    let right =
        patch(&user, &path, 3, "def").header("upload-checksum", sum("sha256", &Sha256::digest(b"def")));
    assert_eq!(right.send().await?.status(), 204);
    let sha1 = "sha1 SBdD1jK4DTm8J3HRm+PKMAWz+K8=";
    let last = patch(&user, &path, 6, "ghi").header("upload-checksum", sha1).send().await?;
    assert_eq!(last.status(), 204, "{}", last.text().await?);
    let job = user.job(job_in(&last)?).await?;
    assert_eq!(stored_hash(&mixdown, &job).await?, Sha256::digest(b"abcdefghi").to_vec());
    assert_eq!(user.jobs().await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_nothing() -> Result<()> {
    let plan = Plan::new().with("ORPHAN_AGE", "1h").only(&[Service::Auth, Service::Gateway]);
    let mixdown = plan.start().await?;
    let user = mixdown.user().await?;
    let path = begin(&user, 3 << 20).await?;
    assert_eq!(patch(&user, &path, 0, vec![7; 2 << 20]).send().await?.status(), 204);
    assert_eq!(user.tus(Method::DELETE, &path).send().await?.status(), 204);
    let gone = patch(&user, &path, 2 << 20, vec![7; 1 << 20]).send().await?;
    assert_problem("the rest", gone, ProblemCode::NotFound).await?;
    let twice = user.tus(Method::DELETE, &path).send().await?;
    assert_problem("once more", twice, ProblemCode::NotFound).await?;
    mixdown.grid_fs().await?.wait_until_empty(Store::Videos).await;
    Ok(())
}

#[tokio::test]
async fn an_abandoned_upload_expires_and_leaves_nothing() -> Result<()> {
    let plan =
        Plan::new().with("UPLOAD_EXPIRY", "2s").with("SWEEP_INTERVAL", "300ms").with("ORPHAN_AGE", "1h");
    let mixdown = plan.only(&[Service::Auth, Service::Gateway]).start().await?;
    let user = mixdown.user().await?;
    let path = begin(&user, 3 << 20).await?;
    assert_eq!(patch(&user, &path, 0, vec![7; 2 << 20]).send().await?.status(), 204);
    wait_until("it is gone", PATIENCE, async || {
        let status = head(&user, &path).await?.status();
        ensure!(status == 404, "it is {status}");
        Ok(())
    })
    .await;
    mixdown.grid_fs().await?.wait_until_empty(Store::Videos).await;
    Ok(())
}

#[tokio::test]
async fn several_uploads_at_once_do_not_mix() -> Result<()> {
    let mixdown = only_gateway().await?;
    let user = mixdown.user().await?;
    let one = async |number: u8| {
        let content = vec![number; 5_000_000 + usize::from(number)];
        let path = begin(&user, content.len() as u64).await?;
        let mut last = None;
        for (place, piece) in content.chunks(1_300_000).enumerate() {
            let answer = patch(&user, &path, (place * 1_300_000) as u64, piece.to_vec()).send().await?;
            ensure!(answer.status() == 204, "a part was answered with {}", answer.status());
            last = Some(answer);
        }
        let job = user.job(job_in(&last.context("there was no part")?)?).await?;
        assert_eq!(stored_hash(&mixdown, &job).await?, Sha256::digest(&content).to_vec(), "upload {number}");
        Ok::<_, anyhow::Error>(job.id)
    };
    let jobs = futures_util::future::try_join_all((1..=6).map(one)).await?;
    assert_eq!(user.jobs().await?.len(), jobs.len());
    Ok(())
}
