use std::time::Duration;

use contracts::{NoticeState, Outcome, Queue};
use jobs::NoticeClaim;
use test_kit::servers::{MongoDb, Running, Server as _};
use test_kit::smtp_fault::{SmtpFault, SmtpGate};
use test_kit::{shared, wait_until};

use crate::world::{TIMEOUT, World, message_id};

async fn gate() -> SmtpGate {
    SmtpGate::open(&shared().smtp_url).await.unwrap()
}

async fn refused_times(gate: &SmtpGate, times: usize) {
    wait_until("the mail server has refused often enough", TIMEOUT, async || {
        let refusals = gate.refusals();
        if refusals >= times { Ok(()) } else { Err(format!("it refused {refusals} times")) }
    })
    .await;
}

#[tokio::test]
async fn a_mail_server_that_says_later_is_asked_again_until_it_takes_the_mail_once() {
    for fault in [SmtpFault::TransientRecipient, SmtpFault::Busy] {
        let gate = gate().await;
        gate.set(fault);
        let world = World::with_smtp(&gate.url()).await;
        let service = world.start().await;
        let job = world.converted_job("holiday.mp4").await;
        world.announce(&job).await;
        refused_times(&gate, 3).await;
        // A mail server that is away must not take notification out of service.
        assert!(service.is_ready().await);
        gate.set(SmtpFault::None);
        assert_eq!(world.settled(job.job.id).await.state, NoticeState::Sent);
        world.flush().await;
        assert_eq!(world.mails_to(&job).await.len(), 1, "{fault:?}");
        service.drained().await;
    }
}

#[tokio::test]
async fn a_mailbox_that_does_not_exist_is_recorded_and_not_tried_again() {
    let gate = gate().await;
    gate.set(SmtpFault::PermanentRecipient);
    let world = World::with_smtp(&gate.url()).await;
    let service = world.start().await;
    let job = world.converted_job("holiday.mp4").await;
    world.announce(&job).await;
    let notice = world.settled(job.job.id).await;
    assert_eq!(notice.state, NoticeState::Failed);
    let answer = notice.error.unwrap();
    assert!(answer.contains("550") && answer.contains("no such mailbox"), "{answer}");

    gate.set(SmtpFault::None);
    world.flush().await;
    assert_eq!(gate.refusals(), 1);
    assert!(world.mails_to(&job).await.is_empty());
    assert_eq!(world.broker.dead_depth(Queue::Mp3).await.unwrap(), 0);
    service.drained().await;
}

#[tokio::test]
async fn a_mail_that_nobody_takes_is_given_up_in_the_end() {
    let gate = gate().await;
    gate.set(SmtpFault::TransientRecipient);
    let mut world = World::with_smtp(&gate.url()).await;
    world.config.give_up_after = Duration::from_secs(1);
    let service = world.start().await;
    let job = world.converted_job("holiday.mp4").await;
    world.announce(&job).await;
    let notice = world.settled(job.job.id).await;
    assert_eq!(notice.state, NoticeState::Failed);
    assert!(notice.error.unwrap().contains("451"));
    assert!(gate.refusals() >= 2, "it was tried more than once");
    service.drained().await;
}

#[tokio::test]
async fn copies_that_arrive_while_the_mail_is_being_sent_wait() {
    let gate = gate().await;
    gate.set(SmtpFault::Hang);
    let mut world = World::with_smtp(&gate.url()).await;
    world.config.slots = 4;
    let service = world.start().await;
    let job = world.converted_job("holiday.mp4").await;
    for _ in 0..3 {
        world.announce(&job).await;
    }
    refused_times(&gate, 1).await;
    wait_until("the copies were taken out of the queue", TIMEOUT, async || {
        world.broker.depth(Queue::Mp3).await.unwrap() == 0
    })
    .await;
    gate.set(SmtpFault::None);
    assert_eq!(world.settled(job.job.id).await.state, NoticeState::Sent);
    world.flush().await;
    assert_eq!(world.mails_to(&job).await.len(), 1);
    assert_eq!(gate.refusals(), 1, "no other copy talked to the mail server meanwhile");
    service.drained().await;
}

#[tokio::test]
async fn the_mail_of_a_sender_that_died_is_sent_when_its_claim_runs_out() {
    let world = World::new().await;
    let job = world.converted_job("holiday.mp4").await;
    let dead = world.jobs.claim_notice(job.job.id, Outcome::Converted, Duration::from_secs(3)).await.unwrap();
    assert!(matches!(dead, NoticeClaim::Claimed(..)));
    let service = world.start().await;
    world.announce(&job).await;
    assert_eq!(world.settled(job.job.id).await.state, NoticeState::Sent);
    assert_eq!(world.mails_to(&job).await.len(), 1);
    service.drained().await;
}

// An uncertain mail is sent twice with one Message-ID: RFC 5321 has no way to ask whether a mail was
// accepted.
#[tokio::test]
async fn an_acceptance_that_got_lost_is_repeated_under_the_same_message_id() {
    let gate = gate().await;
    gate.set(SmtpFault::LostAcceptance);
    let world = World::with_smtp(&gate.url()).await;
    let service = world.start().await;
    let job = world.converted_job("holiday.mp4").await;
    world.announce(&job).await;
    refused_times(&gate, 1).await;
    gate.set(SmtpFault::None);
    assert_eq!(world.settled(job.job.id).await.state, NoticeState::Sent);
    let mails = world.inbox.wait_for_mails(job.owner.email.as_str(), 2, TIMEOUT).await;
    let expected = message_id(&job, Outcome::Converted);
    assert!(mails.iter().all(|mail| mail.message_id() == Some(expected.as_str())), "{mails:?}");
    service.drained().await;
}

#[tokio::test]
async fn a_drain_finishes_the_mail_under_way_and_takes_no_other() {
    let gate = gate().await;
    gate.set(SmtpFault::Hang);
    let world = World::with_smtp(&gate.url()).await;
    let service = world.start().await;
    let under_way = world.converted_job("first.mp4").await;
    let waiting = world.converted_job("second.mp4").await;
    world.announce(&under_way).await;
    refused_times(&gate, 1).await;
    world.announce(&waiting).await;

    service.shutdown.drain().cancel();
    gate.set(SmtpFault::None);
    service.drained().await;
    assert_eq!(world.settled(under_way.job.id).await.state, NoticeState::Sent);
    assert!(world.record(waiting.job.id).await.job.notices.is_empty());
    assert!(world.mails_to(&waiting).await.is_empty());

    let successor = world.start().await;
    assert_eq!(world.settled(waiting.job.id).await.state, NoticeState::Sent);
    assert_eq!(world.mails_to(&under_way).await.len(), 1);
    successor.drained().await;
}

#[tokio::test]
async fn a_mail_that_was_taken_while_mongodb_was_away_is_recorded_later_and_not_repeated() {
    let mut mongodb = Running::<MongoDb>::start().await.unwrap();
    let gate = gate().await;
    gate.set(SmtpFault::Hang);
    let world = World::with(&mongodb.url(), &gate.url()).await;
    let service = world.start().await;
    wait_until("notification is ready", TIMEOUT, async || service.is_ready().await).await;
    let job = world.converted_job("holiday.mp4").await;
    world.announce(&job).await;
    refused_times(&gate, 1).await;

    mongodb.kill_hard().await;
    gate.set(SmtpFault::None);
    world.mail_to(&job).await;
    // A store that is away does not, either.
    assert!(service.is_ready().await);
    mongodb.restart().await.unwrap();
    assert_eq!(world.settled(job.job.id).await.state, NoticeState::Sent);
    world.flush().await;
    assert_eq!(world.mails_to(&job).await.len(), 1);
    service.drained().await;
}
