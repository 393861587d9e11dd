use std::time::Duration;

use broker::{Broker, BrokerConfig, RetryLadder};
use contracts::{
    Audio, AudioFormat, ConversionFinished, ConversionOptions, Failure, FailureCode, FileId, JobId, LinkKey,
    MESSAGE_VERSION, MailPreferences, Mp3Fid, Notice, NoticeState, Outcome, Owner, Queue, Source, UserId,
    VideoFid,
};
use databases::{Databases, MongoConfig};
use jobs::{Claim, JobStore, NewJob, Record};
use notification::Config;
use service_kit::{Process, Shutdown};
use test_kit::inbox::{Inbox, Mail};
use test_kit::{shared, unique_name, wait_until};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Long enough for a machine that is busy with something else; a test that passes never waits for it.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);

pub(crate) const PUBLIC_URL: &str = "https://mixdown.test";
pub(crate) const SENDER_DOMAIN: &str = "mail.mixdown.test";
const LINK_KEY: &str = "the key of the tests alone";

/// Far longer than any test.
const KEPT: Duration = Duration::from_hours(7 * 24);

/// A database and queues of the test's own, and a publisher in place of the converters.
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) jobs: JobStore,
    pub(crate) broker: Broker,
    pub(crate) inbox: Inbox,
}

/// A running notification.
pub(crate) struct Service {
    pub(crate) shutdown: Shutdown,
    pub(crate) admin: std::net::SocketAddr,
    task: JoinHandle<anyhow::Result<()>>,
}

impl World {
    /// On the servers that all tests share.
    pub(crate) async fn new() -> Self {
        Self::with(&shared().mongodb_url, &shared().smtp_url).await
    }

    /// With the mail server at another address, such as a gate's.
    pub(crate) async fn with_smtp(smtp_url: &str) -> Self {
        Self::with(&shared().mongodb_url, smtp_url).await
    }

    pub(crate) async fn with(mongodb_url: &str, smtp_url: &str) -> Self {
        let config = config(mongodb_url, smtp_url);
        let jobs = JobStore::new(Databases::connect(&config.mongodb).await.unwrap().mixdown());
        let broker = Broker::new(&config.rabbitmq, "notification tests", CancellationToken::new()).unwrap();
        Self { config, jobs, broker, inbox: Inbox::shared() }
    }

    pub(crate) async fn start(&self) -> Service {
        let shutdown = Shutdown::new();
        let process = Process::bind(([127, 0, 0, 1], 0).into(), shutdown.clone()).await.unwrap();
        let admin = process.admin_address().unwrap();
        let task = tokio::spawn(notification::run(self.config.clone(), process));
        Service { shutdown, admin, task }
    }

    /// A job that a converter ended with audio.
    pub(crate) async fn converted_job(&self, name: &str) -> Record {
        let id = self.queued_job(name).await;
        let Claim::Claimed(lease, _) = self.jobs.claim(id, "test", TIMEOUT).await.unwrap() else {
            panic!("a new job can be claimed")
        };
        let audio = Audio {
            fid: Mp3Fid(some_file()),
            bytes: 4_391_205,
            duration_seconds: 185.3,
            begins_at_seconds: 0.0,
            tracks: vec![0],
            bitrate_bps: 189_580,
            format: AudioFormat::Mp3,
            is_copy: false,
            has_cover: false,
            loudness: None,
        };
        assert!(self.jobs.commit_converted(&lease, &audio, KEPT, KEPT).await.unwrap());
        self.record(id).await
    }

    /// A job that a converter ended without audio.
    pub(crate) async fn failed_job(&self, name: &str, code: FailureCode) -> Record {
        let id = self.queued_job(name).await;
        let Claim::Claimed(lease, _) = self.jobs.claim(id, "test", TIMEOUT).await.unwrap() else {
            panic!("a new job can be claimed")
        };
        assert!(self.jobs.commit_failed(&lease, &Failure::from(code), KEPT).await.unwrap());
        self.record(id).await
    }

    async fn queued_job(&self, name: &str) -> JobId {
        let id = JobId::generate();
        // Each job has its own address, since all tests share the inbox.
        let email = format!("{}@example.org", unique_name("ada")).parse().unwrap();
        let owner = Owner { id: UserId::generate(), email, mails: MailPreferences::default() };
        let source = Source {
            fid: VideoFid(some_file()),
            name: name.to_owned(),
            bytes: 1 << 20,
            duration_seconds: None,
            declared_seconds: None,
            audio_tracks: Vec::new(),
        };
        let options = ConversionOptions::default();
        self.jobs.insert(NewJob { id, owner, source, options }).await.unwrap();
        id
    }

    pub(crate) async fn record(&self, id: JobId) -> Record {
        self.jobs.get(id).await.unwrap().expect("the job is there")
    }

    /// The message that a converter sends at the end of a job.
    pub(crate) fn message(record: &Record) -> ConversionFinished {
        ConversionFinished {
            version: MESSAGE_VERSION,
            job_id: record.job.id,
            video_fid: record.job.source.fid,
            mp3_fid: record.job.audio.as_ref().map(|audio| audio.fid),
            username: record.owner.email.clone(),
            outcome: record.job.status.outcome().expect("the job has ended"),
        }
    }

    pub(crate) async fn announce(&self, record: &Record) {
        self.publish(&Self::message(record)).await;
    }

    pub(crate) async fn publish(&self, message: &ConversionFinished) {
        self.broker.publish(Queue::Mp3, &message.job_id.to_string(), message).await.unwrap();
    }

    pub(crate) async fn mail_to(&self, record: &Record) -> Mail {
        self.inbox.wait_for_mail(record.owner.email.as_str(), TIMEOUT).await
    }

    pub(crate) async fn mails_to(&self, record: &Record) -> Vec<Mail> {
        self.inbox.mails_to(record.owner.email.as_str()).await.unwrap()
    }

    /// Waits until the job's mail is sent or given up.
    pub(crate) async fn settled(&self, id: JobId) -> Notice {
        wait_until("the mail is settled on the job", TIMEOUT, async || {
            let notices = self.jobs.get(id).await.map_err(|error| error.to_string())?.unwrap().job.notices;
            let settled = notices.iter().find(|notice| notice.state != NoticeState::Sending);
            settled.cloned().ok_or_else(|| format!("the notices are {notices:?}"))
        })
        .await
    }

    /// Sends the mail of another job through the same queue and waits for it. With one slot, everything
    /// before it in the queue has been handled by then.
    pub(crate) async fn flush(&self) {
        let marker = self.failed_job("marker.mp4", FailureCode::Damaged).await;
        self.announce(&marker).await;
        assert_eq!(self.settled(marker.job.id).await.state, NoticeState::Sent);
    }
}

impl Service {
    /// Shuts it down and waits for its end.
    pub(crate) async fn drained(mut self) {
        self.shutdown.drain().cancel();
        tokio::time::timeout(TIMEOUT, &mut self.task).await.unwrap().unwrap().unwrap();
        self.shutdown.abort().cancel();
    }

    /// Whether `/readyz` reports ready.
    pub(crate) async fn is_ready(&self) -> bool {
        let probe = service_kit::Healthcheck { admin_listen: self.admin };
        let answer = tokio::task::spawn_blocking(move || probe.run()).await.unwrap();
        answer == std::process::ExitCode::SUCCESS
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shutdown.drain().cancel();
        self.shutdown.abort().cancel();
        self.task.abort();
    }
}

fn config(mongodb_url: &str, smtp_url: &str) -> Config {
    let delays = [200, 600].map(Duration::from_millis).to_vec();
    Config {
        mongodb: MongoConfig {
            url: mongodb_url.into(),
            database_prefix: format!("{}_", unique_name("notification")),
        },
        rabbitmq: BrokerConfig {
            queue_prefix: format!("{}.", unique_name("notification")),
            retry_delays: RetryLadder::new(delays).unwrap(),
            ..BrokerConfig::new(shared().rabbitmq_url.clone().into())
        },
        smtp_url: smtp_url.into(),
        mail_from: format!("Mixdown <mixdown@{SENDER_DOMAIN}>").parse().unwrap(),
        link_key: LINK_KEY.into(),
        link_lifetime: Duration::from_hours(24),
        public_url: PUBLIC_URL.parse().unwrap(),
        give_up_after: Duration::from_hours(4),
        lease: notification::LEASE,
        slots: 1,
    }
}

/// The key that the gateway would verify links with.
pub(crate) fn link_key() -> LinkKey {
    LinkKey::new(&LINK_KEY.into())
}

pub(crate) fn message_id(record: &Record, outcome: Outcome) -> String {
    format!("<{}.{}@{SENDER_DOMAIN}>", record.job.id, outcome.as_str())
}

/// These tests read no file; only the identifier matters.
fn some_file() -> FileId {
    let hex = unique_name("");
    let digits: String = hex.chars().filter(char::is_ascii_hexdigit).chain("00000000".chars()).collect();
    digits[..24].parse().unwrap()
}
