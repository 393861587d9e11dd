//! Publishes the mails of the outbox. The content of a mail is decided here, after the request for it was
//! answered. So the time of that answer does not reveal whether the address has an account.

use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, PublishError};
use contracts::{AccountMail, AccountMailContent as Content, EmailAddress, Queue, UserId};
use service_kit::Chain;
use sqlx::MySqlConnection;
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::tables::accounts;
use crate::tables::database::{Database, DatabaseError, transact};
use crate::tables::mail_tokens::{self, MailToken, Purpose};
use crate::tables::outbox::{self, Decision, MailKind, RequestedMail};
use crate::tokens::opaque::TokenHash;
use crate::tokens::sealing::MailTokenKey;

/// How long tokens in mails work, and how many mails an account gets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MailPolicy {
    pub(crate) verification_lifetime: Duration,
    pub(crate) reset_lifetime: Duration,
    pub(crate) per_hour: u32,
}

impl MailPolicy {
    fn lifetime(&self, purpose: Purpose) -> Duration {
        match purpose {
            Purpose::Reset => self.reset_lifetime,
            Purpose::Verify | Purpose::Address => self.verification_lifetime,
        }
    }
}

/// The purpose of the mail's token, if it has one.
fn purpose_of(decision: Decision) -> Option<Purpose> {
    match decision {
        Decision::VerifyAddress => Some(Purpose::Verify),
        Decision::ResetPassword => Some(Purpose::Reset),
        Decision::ConfirmAddress => Some(Purpose::Address),
        Decision::AddressTaken | Decision::AddressChanged | Decision::PasswordChanged => None,
    }
}

/// Wakes the relay when there is a mail, before its next poll.
#[derive(Debug, Clone, Default)]
pub(crate) struct RelayWaker(Arc<Notify>);

impl RelayWaker {
    pub(crate) fn wake(&self) {
        self.0.notify_one();
    }
}

pub(crate) struct OutboxRelay {
    pub(crate) database: Database,
    pub(crate) broker: Broker,
    pub(crate) policy: MailPolicy,
    pub(crate) tokens: MailTokenKey,
    pub(crate) waker: RelayWaker,
}

#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("could not query the database")]
    Database(#[from] DatabaseError),
    #[error("could not publish a mail")]
    Publish(#[from] PublishError),
}

/// Whether the address belongs to the account of this request, not to an older one.
async fn is_own(connection: &mut MySqlConnection, requested: &RequestedMail) -> Result<bool, sqlx::Error> {
    let account = accounts::find(connection, &requested.email).await?;
    Ok(account.is_some_and(|account| Some(account.id) == requested.account))
}

/// Finds the mails of a replica that died, and of the command line.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Longer than a publication may take. After a crash a mail waits this long.
const LEASE: Duration = Duration::from_secs(15);

/// Between polls while the database is away.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How often the relay checks whether RabbitMQ is back.
const BROKER_POLL: Duration = Duration::from_millis(250);

/// The longest delay of a mail, however often it was tried.
const LONGEST_DELAY: Duration = Duration::from_mins(1);

impl OutboxRelay {
    /// Publishes until `end` is cancelled.
    pub(crate) async fn run(self, end: &CancellationToken) {
        let _ = end.run_until_cancelled(self.publish_for_ever()).await;
    }

    async fn publish_for_ever(&self) {
        loop {
            // While RabbitMQ is away, nothing is decided about a mail.
            while !self.broker.is_ready() {
                tokio::time::sleep(BROKER_POLL).await;
            }
            match self.publish_next().await {
                Ok(true) => {}
                Ok(false) => {
                    let _ = tokio::time::timeout(LOOK_EVERY, self.waker.0.notified()).await;
                }
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), "could not poll the outbox, will try again");
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                }
            }
        }
    }

    /// Claims one mail and publishes it, or postpones it. `false`: there is none.
    async fn publish_next(&self) -> Result<bool, DatabaseError> {
        let requested = self.database.ask(async |connection| outbox::claim(connection, LEASE).await).await?;
        let Some(requested) = requested else { return Ok(false) };
        if let Err(error) = self.handle(&requested).await {
            tracing::warn!(mail.id = %requested.id, error = %Chain(&error), "could not publish a mail, will try again");
            // Postponed, so that a mail that always fails does not block the others.
            self.database
                .ask(async |connection| outbox::postpone(connection, requested.id, LONGEST_DELAY).await)
                .await?;
        }
        Ok(true)
    }

    async fn handle(&self, requested: &RequestedMail) -> Result<(), RelayError> {
        let kind = requested.kind.as_str();
        let result = match self.write(requested).await? {
            Some(mail) => {
                self.broker.publish(Queue::Account, &requested.id.to_string(), &mail).await?;
                "published"
            }
            None => "dropped",
        };
        // After the confirm: a crash before this publishes the mail again, and notification sends it once.
        self.database.ask(async |connection| outbox::delete(connection, requested.id).await).await?;
        metrics::counter!("mixdown_account_mails_total", "kind" => kind, "result" => result).increment(1);
        tracing::info!(mail.id = %requested.id, kind, result, "handled a mail");
        Ok(())
    }

    /// The mail, if there is a reader for it: the same one at every try.
    async fn write(&self, requested: &RequestedMail) -> Result<Option<AccountMail>, RelayError> {
        let token = self.tokens.token(requested.id);
        let hash = TokenHash::of(token.expose());
        let decision = transact!(self.database, |transaction| {
            match outbox::lock_decision(transaction, requested.id).await? {
                None => Ok(None),
                Some(Some(decision)) => {
                    if let Some(purpose) = purpose_of(decision) {
                        mail_tokens::prolong(transaction, &hash, self.policy.lifetime(purpose)).await?;
                    }
                    Ok(Some(decision))
                }
                Some(None) => {
                    let decision = self.decide(transaction, requested, &hash).await?;
                    if let Some(decision) = decision {
                        outbox::decide(transaction, requested.id, decision).await?;
                    }
                    Ok(decision)
                }
            }
        });
        let Some(decision) = decision.await? else { return Ok(None) };
        let expires_at = |purpose| OffsetDateTime::now_utc() + self.policy.lifetime(purpose);
        let content = match decision {
            Decision::VerifyAddress => {
                Content::VerifyAddress { token, expires_at: expires_at(Purpose::Verify) }
            }
            Decision::ResetPassword => {
                Content::ResetPassword { token, expires_at: expires_at(Purpose::Reset) }
            }
            Decision::ConfirmAddress => {
                Content::ConfirmAddress { token, expires_at: expires_at(Purpose::Address) }
            }
            Decision::AddressTaken => Content::AddressTaken,
            Decision::AddressChanged => Content::AddressChanged,
            Decision::PasswordChanged => Content::PasswordChanged,
        };
        Ok(Some(AccountMail::new(requested.id, requested.email.clone(), content)))
    }

    /// Decides the content of the mail, counts the mail and stores its token. `None`: nobody gets it.
    async fn decide(
        &self,
        connection: &mut MySqlConnection,
        requested: &RequestedMail,
        hash: &TokenHash,
    ) -> Result<Option<Decision>, sqlx::Error> {
        Ok(match requested.kind {
            MailKind::AddressChanged => Some(Decision::AddressChanged),
            MailKind::PasswordChanged => Some(Decision::PasswordChanged),
            MailKind::Registered if !is_own(connection, requested).await? => {
                self.decide_taken(connection, &requested.email).await?
            }
            MailKind::Verify | MailKind::Registered => {
                let may = self.token_for_owner(connection, requested, Purpose::Verify, hash).await?;
                may.then_some(Decision::VerifyAddress)
            }
            MailKind::Reset => {
                let may = self.token_for_owner(connection, requested, Purpose::Reset, hash).await?;
                may.then_some(Decision::ResetPassword)
            }
            MailKind::NewAddress => {
                match (accounts::find(connection, &requested.email).await?, requested.account) {
                    (Some(_), _) => self.decide_taken(connection, &requested.email).await?,
                    (None, Some(account)) => {
                        let may = self.token_for_move(connection, account, &requested.email, hash).await?;
                        may.then_some(Decision::ConfirmAddress)
                    }
                    (None, None) => None,
                }
            }
        })
    }

    async fn decide_taken(
        &self,
        connection: &mut MySqlConnection,
        email: &EmailAddress,
    ) -> Result<Option<Decision>, sqlx::Error> {
        let Some(account) = accounts::find(connection, email).await? else { return Ok(None) };
        let may =
            !account.is_erasing && accounts::may_mail(connection, account.id, self.policy.per_hour).await?;
        Ok(may.then_some(Decision::AddressTaken))
    }

    /// Stores a token for the account of the address. `false`: there is no account that needs one.
    async fn token_for_owner(
        &self,
        connection: &mut MySqlConnection,
        requested: &RequestedMail,
        purpose: Purpose,
        hash: &TokenHash,
    ) -> Result<bool, sqlx::Error> {
        let Some(account) = accounts::find(connection, &requested.email).await? else { return Ok(false) };
        let is_pointless =
            account.is_erasing || account.is_disabled || (purpose == Purpose::Verify && account.is_verified);
        if is_pointless || !accounts::may_mail(connection, account.id, self.policy.per_hour).await? {
            return Ok(false);
        }
        let token = MailToken { account: account.id, purpose, email: requested.email.clone() };
        mail_tokens::insert(connection, hash, &token, self.policy.lifetime(purpose)).await?;
        Ok(true)
    }

    async fn token_for_move(
        &self,
        connection: &mut MySqlConnection,
        account: UserId,
        email: &EmailAddress,
        hash: &TokenHash,
    ) -> Result<bool, sqlx::Error> {
        let Some(account) = accounts::lock(connection, account).await? else { return Ok(false) };
        if account.is_erasing || !accounts::may_mail(connection, account.id, self.policy.per_hour).await? {
            return Ok(false);
        }
        // The last requested address counts. A repeated request for the same address keeps the earlier link:
        // both mails may be on their way.
        mail_tokens::delete_other_moves(connection, account.id, email).await?;
        let token = MailToken { account: account.id, purpose: Purpose::Address, email: email.clone() };
        mail_tokens::insert(connection, hash, &token, self.policy.lifetime(Purpose::Address)).await?;
        Ok(true)
    }
}
