use std::time::Duration;

use contracts::MailId;
use jobs::MailClaim;

use crate::store;

const LONG: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_mail_is_claimed_by_one_until_it_is_settled() {
    let mails = store().await.account_mails();
    mails.ensure_indexes().await.unwrap();
    let mail = MailId::generate();
    let MailClaim::Claimed(lease) = mails.claim(mail, LONG).await.unwrap() else { panic!("it is free") };
    assert_eq!(mails.claim(mail, LONG).await.unwrap(), MailClaim::Busy);
    assert!(mails.renew(&lease).await.unwrap());
    assert!(mails.release(&lease).await.unwrap());
    let MailClaim::Claimed(lease) = mails.claim(mail, Duration::ZERO).await.unwrap() else {
        panic!("it is free")
    };
    // It expires at once.
    let MailClaim::Claimed(next) = mails.claim(mail, LONG).await.unwrap() else {
        panic!("the lease is over")
    };
    assert!(!mails.renew(&lease).await.unwrap());
    assert!(!mails.settle(&lease).await.unwrap());
    assert!(mails.settle(&next).await.unwrap());
    assert_eq!(mails.claim(mail, LONG).await.unwrap(), MailClaim::Settled);
    mails.forget(mail).await.unwrap();
    assert!(matches!(mails.claim(mail, LONG).await.unwrap(), MailClaim::Claimed(_)));
}
