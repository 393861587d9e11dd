//! Jobs whose converter or servers go down.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use contracts::{ConversionOptions, JobStatus, Queue};
use converter::engine::MpegAudio;
use test_kit::media::Sample;
use test_kit::servers::{MongoDb, Running, Server as _};
use test_kit::services::{RunningService, Service, ServicePorts, System};
use test_kit::{shared, wait_until};

use crate::SOON;
use crate::bench::has_process_in;
use crate::world::{World, long_video};

const FOUR_SECONDS: Duration = Duration::from_secs(4);

#[tokio::test]
async fn a_drained_converter_finishes_what_it_has_begun() {
    let world = World::new().await;
    let converter = world.converter().await;
    let (id, _) = world.submit(&Sample::Mkv.bytes(Duration::from_mins(2)).await).await;
    wait_until("it is begun", SOON, async || world.job(id).await.status == JobStatus::Converting).await;
    converter.shutdown.drain().cancel();
    let (next, _) = world.submit(&Sample::Mp4.bytes(FOUR_SECONDS).await).await;
    converter.ended().await;
    assert_eq!(world.job(id).await.status, JobStatus::Converted);
    assert_eq!(world.is_announced(id).await.job_id, id);
    // Jobs that arrive after the drain wait for another converter.
    assert_eq!(world.job(next).await.status, JobStatus::Queued);
    assert_eq!(world.broker.depth(Queue::Video).await.unwrap(), 1);
}

#[tokio::test]
async fn an_aborted_converter_hands_its_job_back_and_no_attempt_is_lost() {
    let world = World::new().await;
    let converter = world.converter().await;
    let (id, _) = world.submit(&long_video()).await;
    world.is_half_done(id).await;
    converter.shutdown.drain().cancel();
    let aborted = Instant::now();
    converter.shutdown.abort().cancel();
    converter.ended().await;
    assert!(aborted.elapsed() < Duration::from_secs(10), "{:?}", aborted.elapsed());

    let job = world.job(id).await;
    assert_eq!((job.status, job.attempts), (JobStatus::Queued, 0));
    assert!(!has_process_in(&world.scratch_dir()));
    assert!(std::fs::read_dir(world.scratch_dir()).unwrap().all(|entry| !entry.unwrap().path().is_dir()));
    let waiting = async || world.broker.depth(Queue::Video).await.unwrap() == 1;
    wait_until("the message waits for another converter", SOON, waiting).await;
}

#[tokio::test]
async fn a_killed_converter_takes_ffmpeg_along_and_another_finishes_the_job() {
    let mut world = World::new().await;
    let servers = shared();
    let system = System {
        home: world.home(),
        database_url: String::new(),
        mongodb_url: servers.mongodb_url.clone(),
        rabbitmq_url: servers.rabbitmq_url.clone(),
        smtp_url: String::new(),
        ports: ServicePorts::free().unwrap(),
        variables: BTreeMap::from(
            [
                ("MONGODB_DATABASE_PREFIX", world.config.mongodb.database_prefix.as_str()),
                ("RABBITMQ_QUEUE_PREFIX", &world.config.rabbitmq.queue_prefix),
                ("RETRY_DELAYS", "200ms,400ms,1s"),
                ("LEASE", "3s"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        ),
    };
    world.config.scratch_dir = world.home().join("scratch");
    system.write_secrets().unwrap();
    let mut killed = RunningService::start(&system, Service::Converter).await.unwrap();
    let (id, _) = world.submit(&Sample::Mp4.bytes(Duration::from_mins(5)).await).await;
    world.is_half_done(id).await;
    assert!(has_process_in(&world.scratch_dir()));
    killed.kill_hard().await;
    wait_until("FFmpeg is gone", SOON, async || !has_process_in(&world.scratch_dir())).await;
    assert_eq!(world.job(id).await.status, JobStatus::Converting);

    let _converter = world.converter().await;
    let job = world.becomes(id, JobStatus::Converted).await;
    assert_eq!((job.attempts, world.mp3_count().await), (2, 1));
    world.is_announced(id).await;
    let left = std::fs::read_dir(world.scratch_dir()).unwrap();
    assert_eq!(
        left.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count(),
        1,
        "the killed one's files"
    );
}

#[tokio::test]
async fn a_job_survives_a_restart_of_mongodb() {
    let mut mongodb = Running::<MongoDb>::start().await.unwrap();
    let world = World::on(&mongodb.url(), &shared().rabbitmq_url).await;
    let _converter = world.converter().await;
    let (id, _) = world.submit(&Sample::Mp4.bytes(Duration::from_mins(5)).await).await;
    world.is_half_done(id).await;
    mongodb.kill_hard().await;
    mongodb.restart().await.unwrap();
    let job = world.becomes(id, JobStatus::Converted).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), world.mp3(job.audio.unwrap().fid).await).unwrap();
    assert!((MpegAudio::measure(file.path()).unwrap().duration_seconds() - 300.0).abs() < 0.1);
    world.is_announced(id).await;
    assert_eq!(world.mp3_count().await, 1);
}

#[tokio::test]
async fn a_converter_that_is_started_before_its_servers_waits_for_them() {
    let mut mongodb = Running::<MongoDb>::start().await.unwrap();
    let world = World::on(&mongodb.url(), &shared().rabbitmq_url).await;
    let (id, _) = world.accept(&Sample::Mp4.bytes(FOUR_SECONDS).await, ConversionOptions::default()).await;
    world.request(id).await;
    mongodb.stop().await;

    let converter = world.converter().await;
    let readyz = format!("{}/readyz", converter.admin_url);
    let answer = async || {
        let answer = reqwest::get(&readyz).await.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        let text = answer.text().await.map_err(|error| error.to_string())?;
        Ok::<_, String>((status, text))
    };
    let (status, text) = wait_until("the admin port answers", SOON, answer).await;
    assert!(status == 503 && text.contains("ffmpeg: ok"), "{status} {text}");

    mongodb.restart().await.unwrap();
    world.becomes(id, JobStatus::Converted).await;
    wait_until("it is ready", SOON, async || answer().await.is_ok_and(|(status, _)| status == 200)).await;
}
