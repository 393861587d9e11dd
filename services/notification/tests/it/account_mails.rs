//! Mails about accounts.

use contracts::{AccountMail, AccountMailContent, MailId, Queue};
use test_kit::inbox::Mail;
use test_kit::unique_name;
use time::OffsetDateTime;

use crate::stage::{PUBLIC_URL, SENDER_DOMAIN, Stage, TIMEOUT};

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

async fn publish(stage: &Stage, mail: &AccountMail) {
    stage.broker.publish(Queue::Account, &mail.mail_id.to_string(), mail).await.unwrap();
}

/// Waits for a mail that is sent after all others, since there is one slot.
async fn flush(stage: &Stage) {
    let email = somebody();
    publish(stage, &reset_for(&email, time::Duration::HOUR)).await;
    stage.inbox.wait_for_mail(&email, TIMEOUT).await;
}

#[tokio::test]
async fn a_message_that_comes_several_times_is_one_mail() {
    let stage = Stage::new().await;
    let email = somebody();
    let mail = reset_for(&email, time::Duration::HOUR);
    for _ in 0..3 {
        publish(&stage, &mail).await;
    }
    let service = stage.start().await;
    let received: Mail = stage.inbox.wait_for_mail(&email, TIMEOUT).await;
    assert_eq!(received.token(), Some("a-token-of-the-test"));
    assert!(received.text.contains(&format!("{PUBLIC_URL}/reset#token=")));
    let id = format!("<{}.reset_password@{SENDER_DOMAIN}>", mail.mail_id);
    assert_eq!(received.message_id(), Some(id.as_str()));
    service.drained().await;
    // Another process does not send it again, either.
    let service = stage.start().await;
    publish(&stage, &mail).await;
    flush(&stage).await;
    assert_eq!(stage.inbox.mails_to(&email).await.unwrap().len(), 1);
    service.drained().await;
}

#[tokio::test]
async fn a_link_that_has_expired_is_not_sent() {
    let stage = Stage::new().await;
    let email = somebody();
    publish(&stage, &reset_for(&email, -time::Duration::SECOND)).await;
    let service = stage.start().await;
    flush(&stage).await;
    assert_eq!(stage.inbox.mails_to(&email).await.unwrap().len(), 0);
    service.drained().await;
}
