//! `GET /jobs/{id}/events`.

use anyhow::{Context, Result};
use contracts::{Job, JobStatus};
use std::time::Duration;
use tokio::time::timeout;

use crate::stage::{PATIENCE, long_video, mixdown};

/// The jobs in a stream of events, whole or broken off in the last.
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

    // Of a job that has ended, there is one event.
    let text = timeout(Duration::from_secs(10), user.get(&path).await?.bytes()).await??;
    assert_eq!(jobs_in(&text)?.len(), 1);
    Ok(())
}
