//! `POST /jobs/{id}/retry`.

use std::time::Duration;

use anyhow::Result;
use contracts::{Job, JobStatus, ProblemCode};
use reqwest::Method;
use test_kit::inbox::Inbox;
use test_kit::media::Sample;
use test_kit::mixdown::{PATIENCE, assert_problem, mixdown};

#[tokio::test]
async fn a_failed_job_is_tried_again_and_its_owner_hears_of_it_again() -> Result<()> {
    let user = mixdown().user().await?;
    let job = user.upload(&Sample::Text.file(Duration::from_secs(2)).await).await?;
    let failed = user.wait_for_outcome(job.id).await;
    assert_eq!(failed.status, JobStatus::Failed);

    let path = format!("/jobs/{}/retry", job.id);
    let answer = user.request(Method::POST, &path).send().await?;
    assert_eq!(answer.status(), 202);
    let queued: Job = answer.json().await?;
    assert_eq!((queued.status, queued.attempts, queued.error), (JobStatus::Queued, 0, None));
    let again = user.wait_for_outcome(job.id).await;
    assert_eq!((again.status, again.attempts), (JobStatus::Failed, 1));
    let mails = Inbox::shared().wait_for_mails(&user.email, 2, PATIENCE).await;
    // Mail clients drop a mail whose id they have seen before.
    assert_ne!(mails[0].message_id(), mails[1].message_id());

    let done = user.upload(&Sample::Mp4.file(Duration::from_secs(2)).await).await?;
    let done = user.wait_for_outcome(done.id).await;
    let answer = user.request(Method::POST, &format!("/jobs/{}/retry", done.id)).send().await?;
    assert_problem("a converted job", answer, ProblemCode::NotRetryable).await
}
