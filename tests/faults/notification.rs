//! Mails that have to wait.

use anyhow::Result;
use contracts::JobStatus;
use system_tests::promise::{PATIENCE, assert_kept, load};
use test_kit::inbox::Inbox;
use test_kit::mixdown::Plan;
use test_kit::services::Service;
use test_kit::smtp_fault::{SmtpFault, SmtpGate};
use test_kit::{shared, wait_until};

#[tokio::test]
async fn mails_wait_while_the_mail_server_refuses_them_for_the_moment() -> Result<()> {
    let gate = SmtpGate::open(&shared().smtp_url).await?;
    let mixdown = Plan::new().on_smtp(&gate.url()).start().await?;
    let user = mixdown.user().await?;
    gate.set(SmtpFault::TransientRecipient);
    let accepted = load(&user, 2).await?;
    wait_until("some mails were refused more than once", PATIENCE, async || gate.refusals() >= 5).await;
    gate.set(SmtpFault::Busy);
    let refused = gate.refusals();
    wait_until("connections are refused, too", PATIENCE, async || gate.refusals() >= refused + 3).await;
    assert_eq!(Inbox::shared().mails_to(&user.email).await?.len(), 0);

    gate.set(SmtpFault::None);
    let jobs = assert_kept(&mixdown, &user, &accepted).await?;
    assert!(jobs.iter().all(|job| job.status == JobStatus::Converted));
    Ok(())
}

#[tokio::test]
async fn mails_outlive_the_crash_of_notification() -> Result<()> {
    let gate = SmtpGate::open(&shared().smtp_url).await?;
    let mut mixdown = Plan::new().on_smtp(&gate.url()).start().await?;
    let user = mixdown.user().await?;
    gate.set(SmtpFault::Busy);
    let mut accepted = load(&user, 2).await?;
    wait_until("it is at the mails", PATIENCE, async || gate.refusals() >= 2).await;
    mixdown.service(Service::Notification)?.kill_hard().await;
    gate.set(SmtpFault::None);
    accepted.extend(load(&user, 1).await?);
    mixdown.service(Service::Notification)?.restart().await?;

    let jobs = assert_kept(&mixdown, &user, &accepted).await?;
    assert_eq!(jobs.len(), 3);
    Ok(())
}
