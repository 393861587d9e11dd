//! The check at the end of fault tests: no accepted upload is lost, and none is processed twice.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use broker::{Broker, BrokerConfig};
use contracts::{Job, JobId, JobStatus, NoticeState, Queue};
use futures_util::StreamExt as _;
use futures_util::stream;
use reqwest::StatusCode;
use test_kit::gridfs::{Contents, Store};
use test_kit::inbox::Inbox;
use test_kit::media::Sample;
use test_kit::mixdown::{Form, Mixdown, User};
use test_kit::wait_until;
use tokio_util::sync::CancellationToken;

/// The timeout. Notification's lease lasts a minute, and a server takes half a minute to start on a busy
/// machine.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// Uploads a short video again and again until it is accepted, as clients do.
async fn upload_patiently(user: &User) -> Result<JobId> {
    let video = Sample::Mp4.bytes(Duration::from_secs(2)).await;
    let job = wait_until("an upload is accepted", PATIENCE, async || {
        let answer = user.post(Form::default().file("short.mp4", &video)).await?;
        ensure!(answer.status() == StatusCode::ACCEPTED, "it was answered with {}", answer.status());
        answer.json::<Job>().await.context("the answer is no job")
    })
    .await;
    Ok(job.id)
}

/// Makes `count` accepted uploads, a few at a time.
pub async fn load(user: &User, count: usize) -> Result<Vec<JobId>> {
    let uploads = stream::iter(0..count).map(|_| upload_patiently(user)).buffer_unordered(3);
    uploads.collect::<Vec<_>>().await.into_iter().collect()
}

/// A client of the broker with a Mixdown's queue names.
pub fn broker_of(mixdown: &Mixdown) -> Result<Broker> {
    let config = BrokerConfig {
        queue_prefix: mixdown.prefix().to_owned(),
        retry_delays: "200ms,1s,2s".parse()?,
        ..BrokerConfig::new(mixdown.system().rabbitmq_url.clone().into())
    };
    Ok(Broker::new(&config, "test", CancellationToken::new())?)
}

/// Waits until every job of a user has ended as promised. All of `accepted` are among them. Each has one
/// outcome and one mail, each converted one has one whole MP3, and GridFS and the queues hold nothing else.
///
/// # Panics
/// The promise is broken.
/// When the promise is broken.
pub async fn assert_kept(mixdown: &Mixdown, user: &User, accepted: &[JobId]) -> Result<Vec<Job>> {
    let jobs = wait_until("every job has its outcome and its mail", PATIENCE, async || {
        let jobs = user.jobs().await?;
        for job in &jobs {
            let is_settled = job.notices.len() == 1 && job.notices[0].state == NoticeState::Sent;
            ensure!(job.status.is_finished() && is_settled, "{} is {:?}", job.id, job.status);
        }
        Ok(jobs)
    })
    .await;
    let known: BTreeSet<JobId> = jobs.iter().map(|job| job.id).collect();
    assert!(accepted.iter().all(|id| known.contains(id)), "an accepted upload is lost");

    let converted = jobs.iter().filter(|job| job.status == JobStatus::Converted).count();
    let grid_fs = mixdown.grid_fs().await?;
    wait_until("GridFS holds one MP3 for each converted job and nothing else", PATIENCE, async || {
        let mp3s = grid_fs.contents(Store::Mp3s).await?;
        ensure!(mp3s == Contents::whole(converted as u64), "{converted} jobs, but {mp3s:?}");
        let videos = grid_fs.contents(Store::Videos).await?;
        let kept = jobs.len() - converted;
        ensure!(videos == Contents::whole(kept as u64), "{kept} videos are kept, but {videos:?}");
        Ok(())
    })
    .await;
    for job in jobs.iter().filter(|job| job.status == JobStatus::Converted) {
        let bytes = user.download(job).await?.len() as u64;
        assert_eq!(Some(bytes), job.audio.as_ref().map(|audio| audio.bytes));
    }
    assert_one_mail_each(user, &jobs).await?;
    assert_queues_empty(mixdown).await?;
    Ok(jobs)
}

async fn assert_one_mail_each(user: &User, jobs: &[Job]) -> Result<()> {
    let mails = Inbox::shared().wait_for_mails(&user.email, jobs.len(), PATIENCE).await;
    assert_eq!(mails.len(), jobs.len(), "not one mail for each job");
    for job in jobs {
        let id = job.id.to_string();
        let about = |mail: &&test_kit::inbox::Mail| mail.message_id().is_some_and(|name| name.contains(&id));
        assert_eq!(mails.iter().filter(about).count(), 1, "mails about {id}");
    }
    Ok(())
}

async fn assert_queues_empty(mixdown: &Mixdown) -> Result<()> {
    let broker = broker_of(mixdown)?;
    wait_until("the queues are empty", PATIENCE, async || {
        for queue in Queue::ALL {
            let (waiting, dead) = (broker.depth(queue).await?, broker.dead_depth(queue).await?);
            ensure!(waiting == 0 && dead == 0, "{queue}: {waiting} wait, {dead} are parked");
        }
        Ok(())
    })
    .await;
    Ok(())
}
