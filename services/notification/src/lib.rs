//! Notification owns every message to a person. It consumes queue `mp3` and mails each job's owner once: the
//! link to the audio, or why there is none. It also consumes queue `account`, for the mails about accounts
//! and accepted uploads, and records the sent ones beside the jobs.
//!
//! **One mail per outcome.** A mail is claimed on its job before it is sent, recorded there after the mail
//! server accepted it, and only then is the message acknowledged. So a message may arrive any number of
//! times. One case remains: after a crash between the mail server's acceptance and the record, the mail is
//! sent again, with the same Message-ID.
//!
//! **Nothing is lost to a mail server that is away.** Temporary failures are retried with growing delays, for
//! four hours by default. A final refusal is recorded on the job with the server's answer.

mod account_mails;
mod config;
mod letter;
mod mail;
mod mail_server;
mod mailer;
mod outcome_mails;
mod public_url;
mod send_error;
mod sending;
mod templates;
mod wording;

use std::sync::Arc;

use anyhow::ensure;
use broker::{Broker, Subscription};
use contracts::{LinkKey, Queue};
use databases::Databases;
use jobs::JobStore;
use secrecy::ExposeSecret as _;
use service_kit::{Process, Readiness};
use tokio_util::sync::CancellationToken;

use crate::account_mails::AccountMails;
use crate::mail_server::MailServer;
use crate::mailer::Mailer;
use crate::outcome_mails::OutcomeMails;
use crate::sending::Sender;
use crate::templates::Templates;

pub use crate::config::{Config, LEASE};
pub use crate::public_url::{InvalidPublicUrl, PublicUrl};

/// Anyone who guesses the key can download every file, so it must not be a word.
const MIN_LINK_KEY_CHARS: usize = 16;

/// Sends mails until the process shuts down, and finishes those under way.
pub async fn run(config: Config, process: Process) -> anyhow::Result<()> {
    let jobs = JobStore::new(Databases::connect(&config.mongodb).await?.mixdown());
    let sender = sender(&config)?;
    let outcome_mails = Arc::new(outcome_mails(&config, jobs.clone(), sender.clone())?);
    let account_mails = Arc::new(AccountMails {
        jobs: jobs.clone(),
        sent: jobs.account_mails(),
        sender,
        templates: Templates::compile()?,
        from: config.mail_from.clone(),
        public_url: config.public_url.clone(),
    });

    // Outlives the drain: the verdicts about the last mails must still reach the broker.
    let closing = CancellationToken::new();
    let broker = Broker::new(&config.rabbitmq, "notification", closing.clone())?;
    let readiness = {
        let broker = broker.clone();
        Readiness::new().needs_at_first("mongodb", jobs.probe()).needs_at_first("rabbitmq", broker.probe())
    };
    let shutdown = process.serve_admin(readiness);

    let subscription = |queue| Subscription {
        queue,
        slots: config.slots,
        drain: shutdown.drain().clone(),
        abort: shutdown.abort().clone(),
    };
    let outcomes = broker.consume(subscription(Queue::Mp3), move |delivery| {
        let mails = Arc::clone(&outcome_mails);
        async move { mails.deliver(delivery).await }
    });
    let accounts = broker.consume(subscription(Queue::Account), move |delivery| {
        let mails = Arc::clone(&account_mails);
        async move { mails.deliver(delivery).await }
    });
    tokio::join!(outcomes, accounts);
    closing.cancel();
    broker.closed().await;
    Ok(())
}

fn sender(config: &Config) -> anyhow::Result<Sender> {
    let server = MailServer::from_url(&config.smtp_url)?;
    if server.exposes_password() {
        tracing::warn!("SMTP_URL has a password and no TLS: it crosses the network in the clear");
    }
    Ok(Sender { mailer: Mailer::new(server), give_up_after: config.give_up_after, lease: config.lease })
}

fn outcome_mails(config: &Config, jobs: JobStore, sender: Sender) -> anyhow::Result<OutcomeMails> {
    ensure!(
        config.link_key.expose_secret().chars().count() >= MIN_LINK_KEY_CHARS,
        "LINK_KEY must have at least {MIN_LINK_KEY_CHARS} characters"
    );
    Ok(OutcomeMails {
        jobs,
        sender,
        templates: Templates::compile()?,
        from: config.mail_from.clone(),
        links: LinkKey::new(&config.link_key),
        link_lifetime: config.link_lifetime,
        public_url: config.public_url.clone(),
    })
}
