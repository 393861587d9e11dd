//! The mails that auth publishes, as notification would get them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth::Config;
use broker::{Broker, BrokerConfig, Delivery, RetryLadder, Subscription, Verdict};
use contracts::{AccountMail, AccountMailContent, Queue};
use test_kit::{shared, unique_name, wait_until};
use tokio_util::sync::CancellationToken;

use crate::world::SOON;

pub(crate) struct Post {
    config: BrokerConfig,
    mails: Arc<Mutex<Vec<AccountMail>>>,
    end: CancellationToken,
}

impl Post {
    /// Queues of the test's own, and a consumer.
    pub(crate) async fn open() -> Self {
        let config = BrokerConfig {
            queue_prefix: format!("{}.", unique_name("auth")),
            retry_delays: RetryLadder::new(vec![Duration::from_millis(200)]).unwrap(),
            ..BrokerConfig::new(shared().rabbitmq_url.clone().into())
        };
        let post = Self { config, mails: Arc::default(), end: CancellationToken::new() };
        let broker = Broker::new(&post.config, "auth tests", post.end.clone()).unwrap();
        broker.ready(SOON).await.unwrap();
        let subscription = Subscription {
            queue: Queue::Account,
            slots: 4,
            drain: post.end.clone(),
            abort: post.end.clone(),
        };
        let mails = Arc::clone(&post.mails);
        tokio::spawn(async move {
            let deliver = move |delivery: Delivery<AccountMail>| {
                let mails = Arc::clone(&mails);
                async move {
                    mails.lock().unwrap().push(delivery.message.clone());
                    Verdict::Done
                }
            };
            broker.consume(subscription, deliver).await;
        });
        post
    }

    /// Lets a service publish here.
    pub(crate) fn connect(&self, config: &mut Config) {
        config.rabbitmq = self.config.clone();
    }

    /// Takes the next mail to an address.
    pub(crate) async fn mail_to(&self, email: &str) -> AccountMail {
        wait_until("there is a mail", SOON, async || self.take(email)).await
    }

    pub(crate) fn take(&self, email: &str) -> Option<AccountMail> {
        let mut mails = self.mails.lock().unwrap();
        let at = mails.iter().position(|mail| mail.username.as_str() == email)?;
        Some(mails.remove(at))
    }

    /// The mails that have arrived and were not taken.
    pub(crate) fn peek_all(&self) -> Vec<AccountMail> {
        self.mails.lock().unwrap().clone()
    }

    pub(crate) fn take_all(&self) -> Vec<AccountMail> {
        std::mem::take(&mut self.mails.lock().unwrap())
    }

    /// The token of the next mail to an address, which must be of this kind.
    pub(crate) async fn token(&self, email: &str, about: &str) -> String {
        let mail = self.mail_to(email).await;
        assert_eq!(mail.content.as_str(), about);
        match mail.content {
            AccountMailContent::VerifyAddress { token, .. }
            | AccountMailContent::ResetPassword { token, .. }
            | AccountMailContent::ConfirmAddress { token, .. } => token.expose().to_owned(),
            other => panic!("{} has no token", other.as_str()),
        }
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        self.end.cancel();
    }
}
