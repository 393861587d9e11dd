//! Publishes the mails of the outbox. What a mail says is decided here, after the request that asked for it was answered:
//! how long that answer took says nothing about whether the address has an account.

use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, PublishError};
use contracts::{AccountMail, AccountMailContent, EmailAddress, Queue, UserId};
use service_kit::Chain;
use sqlx::MySqlConnection;
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::accounts;
use crate::database::{Database, DatabaseError, transact};
use crate::mail_tokens::{self, MailToken, Purpose};
use crate::opaque::{self, TokenHash};
use crate::outbox::{self, MailKind, Wanted};

/// How long mails live and how many there may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MailPolicy {
    pub(crate) verification_lifetime: Duration,
    pub(crate) reset_lifetime: Duration,
    pub(crate) per_hour: u32,
}

/// Wakes the courier when there is a mail, instead of with its next look.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bell(Arc<Notify>);

impl Bell {
    pub(crate) fn ring(&self) {
        self.0.notify_one();
    }
}

pub(crate) struct Courier {
    pub(crate) database: Database,
    pub(crate) broker: Broker,
    pub(crate) policy: MailPolicy,
    pub(crate) bell: Bell,
}

#[derive(Debug, thiserror::Error)]
enum CourierError {
    #[error("could not ask the database")]
    Database(#[from] DatabaseError),
    #[error("could not publish a mail")]
    Publish(#[from] PublishError),
    #[error("there is no randomness")]
    Random(#[from] aws_lc_rs::error::Unspecified),
}

/// Whether the address is that of the account that was asked for, and not of an older one.
async fn is_own(connection: &mut MySqlConnection, wanted: &Wanted) -> Result<bool, sqlx::Error> {
    let account = accounts::find(connection, &wanted.email).await?;
    Ok(account.is_some_and(|account| Some(account.id) == wanted.account))
}

/// For what another replica left, and what was put here by a command.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Longer than a publication may take. What a crash leaves waits that long.
const LEASE: Duration = Duration::from_secs(15);

const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

impl Courier {
    /// Publishes until the end.
    pub(crate) async fn run(self, end: &CancellationToken) {
        let _ = end.run_until_cancelled(self.publish_for_ever()).await;
    }

    async fn publish_for_ever(&self) {
        loop {
            match self.publish_next().await {
                Ok(true) => {}
                Ok(false) => {
                    let _ = tokio::time::timeout(LOOK_EVERY, self.bell.0.notified()).await;
                }
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), "could not publish a mail, will try again");
                    tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
                }
            }
        }
    }

    /// Publishes one mail. `false`: there is none.
    async fn publish_next(&self) -> Result<bool, CourierError> {
        let wanted = self.database.ask(async |connection| outbox::take(connection, LEASE).await).await?;
        let Some(wanted) = wanted else { return Ok(false) };
        let kind = wanted.kind.as_str();
        let result = match self.write(&wanted).await? {
            Some(mail) => {
                let published = self.broker.publish(Queue::Account, &wanted.id.to_string(), &mail).await;
                if let Err(error) = published {
                    self.database
                        .ask(async |connection| outbox::release(connection, wanted.id).await)
                        .await?;
                    return Err(error.into());
                }
                "published"
            }
            None => "dropped",
        };
        // After the confirm: a crash before this publishes the mail again, and notification sends it once.
        self.database.ask(async |connection| outbox::remove(connection, wanted.id).await).await?;
        metrics::counter!("mixdown_account_mails_total", "kind" => kind, "result" => result).increment(1);
        tracing::info!(mail.id = %wanted.id, kind, result, "handled a mail");
        Ok(true)
    }

    /// The mail, if somebody is to get it.
    async fn write(&self, wanted: &Wanted) -> Result<Option<AccountMail>, CourierError> {
        let (token, hash) = opaque::new_token()?;
        let verification = self.policy.verification_lifetime;
        let reset = self.policy.reset_lifetime;
        let content = transact!(self.database, |transaction| {
            Ok(match wanted.kind {
                MailKind::AddressChanged => Some(AccountMailContent::AddressChanged),
                MailKind::PasswordChanged => Some(AccountMailContent::PasswordChanged),
                MailKind::Registered if !is_own(transaction, wanted).await? => {
                    self.write_taken(transaction, &wanted.email).await?
                }
                MailKind::Verify | MailKind::Registered => {
                    let sent = self.token_for_owner(transaction, wanted, Purpose::Verify, &hash).await?;
                    sent.then(|| AccountMailContent::VerifyAddress {
                        token: token.clone(),
                        expires_at: OffsetDateTime::now_utc() + verification,
                    })
                }
                MailKind::Reset => {
                    let sent = self.token_for_owner(transaction, wanted, Purpose::Reset, &hash).await?;
                    sent.then(|| AccountMailContent::ResetPassword {
                        token: token.clone(),
                        expires_at: OffsetDateTime::now_utc() + reset,
                    })
                }
                MailKind::NewAddress => {
                    match (accounts::find(transaction, &wanted.email).await?, wanted.account) {
                        (Some(_), _) => self.write_taken(transaction, &wanted.email).await?,
                        (None, Some(account)) => {
                            let sent =
                                self.token_for_move(transaction, account, &wanted.email, &hash).await?;
                            sent.then(|| AccountMailContent::ConfirmAddress {
                                token: token.clone(),
                                expires_at: OffsetDateTime::now_utc() + verification,
                            })
                        }
                        (None, None) => None,
                    }
                }
            })
        })
        .await?;
        Ok(content.map(|content| AccountMail::new(wanted.id, wanted.email.clone(), content)))
    }

    async fn write_taken(
        &self,
        connection: &mut MySqlConnection,
        email: &EmailAddress,
    ) -> Result<Option<AccountMailContent>, sqlx::Error> {
        let Some(account) = accounts::find(connection, email).await? else { return Ok(None) };
        let may =
            !account.is_erasing && accounts::may_mail(connection, account.id, self.policy.per_hour).await?;
        Ok(may.then_some(AccountMailContent::AddressTaken))
    }

    /// Keeps a token for the account of the address, if there is one that it makes sense for.
    async fn token_for_owner(
        &self,
        connection: &mut MySqlConnection,
        wanted: &Wanted,
        purpose: Purpose,
        hash: &TokenHash,
    ) -> Result<bool, sqlx::Error> {
        let Some(account) = accounts::find(connection, &wanted.email).await? else { return Ok(false) };
        let is_pointless =
            account.is_erasing || account.is_disabled || (purpose == Purpose::Verify && account.is_verified);
        if is_pointless || !accounts::may_mail(connection, account.id, self.policy.per_hour).await? {
            return Ok(false);
        }
        let lifetime = match purpose {
            Purpose::Reset => self.policy.reset_lifetime,
            Purpose::Verify | Purpose::Address => self.policy.verification_lifetime,
        };
        let token = MailToken { account: account.id, purpose, email: wanted.email.clone() };
        mail_tokens::insert(connection, hash, &token, lifetime).await?;
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
        // The last wish counts.
        mail_tokens::forget(connection, account.id, Purpose::Address).await?;
        let token = MailToken { account: account.id, purpose: Purpose::Address, email: email.clone() };
        mail_tokens::insert(connection, hash, &token, self.policy.verification_lifetime).await?;
        Ok(true)
    }
}
