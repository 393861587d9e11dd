//! Mails about accounts.

use contracts::{AccountMail, AccountMailContent, MailId, Queue};
use test_kit::inbox::Mail;
use test_kit::unique_name;
use time::OffsetDateTime;

use crate::world::{PUBLIC_URL, SENDER_DOMAIN, TIMEOUT, World};

fn somebody() -> String {
    format!("{}@example.org", unique_name("eve"))
}

fn reset_for(email: &str, lasts: time::Duration) -> AccountMail {
    let content = AccountMailContent::ResetPassword {
        token: "a-token-of-the-test".to_owned().into(),
        expires_at: OffsetDateTime::now_utc() + lasts,
    };
    AccountMail::new(MailId::generate(), email.parse().unwrap(), content)
}

async fn publish(world: &World, mail: &AccountMail) {
    world.broker.publish(Queue::Account, &mail.mail_id.to_string(), mail).await.unwrap();
}

/// Waits for a mail that is sent after all others, since there is one slot.
async fn flush(world: &World) {
    let email = somebody();
    publish(world, &reset_for(&email, time::Duration::HOUR)).await;
    world.inbox.wait_for_mail(&email, TIMEOUT).await;
}

#[tokio::test]
async fn a_message_that_comes_several_times_is_one_mail() {
    let world = World::new().await;
    let email = somebody();
    let mail = reset_for(&email, time::Duration::HOUR);
    for _ in 0..3 {
        publish(&world, &mail).await;
    }
    let service = world.start().await;
    let received: Mail = world.inbox.wait_for_mail(&email, TIMEOUT).await;
    assert_eq!(received.token(), Some("a-token-of-the-test"));
    assert!(received.text.contains(&format!("{PUBLIC_URL}/reset#token=")));
    let id = format!("<{}.reset_password@{SENDER_DOMAIN}>", mail.mail_id);
    assert_eq!(received.message_id(), Some(id.as_str()));
    service.drained().await;
    // Another process does not send it again, either.
    let service = world.start().await;
    publish(&world, &mail).await;
    flush(&world).await;
    assert_eq!(world.inbox.mails_to(&email).await.unwrap().len(), 1);
    service.drained().await;
}

#[tokio::test]
async fn a_link_that_has_expired_is_not_sent() {
    let world = World::new().await;
    let email = somebody();
    publish(&world, &reset_for(&email, -time::Duration::SECOND)).await;
    let service = world.start().await;
    flush(&world).await;
    assert_eq!(world.inbox.mails_to(&email).await.unwrap().len(), 0);
    service.drained().await;
}
