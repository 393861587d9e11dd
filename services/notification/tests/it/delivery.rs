use std::time::Duration;

use contracts::{FailureCode, NoticeState, Outcome, Queue};
use jobs::Deleted;
use test_kit::wait_until;
use time::OffsetDateTime;

use crate::world::{PUBLIC_URL, TIMEOUT, World, link_key, message_id};

#[tokio::test]
async fn success_mail_has_a_link_that_opens_the_mp3_for_a_day() {
    let world = World::new().await;
    let service = world.start().await;
    let job = world.converted_job("holiday.mp4").await;
    world.announce(&job).await;

    let mail = world.mail_to(&job).await;
    assert_eq!(mail.subject, "Your MP3 is ready: holiday.mp4");
    assert_eq!(mail.from, "mixdown@mail.mixdown.test");
    assert_eq!(mail.message_id(), Some(message_id(&job, Outcome::Converted).as_str()));
    assert_eq!(mail.header("auto-submitted"), Some("auto-generated"));
    assert_eq!(mail.header("x-auto-response-suppress"), Some("All"));
    assert!(mail.header("date").is_some());
    for fact in ["holiday.mp4", "3 min 05 s", "4.4 MB", "190 kbit/s"] {
        assert!(mail.text.contains(fact), "{fact} in {}", mail.text);
    }

    let prefix = format!("{PUBLIC_URL}/d/");
    let link = mail.link(&prefix).expect("the text has the link");
    assert!(mail.html.contains(&format!("href=\"{link}\"")), "{}", mail.html);
    let now = OffsetDateTime::now_utc();
    let opened = link_key().verify(link.strip_prefix(&prefix).unwrap(), now).unwrap();
    assert_eq!(opened.fid, job.job.audio.as_ref().unwrap().fid);
    let lasts = opened.expires_at - now;
    assert!(lasts > Duration::from_hours(23) && lasts <= Duration::from_hours(24), "{lasts}");

    assert_eq!(world.settled(job.job.id).await.state, NoticeState::Sent);
    service.drained().await;
}

#[tokio::test]
async fn a_link_does_not_outlive_its_file() {
    let mut world = World::new().await;
    world.config.link_lifetime = Duration::from_hours(24 * 365);
    let service = world.start().await;
    let job = world.converted_job("holiday.mp4").await;
    world.announce(&job).await;

    let prefix = format!("{PUBLIC_URL}/d/");
    let mail = world.mail_to(&job).await;
    let link = mail.link(&prefix).unwrap().strip_prefix(&prefix).unwrap();
    let opened = link_key().verify(link, OffsetDateTime::now_utc()).unwrap();
    let file_expires_at = job.job.expires_at.unwrap();
    assert_eq!(opened.expires_at.unix_timestamp(), file_expires_at.unix_timestamp());
    service.drained().await;
}

#[tokio::test]
async fn failure_mail_says_why_and_what_to_do() {
    let world = World::new().await;
    let service = world.start().await;
    let job = world.failed_job("silent.mp4", FailureCode::NoAudioTrack).await;
    world.announce(&job).await;

    let mail = world.mail_to(&job).await;
    assert_eq!(mail.subject, "Could not be converted: silent.mp4");
    assert_eq!(mail.message_id(), Some(message_id(&job, Outcome::Failed).as_str()));
    for part in [&mail.text, &mail.html] {
        assert!(part.contains(FailureCode::NoAudioTrack.text()), "{part}");
        assert!(part.contains("What you can do"), "{part}");
        assert!(!part.contains("/d/"), "{part}");
    }
    assert_eq!(world.settled(job.job.id).await.state, NoticeState::Sent);
    service.drained().await;
}

#[tokio::test]
async fn hostile_file_names_stay_text() {
    let world = World::new().await;
    let service = world.start().await;
    let long = "x".repeat(300);
    let cases = [
        ("a\r\nBcc: eve@example.org\r\n\r\nhello.mp4", "a Bcc: eve@example.org hello.mp4"),
        ("<script>alert(1)</script>\".mp4", "<script>alert(1)</script>\".mp4"),
        (long.as_str(), &format!("{}…", "x".repeat(79))),
        ("\u{202e}4pm.exe", "4pm.exe"),
        ("שיעור ראשון.mp4", "שיעור ראשון.mp4"),
        ("👩‍👩‍👧 party 🎉.webm", "👩‍👩‍👧 party 🎉.webm"),
        ("=?utf-8?q?=0d=0aBcc=3a_eve=40example=2eorg?=", "= ?utf-8?q?=0d=0aBcc=3a_eve=40example=2eorg?="),
        ("\0\u{1b}[31m", "[31m"),
    ];
    for (name, shown) in cases {
        let job = world.converted_job(name).await;
        world.announce(&job).await;
        let mail = world.mail_to(&job).await;
        assert_eq!(mail.subject, format!("Your MP3 is ready: {shown}"), "{name:?}");
        assert_eq!(mail.recipients, [job.owner.email.as_str()], "{name:?}");
        assert!(mail.header("bcc").is_none(), "{name:?}");
        assert!(mail.text.contains(shown), "{name:?} in {}", mail.text);
        assert!(!mail.html.contains("<script"), "{}", mail.html);
    }
    service.drained().await;
}

#[tokio::test]
async fn a_message_delivered_three_times_is_one_mail() {
    let world = World::new().await;
    let service = world.start().await;
    let job = world.converted_job("holiday.mp4").await;
    for _ in 0..3 {
        world.announce(&job).await;
    }
    assert_eq!(world.settled(job.job.id).await.state, NoticeState::Sent);
    world.flush().await;
    assert_eq!(world.mails_to(&job).await.len(), 1);
    service.drained().await;
}

#[tokio::test]
async fn the_address_of_the_job_wins_over_that_of_the_message() {
    let world = World::new().await;
    let service = world.start().await;
    let job = world.converted_job("holiday.mp4").await;
    let stranger = world.converted_job("other.mp4").await;
    let mut message = World::message(&job);
    message.username = stranger.owner.email.clone();
    world.publish(&message).await;
    world.mail_to(&job).await;
    assert!(world.mails_to(&stranger).await.is_empty());
    service.drained().await;
}

#[tokio::test]
async fn a_deleted_job_and_an_outcome_that_was_not_are_no_mail() {
    let world = World::new().await;
    let deleted = world.converted_job("deleted.mp4").await;
    let removal = world.jobs.delete(deleted.owner.id, deleted.job.id).await.unwrap();
    assert!(matches!(removal, Deleted::Removed(_)));
    let converted = world.converted_job("converted.mp4").await;
    let mut lie = World::message(&converted);
    lie.outcome = Outcome::Failed;

    let service = world.start().await;
    world.announce(&deleted).await;
    world.publish(&lie).await;
    world.flush().await;
    assert!(world.mails_to(&deleted).await.is_empty());
    assert!(world.mails_to(&converted).await.is_empty());
    assert_eq!(world.broker.dead_depth(Queue::Mp3).await.unwrap(), 0);
    service.drained().await;
}

#[tokio::test]
async fn malformed_messages_are_parked_and_the_next_is_handled() {
    let world = World::new().await;
    let service = world.start().await;
    world.broker.publish(Queue::Mp3, "nonsense", &"nonsense").await.unwrap();
    let job = world.converted_job("holiday.mp4").await;
    let mut later = World::message(&job);
    later.version = 99;
    world.publish(&later).await;
    world.flush().await;
    wait_until("both are in the dead queue", TIMEOUT, async || {
        world.broker.dead_depth(Queue::Mp3).await.unwrap() == 2
    })
    .await;
    assert!(world.mails_to(&job).await.is_empty());
    service.drained().await;
}
