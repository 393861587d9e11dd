//! Sign-in with an outside identity provider.

use contracts::{Audit, IssuedTokens, OidcFinish, UserId};
use service_kit::audit;

use super::{Service, hand_over};
use crate::error::Error;
use crate::oidc::Identity;
use crate::tables::database::transact;
use crate::tables::{accounts, identities};

impl Service {
    pub(crate) async fn finish_oidc(
        &self,
        provider: &str,
        finish: OidcFinish,
    ) -> Result<IssuedTokens, Error> {
        self.keyring.current()?;
        let client = finish.client.clone();
        let identity = self.oidc.finish(provider, finish).await?;
        let account = self.account_of(&identity).await?;
        let issued = self.create_session(account, &client, false).await?;
        audit::record(Audit::SignedInWithProvider { user: account, provider });
        Ok(issued)
    }

    /// The account of an identity: the linked one, else the one with the address, else a new one.
    async fn account_of(&self, identity: &Identity) -> Result<UserId, Error> {
        let Identity { issuer, subject, email } = identity;
        let linked =
            self.database.ask(async |connection| identities::find(connection, issuer, subject).await);
        if let Some(account) = linked.await? {
            return Ok(account);
        }
        // An unconfirmed address could belong to somebody else's account.
        let email = email.as_ref().ok_or(Error::AddressNotVerified)?;
        let new = UserId::generate();
        let account = transact!(self.database, |transaction| {
            // A parallel callback may have linked it meanwhile.
            if let Some(account) = identities::find(transaction, issuer, subject).await? {
                return Ok(account);
            }
            let account = if let Some(account) = accounts::find(transaction, email).await? {
                if !account.is_verified {
                    hand_over(transaction, &account, email, None).await?;
                }
                account.id
            } else {
                accounts::insert_verified(transaction, new, email).await?;
                new
            };
            identities::insert(transaction, issuer, subject, account).await?;
            Ok(account)
        });
        Ok(account.await?)
    }
}
