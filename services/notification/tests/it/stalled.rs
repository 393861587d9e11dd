//! A sender that is paused for longer than its claim, at the worst moment: the mail server is about to answer
//! "go ahead".

use std::time::Duration;

use contracts::{NoticeState, Outcome};
use test_kit::proxy::{Proxy, Traffic};
use test_kit::smtp_fault::{SmtpFault, SmtpGate};
use test_kit::{shared, wait_until};

use crate::world::{TIMEOUT, World};

/// A world whose service reaches MongoDB and the mail server through proxies, and holds a claim only for a
/// moment.
async fn world() -> (World, Proxy, SmtpGate) {
    // The driver would else find the server's own address, and go round the proxy.
    let direct = shared().mongodb_url.replace("replicaSet=rs0", "directConnection=true");
    let (mongodb_url, database) = Proxy::before(&direct).await.unwrap();
    let mail_server = SmtpGate::open(&shared().smtp_url).await.unwrap();
    let mut world = World::with_smtp(&mail_server.url()).await;
    world.config.mongodb.url = mongodb_url.into();
    world.config.lease = Duration::from_secs(2);
    mail_server.set(SmtpFault::HeldGoAhead);
    (world, database, mail_server)
}

async fn held_back(mail_server: &SmtpGate) {
    wait_until("the go-ahead is held back", TIMEOUT, async || mail_server.refusals() > 0).await;
}

#[tokio::test]
async fn a_sender_that_overslept_its_claim_sends_nothing() {
    let (mut world, database, mail_server) = world().await;
    let sleeper = world.start().await;
    let job = world.converted_job("holiday.mp4").await;
    world.announce(&job).await;
    held_back(&mail_server).await;
    // It hears nothing more of the database, as if it were stopped.
    database.set(Traffic::Stall);

    world.config.mongodb.url = shared().mongodb_url.clone().into();
    world.config.smtp_url = shared().smtp_url.clone().into();
    let successor = world.start().await;
    world.announce(&job).await;
    assert_eq!(world.settled(job.job.id).await.state, NoticeState::Sent);
    assert_eq!(world.mails_to(&job).await.len(), 1);

    mail_server.set(SmtpFault::None);
    // Its handler ends before it does.
    sleeper.drained().await;
    successor.drained().await;
    assert_eq!(world.mails_to(&job).await.len(), 1, "the sleeper sent the mail again");
}

#[tokio::test]
async fn a_slow_mail_server_alone_costs_nobody_a_mail() {
    let (world, _database, mail_server) = world().await;
    let service = world.start().await;
    let job = world.converted_job("holiday.mp4").await;
    world.announce(&job).await;
    held_back(&mail_server).await;
    // Far longer than the claim, which is renewed meanwhile: no other process gets the mail.
    let claim = async || world.jobs.claim_notice(job.job.id, Outcome::Converted, TIMEOUT).await.unwrap();
    for _ in 0..50 {
        assert!(matches!(claim().await, jobs::NoticeClaim::Busy));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    mail_server.set(SmtpFault::None);
    assert_eq!(world.settled(job.job.id).await.state, NoticeState::Sent);
    service.drained().await;
    assert_eq!(world.mails_to(&job).await.len(), 1);
}
