//! MongoDB's disk without space.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::{Job, JobId, JobStatus};
use futures_util::stream;
use reqwest::{Body, Method, Response, StatusCode};
use system_tests::promise::{PATIENCE, assert_kept, load};
use test_kit::gridfs::Store;
use test_kit::media::Sample;
use test_kit::mixdown::{Form, Plan, User};
use test_kit::seeded::Random;
use test_kit::servers::{MongoDb, Running, Server as _};
use test_kit::services::Service;
use test_kit::wait_until;
use tokio::sync::mpsc;

use crate::disk::{MIB, SmallDisk};
use crate::scratch::wait_for_log;

/// An eighth of it, 256 MiB, is the reserve. MongoDB creates and removes journal files of 100 MiB each at any
/// time. One more file must not change what fits.
const DISK: u64 = 2048 * MIB;
/// Free space at which uploads are refused and conversions continue.
const FOR_CONVERSIONS: u64 = 240 * MIB;
/// Free space at which nothing new is stored.
const FOR_NOTHING: u64 = 110 * MIB;

/// The value of a service's metric, whatever its labels.
pub(crate) async fn metric(admin_url: &str, name: &str) -> Result<Option<f64>> {
    let text = reqwest::get(format!("{admin_url}/metrics")).await?.text().await?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    Ok(line.and_then(|line| line.rsplit(' ').next()?.parse().ok()))
}

pub(crate) async fn problem_code(answer: Response) -> Result<String> {
    let problem: serde_json::Value = answer.json().await?;
    Ok(problem["code"].as_str().context("a problem without a code")?.to_owned())
}

async fn append(user: &User, draft: &str, offset: usize, bytes: &[u8]) -> Result<Response> {
    let request = user
        .tus(Method::PATCH, draft)
        .header("content-type", "application/offset+octet-stream")
        .header("upload-offset", offset);
    Ok(request.body(bytes.to_vec()).send().await?)
}

async fn begin(user: &User, bytes: usize) -> Result<Response> {
    Ok(user.tus(Method::POST, "/uploads").header("upload-length", bytes).send().await?)
}

async fn is_refused(user: &User, video: &[u8]) -> Result<()> {
    let answer = user.post(Form::default().file("refused.mp4", video)).await?;
    ensure!(answer.status() == StatusCode::INSUFFICIENT_STORAGE, "it was answered with {}", answer.status());
    ensure!(answer.headers()["retry-after"] == "60", "no word about when to come again");
    ensure!(problem_code(answer).await? == "insufficient_storage");
    Ok(())
}

async fn upload(user: &User, name: &str, video: &[u8]) -> Result<JobId> {
    let answer = user.post(Form::default().file(name, video)).await?;
    ensure!(answer.status() == StatusCode::ACCEPTED, "it was answered with {}", answer.status());
    Ok(answer.json::<Job>().await.context("the answer is no job")?.id)
}

#[tokio::test]
async fn uploads_are_refused_before_mongodbs_disk_is_full_and_taken_when_it_has_room() -> Result<()> {
    let disk = SmallDisk::of(DISK)?;
    let mongodb = Running::<MongoDb>::start_at(disk.path()).await?;
    let mut mixdown = Plan::new().on_mongodb(&mongodb.url()).start().await?;
    let (user, other) = (mixdown.user().await?, mixdown.user().await?);
    let video = Sample::Mp4.bytes(Duration::from_secs(2)).await;
    let first = upload(&user, "first.mp4", &video).await?;
    let first = user.wait_for_outcome(first).await;
    let unwanted = upload(&other, "unwanted.mp4", &video).await?;
    other.wait_for_outcome(unwanted).await;
    let begun = begin(&user, video.len()).await?;
    let draft = begun.headers()["location"].to_str()?.to_owned();
    let half = video.len() / 2;
    assert_eq!(append(&user, &draft, 0, &video[..half]).await?.status(), StatusCode::NO_CONTENT);

    wait_until("uploads are refused", PATIENCE, async || {
        disk.fill(FOR_CONVERSIONS)?;
        is_refused(&user, &video).await
    })
    .await;
    assert_eq!(begin(&user, video.len()).await?.status(), StatusCode::INSUFFICIENT_STORAGE);
    let refused = append(&user, &draft, half, &video[half..]).await?;
    assert_eq!(problem_code(refused).await?, "insufficient_storage");
    let standing = user.tus(Method::HEAD, &draft).send().await?;
    assert_eq!(standing.headers()["upload-offset"], half.to_string().as_str());
    let admin = mixdown.service(Service::Gateway)?.admin_url();
    assert_eq!(metric(&admin, "mixdown_storage_usable_bytes{store=\"mongodb\"}").await?, Some(0.0));
    assert!(metric(&admin, "mixdown_storage_free_bytes{store=\"mongodb\"}").await?.is_some());
    // Operations that need no space continue, and so do those that free some.
    assert!(!user.download(&first).await?.is_empty());
    assert!(other.delete(&format!("/jobs/{unwanted}")).await?.status().is_success());
    assert!(mongodb.is_running());

    disk.clear()?;
    let second =
        wait_until("uploads are taken", PATIENCE, async || upload(&user, "second.mp4", &video).await).await;
    let whole = append(&user, &draft, half, &video[half..]).await?;
    let third = whole.headers().get("job-location").context("the upload became no job")?.to_str()?;
    let third: JobId = third.trim_start_matches("/jobs/").parse()?;
    let jobs = assert_kept(&mixdown, &user, &[first.id, second, third]).await?;
    assert!(jobs.iter().all(|job| job.status == JobStatus::Converted), "{jobs:?}");
    Ok(())
}

#[tokio::test]
async fn an_upload_under_way_ends_before_mongodbs_disk_does() -> Result<()> {
    let disk = SmallDisk::of(DISK)?;
    let mongodb = Running::<MongoDb>::start_at(disk.path()).await?;
    let plan = Plan::new().on_mongodb(&mongodb.url()).only(&[Service::Auth, Service::Gateway]);
    let mixdown = plan.start().await?;
    let user = mixdown.user().await?;
    let (pieces, mut received) = mpsc::channel::<Vec<u8>>(1);
    let opening = Form::default().into_opening("long.mp4");
    let body = stream::poll_fn(move |context| {
        received.poll_recv(context).map(|piece| piece.map(Ok::<_, std::io::Error>))
    });
    let request = user.request(Method::POST, "/upload").header("content-type", Form::content_type());
    let answer = tokio::spawn(request.body(Body::wrap_stream(body)).send());
    pieces.send(opening).await?;
    pieces.send(vec![7; 64 << 10]).await?;
    let grid_fs = mixdown.grid_fs().await?;
    wait_until("it has begun", PATIENCE, async || {
        let contents = grid_fs.contents(Store::Videos).await?;
        ensure!(contents.pending == 1, "{contents:?}");
        Ok(())
    })
    .await;
    // Into the reserve, but not through it.
    wait_until("uploads are refused", PATIENCE, async || {
        disk.fill(FOR_CONVERSIONS)?;
        let answer = begin(&user, 5).await?;
        ensure!(
            answer.status() == StatusCode::INSUFFICIENT_STORAGE,
            "it was answered with {}",
            answer.status()
        );
        Ok(())
    })
    .await;
    for _ in 0..16 {
        pieces.send(vec![7; 64 << 10]).await?;
    }
    assert!(!answer.is_finished(), "it was refused for a disk that had room for it");

    wait_until("the upload is refused", PATIENCE, async || {
        disk.fill(FOR_NOTHING)?;
        // The gateway stops reading after it has answered.
        let _ = pieces.try_send(vec![7; 1 << 10]);
        ensure!(answer.is_finished(), "it goes on");
        Ok(())
    })
    .await;
    let answer = answer.await??;
    assert_eq!(answer.status(), StatusCode::INSUFFICIENT_STORAGE);
    assert!(mongodb.is_running());
    grid_fs.wait_until_empty(Store::Videos).await;
    Ok(())
}

#[tokio::test]
async fn conversions_wait_for_mongodbs_disk_and_spend_no_attempt() -> Result<()> {
    let disk = SmallDisk::of(DISK)?;
    let mongodb = Running::<MongoDb>::start_at(disk.path()).await?;
    let mut mixdown = Plan::new().on_mongodb(&mongodb.url()).start().await?;
    let user = mixdown.user().await?;
    let video = Sample::Mp4.bytes(Duration::from_secs(2)).await;
    mixdown.service(Service::Converter)?.stop().await;
    let early = upload(&user, "early.mp4", &video).await?;
    // Accepted uploads are converted in the space that uploads must leave free.
    wait_until("uploads are refused", PATIENCE, async || {
        disk.fill(FOR_CONVERSIONS)?;
        is_refused(&user, &video).await
    })
    .await;
    mixdown.service(Service::Converter)?.restart().await?;
    user.wait_for_outcome(early).await;

    disk.clear()?;
    mixdown.service(Service::Converter)?.stop().await;
    let late =
        wait_until("uploads are taken", PATIENCE, async || upload(&user, "late.mp4", &video).await).await;
    disk.fill(FOR_NOTHING)?;
    mixdown.service(Service::Converter)?.restart().await?;
    wait_for_log(&mixdown, "a job waits until there is room", 10).await;
    let waiting = user.job(late).await?;
    assert_eq!((waiting.status, waiting.attempts), (JobStatus::Queued, 0));

    disk.clear()?;
    let jobs = assert_kept(&mixdown, &user, &[early, late]).await?;
    assert!(jobs.iter().all(|job| (job.status, job.attempts) == (JobStatus::Converted, 1)), "{jobs:?}");
    assert!(mongodb.is_running());
    Ok(())
}

#[tokio::test]
async fn a_mongodb_that_dies_of_a_full_disk_loses_no_accepted_upload() -> Result<()> {
    let disk = SmallDisk::of(DISK)?;
    let mut mongodb = Running::<MongoDb>::start_at(disk.path()).await?;
    // As if another program filled it at once.
    let plan =
        Plan::new().on_mongodb(&mongodb.url()).with("MONGODB_RESERVE_BYTES", "0").with("ORPHAN_AGE", "3s");
    let mixdown = plan.start().await?;
    let user = mixdown.user().await?;
    let mut accepted = load(&user, 3).await?;
    disk.fill(0)?;
    let junk = Random(1).bytes(8 << 20);
    wait_until("MongoDB has ended itself", PATIENCE, async || {
        let answer = user.post(Form::default().file("junk.mp4", &junk)).await?;
        match answer.status() {
            StatusCode::ACCEPTED => accepted.push(answer.json::<Job>().await?.id),
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::INSUFFICIENT_STORAGE => {}
            other => panic!("an upload was answered with {other}"),
        }
        ensure!(!mongodb.is_running(), "it runs");
        Ok(())
    })
    .await;

    disk.clear()?;
    mongodb.restart().await?;
    accepted.extend(load(&user, 1).await?);
    assert_kept(&mixdown, &user, &accepted).await?;
    Ok(())
}
