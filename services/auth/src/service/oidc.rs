//! Sign-in with an outside identity provider.

use contracts::{EmailAddress, IssuedTokens, OidcFinish, OidcStart, OidcStarted, Providers, UserId};
use service_kit::Audit;

use super::{Service, hand_over};
use crate::error::Error;
use crate::oidc::OidcError;
use crate::tables::accounts;
use crate::tables::database::transact;
use crate::tables::identities;

/// Somebody that a provider vouches for.
#[derive(Debug)]
pub(crate) struct Vouched {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    /// The address, if the provider has seen that it is theirs.
    pub(crate) email: Option<EmailAddress>,
}

impl Service {
    pub(crate) fn providers(&self) -> Providers {
        self.oidc.providers()
    }

    pub(crate) async fn start_elsewhere(
        &self,
        provider: &str,
        start: &OidcStart,
    ) -> Result<OidcStarted, Error> {
        self.oidc.start(provider, &start.redirect_uri).await
    }

    pub(crate) async fn finish_elsewhere(
        &self,
        provider: &str,
        finish: OidcFinish,
    ) -> Result<IssuedTokens, Error> {
        self.keyring.current()?;
        let client = finish.client.clone();
        let vouched = self.oidc.finish(provider, finish).await?;
        let account = self.account_of(&vouched).await?;
        let issued = self.begin_session(account, &client, false).await?;
        Audit::SignedInElsewhere.record(Some(account), Some(provider));
        Ok(issued)
    }

    /// The account of somebody that a provider vouches for: the one that was linked before, else the one with the address,
    /// else a new one.
    async fn account_of(&self, vouched: &Vouched) -> Result<UserId, Error> {
        let Vouched { issuer, subject, email } = vouched;
        let linked =
            self.database.ask(async |connection| identities::find(connection, issuer, subject).await);
        if let Some(account) = linked.await? {
            return Ok(account);
        }
        // An address that nobody has confirmed could be that of somebody else's account.
        let email = email.as_ref().ok_or(OidcError::Unverified)?;
        let new = UserId::generate();
        let account = transact!(self.database, |transaction| {
            // Two callbacks at once.
            if let Some(account) = identities::find(transaction, issuer, subject).await? {
                return Ok(account);
            }
            let account = if let Some(account) = accounts::find(transaction, email).await? {
                if !account.is_verified {
                    hand_over(transaction, &account, email, None).await?;
                }
                account.id
            } else {
                accounts::insert_vouched(transaction, new, email).await?;
                new
            };
            identities::insert(transaction, issuer, subject, account).await?;
            Ok(account)
        });
        Ok(account.await?)
    }
}
