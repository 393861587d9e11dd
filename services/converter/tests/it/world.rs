//! A converter on real servers, with its own databases and queues.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker::{Broker, BrokerConfig, RetryLadder, Subscription, Verdict};
use bytes::Bytes;
use contracts::{
    ConversionFinished, ConversionOptions, ConversionRequested, EmailAddress, Job, JobId, JobStatus,
    MESSAGE_VERSION, MailPreferences, Mp3Fid, Owner, Queue, Source, UserId, VideoFid,
};
use converter::Config;
use converter::engine::EngineConfig;
use databases::{Databases, MongoConfig};
use futures_util::TryStreamExt as _;
use jobs::{JobStore, NewJob};
use media_store::MediaStore;
use service_kit::{Process, Shutdown};
use tempfile::TempDir;
use test_kit::{shared, unique_name, wait_until};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::SOON;
use crate::bench::LAUNCHER;

/// The videos' default name.
const NAME: &str = "holiday.v1.mp4";

/// One installation as the tests see it.
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) jobs: JobStore,
    pub(crate) videos: MediaStore,
    pub(crate) mp3s: MediaStore,
    pub(crate) broker: Broker,
    outcomes: Arc<Mutex<Vec<ConversionFinished>>>,
    folder: TempDir,
}

/// A converter that runs in this process.
pub(crate) struct Converter {
    pub(crate) shutdown: Shutdown,
    pub(crate) admin_url: String,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Converter {
    /// Waits until the converter ends after `shutdown` was triggered.
    pub(crate) async fn ended(self) {
        tokio::time::timeout(SOON, self.running).await.unwrap().unwrap().unwrap();
        self.shutdown.finished().await;
    }

    /// Waits until the converter ends by itself.
    pub(crate) async fn failed(self) -> anyhow::Error {
        tokio::time::timeout(SOON, self.running).await.unwrap().unwrap().unwrap_err()
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let servers = shared();
        Self::on(&servers.mongodb_url, &servers.rabbitmq_url).await
    }

    pub(crate) async fn on(mongodb_url: &str, rabbitmq_url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let prefix = format!("{}_", unique_name("converter"));
        let config = Config {
            mongodb: MongoConfig { url: mongodb_url.to_owned().into(), database_prefix: prefix.clone() },
            rabbitmq: BrokerConfig {
                queue_prefix: prefix,
                retry_delays: RetryLadder::new([200, 400, 1000].map(Duration::from_millis).to_vec()).unwrap(),
                ..BrokerConfig::new(rabbitmq_url.to_owned().into())
            },
            mongodb_reserve_bytes: 0,
            slots: None,
            scratch_dir: folder.path().join("scratch"),
            engine: EngineConfig { launcher: LAUNCHER.into(), ..EngineConfig::default() },
            max_attempts: 8,
            jobs_at_once: const { NonZeroU16::new(8).unwrap() },
            lease: Duration::from_secs(3),
            keep_mp3: Duration::from_hours(7 * 24),
            keep_video: Duration::ZERO,
        };
        let databases = Databases::connect(&config.mongodb).await.unwrap();
        let broker = Broker::new(&config.rabbitmq, "converter tests", CancellationToken::new());
        let world = Self {
            jobs: JobStore::new(databases.mixdown()),
            videos: MediaStore::new(databases.videos(), TaskTracker::new()),
            mp3s: MediaStore::new(databases.mp3s(), TaskTracker::new()),
            broker: broker.unwrap(),
            outcomes: Arc::default(),
            config,
            folder,
        };
        world.jobs.ensure_indexes().await.unwrap();
        world.videos.ensure_indexes().await.unwrap();
        world.collect_outcomes();
        world
    }

    /// Takes notification's place.
    fn collect_outcomes(&self) {
        let (broker, outcomes) = (self.broker.clone(), Arc::clone(&self.outcomes));
        let (drain, abort) = (CancellationToken::new(), CancellationToken::new());
        tokio::spawn(async move {
            let mp3 = Subscription { queue: Queue::Mp3, slots: 4, drain, abort };
            broker
                .consume(mp3, move |delivery: broker::Delivery<ConversionFinished>| {
                    outcomes.lock().unwrap().push(delivery.message);
                    async { Verdict::Done }
                })
                .await;
        });
    }

    pub(crate) async fn converter(&self) -> Converter {
        let shutdown = Shutdown::new();
        let process = Process::bind(([127, 0, 0, 1], 0).into(), shutdown.clone()).await.unwrap();
        let admin_url = format!("http://{}", process.admin_address().unwrap());
        let running = tokio::spawn(converter::run(self.config.clone(), process));
        Converter { shutdown, admin_url, running }
    }

    /// Does what the gateway does with an upload, except send the message.
    pub(crate) async fn accept(&self, video: &[u8], options: ConversionOptions) -> (JobId, UserId) {
        self.accept_named(NAME, video, options).await
    }

    async fn accept_named(&self, name: &str, video: &[u8], options: ConversionOptions) -> (JobId, UserId) {
        let mut upload = self.videos.begin(name, "video/mp4").await.unwrap();
        upload.write(Bytes::copy_from_slice(video)).await.unwrap();
        let stored = upload.finish().await.unwrap();
        self.insert(name, VideoFid(stored.fid), stored.bytes, options).await
    }

    pub(crate) async fn submit_named(&self, name: &str, video: &[u8], options: ConversionOptions) -> JobId {
        let (id, _) = self.accept_named(name, video, options).await;
        self.request(id).await;
        id
    }

    pub(crate) async fn accept_stored(
        &self,
        fid: VideoFid,
        bytes: u64,
        options: ConversionOptions,
    ) -> (JobId, UserId) {
        self.insert(NAME, fid, bytes, options).await
    }

    async fn insert(
        &self,
        name: &str,
        fid: VideoFid,
        bytes: u64,
        options: ConversionOptions,
    ) -> (JobId, UserId) {
        let (id, owner) = (JobId::generate(), UserId::generate());
        let source = Source {
            fid,
            name: name.to_owned(),
            bytes,
            duration_seconds: None,
            declared_seconds: None,
            audio_tracks: Vec::new(),
        };
        let owner_of = Owner { id: owner, email: ada(), mails: MailPreferences::default() };
        self.jobs.insert(NewJob { id, owner: owner_of, source, options }).await.unwrap();
        (id, owner)
    }

    pub(crate) async fn request(&self, id: JobId) {
        let job = self.job(id).await;
        let message = ConversionRequested {
            version: MESSAGE_VERSION,
            job_id: id,
            video_fid: job.source.fid,
            mp3_fid: None,
            username: ada(),
        };
        self.broker.publish(Queue::Video, &id.to_string(), &message).await.unwrap();
        self.jobs.mark_announced(&self.jobs.get(id).await.unwrap().unwrap()).await.unwrap();
    }

    pub(crate) async fn submit(&self, video: &[u8]) -> (JobId, UserId) {
        let (id, owner) = self.accept(video, ConversionOptions::default()).await;
        self.request(id).await;
        (id, owner)
    }

    pub(crate) async fn job(&self, id: JobId) -> Job {
        self.jobs.get(id).await.unwrap().unwrap().job
    }

    pub(crate) async fn becomes(&self, id: JobId, status: JobStatus) -> Job {
        wait_until(&format!("the job is {status:?}"), SOON, async || {
            let Ok(Some(record)) = self.jobs.get(id).await else { return Err("MongoDB is away".to_owned()) };
            if record.job.status == status { Ok(record.job) } else { Err(format!("{:?}", record.job)) }
        })
        .await
    }

    /// Waits until FFmpeg has encoded a part of the job.
    pub(crate) async fn is_half_done(&self, id: JobId) {
        wait_until("the job is under way", SOON, async || self.job(id).await.progress.ratio > 0.0).await;
    }

    /// The outcomes announced so far about one job.
    pub(crate) fn announced(&self, id: JobId) -> Vec<ConversionFinished> {
        let outcomes = self.outcomes.lock().unwrap();
        outcomes.iter().filter(|outcome| outcome.job_id == id).cloned().collect()
    }

    pub(crate) async fn is_announced(&self, id: JobId) -> ConversionFinished {
        wait_until("the outcome is announced", SOON, async || self.announced(id).pop()).await
    }

    pub(crate) async fn mp3(&self, fid: Mp3Fid) -> Vec<u8> {
        let file = self.mp3s.open(fid.0).await.unwrap().unwrap();
        let pieces: Vec<Bytes> = self.mp3s.read(&file, 0..file.bytes).try_collect().await.unwrap();
        pieces.concat()
    }

    pub(crate) async fn mp3_count(&self) -> usize {
        self.mp3s.files_older_than(Duration::ZERO, None, 100).await.unwrap().len()
    }

    pub(crate) fn scratch_dir(&self) -> PathBuf {
        self.config.scratch_dir.clone()
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

pub(crate) fn ada() -> EmailAddress {
    "ada@example.org".parse().unwrap()
}

/// Half an hour of audio, which is made in a second and takes many seconds to convert.
pub(crate) fn long_video() -> Vec<u8> {
    let workshop = crate::media::Workshop::new();
    let minute = workshop.video("minute.mp4", "60", &crate::media::FASTSTART);
    std::fs::read(workshop.repeated(&minute, 30, "long.mp4")).unwrap()
}
