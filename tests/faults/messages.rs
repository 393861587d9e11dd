//! Duplicate messages and malformed messages.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::{ConversionFinished, ConversionRequested, JobStatus, MESSAGE_VERSION, Outcome, Queue};
use system_tests::promise::{PATIENCE, assert_kept, broker_of};
use test_kit::media::Sample;
use test_kit::mixdown::Plan;
use test_kit::wait_until;

#[tokio::test]
async fn messages_that_come_three_times_have_one_effect() -> Result<()> {
    let mixdown = Plan::new().start().await?;
    let user = mixdown.user().await?;
    let broker = broker_of(&mixdown)?;
    let mut accepted = Vec::new();
    for sample in [Sample::Mp4, Sample::Avi, Sample::Silent] {
        let job = user.upload(&sample.file(Duration::from_secs(2)).await).await?;
        let message = ConversionRequested {
            version: MESSAGE_VERSION,
            job_id: job.id,
            video_fid: job.source.fid,
            mp3_fid: None,
            username: user.email.parse()?,
        };
        // Duplicates while the first message is being handled, as far as possible.
        for _ in 0..2 {
            broker.publish(Queue::Video, &job.id.to_string(), &message).await?;
        }
        accepted.push((job.id, message));
    }
    for (id, request) in &accepted {
        let job = user.wait_for(*id, "it has ended", |job| job.status.is_finished()).await;
        let outcome = if job.status == JobStatus::Converted { Outcome::Converted } else { Outcome::Failed };
        let message = ConversionFinished {
            version: MESSAGE_VERSION,
            job_id: job.id,
            video_fid: job.source.fid,
            mp3_fid: job.audio.as_ref().map(|audio| audio.fid),
            username: user.email.parse()?,
            outcome,
        };
        for _ in 0..2 {
            broker.publish(Queue::Mp3, &message.message_id(), &message).await?;
        }
        // And once more after everything is done.
        user.wait_for_outcome(*id).await;
        broker.publish(Queue::Mp3, &message.message_id(), &message).await?;
        broker.publish(Queue::Video, &id.to_string(), request).await?;
    }
    let ids: Vec<_> = accepted.iter().map(|(id, _)| *id).collect();
    let jobs = assert_kept(&mixdown, &user, &ids).await?;
    assert_eq!(jobs.len(), 3);
    assert!(jobs.iter().all(|job| job.attempts == 1), "a job was begun more than once: {jobs:?}");
    Ok(())
}

#[tokio::test]
async fn a_malformed_message_is_parked_and_delays_no_other() -> Result<()> {
    let mixdown = Plan::new().start().await?;
    let user = mixdown.user().await?;
    let broker = broker_of(&mixdown)?;
    let nonsense = serde_json::json!({ "version": 1, "job_id": "../../etc/passwd", "video_fid": 7 });
    let job = user.upload(&Sample::Mp4.file(Duration::from_secs(2)).await).await?;
    let later = ConversionRequested {
        version: MESSAGE_VERSION + 98,
        job_id: job.id,
        video_fid: job.source.fid,
        mp3_fid: None,
        username: user.email.parse()?,
    };
    broker.publish(Queue::Video, "nonsense", &nonsense).await?;
    broker.publish(Queue::Video, "later", &later).await?;
    broker.publish(Queue::Mp3, "nonsense", &nonsense).await?;

    let parked = async || {
        let mut parked = Vec::new();
        for queue in [Queue::Video, Queue::Mp3] {
            let waiting = broker.depth(queue).await.context("the queue can't be read")?;
            ensure!(waiting == 0, "{waiting} wait in {queue}");
            parked.push(broker.dead_depth(queue).await.context("the dead queue can't be read")?);
        }
        ensure!(parked == [2, 1], "{parked:?} are parked");
        Ok(())
    };
    wait_until("the malformed messages are parked", PATIENCE, &parked).await;
    assert_eq!(user.wait_for_outcome(job.id).await.status, JobStatus::Converted);

    // By the time that another job is completely done, a looping message would have come again.
    let next = user.upload(&Sample::Mp4.file(Duration::from_secs(2)).await).await?;
    user.wait_for_outcome(next.id).await;
    wait_until("they are still parked, each once", PATIENCE, &parked).await;
    Ok(())
}
