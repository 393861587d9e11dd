//! What a token from a mail allows: confirming an address, replacing a password.

use contracts::{Audit, EmailAddress, ResetRequest, Secret, UserId};
use service_kit::audit;

use super::{Service, hand_over};
use crate::error::Error;
use crate::tables::database::transact;
use crate::tables::login_failures::{self, Guess};
use crate::tables::mail_tokens::{self, MailToken, Purpose};
use crate::tables::outbox::{self, MailKind};
use crate::tables::{accounts, address_changes};
use crate::tokens::opaque::TokenHash;

impl Service {
    /// Requests a mail to an address. Does the same work for known and unknown addresses.
    pub(crate) async fn request_mail(&self, kind: MailKind, email: &str) -> Result<(), Error> {
        let email: EmailAddress = email.parse().map_err(|_| Error::BadEmail)?;
        self.database.ask(async |connection| outbox::insert(connection, kind, &email, None).await).await?;
        self.relay.wake();
        Ok(())
    }

    /// Confirms an address: the account's own, or its new one.
    pub(crate) async fn verify_address(&self, token: &Secret) -> Result<(), Error> {
        let hash = TokenHash::of(token.expose());
        let verified = transact!(self.database, |transaction| {
            let Some(MailToken { account: id, purpose, email }) =
                mail_tokens::find(transaction, &hash).await?
            else {
                return Ok(None);
            };
            if purpose == Purpose::Reset {
                return Ok(None);
            }
            let Some(account) = accounts::lock(transaction, id).await? else { return Ok(None) };
            if account.is_erasing {
                return Ok(None);
            }
            mail_tokens::delete(transaction, id, purpose).await?;
            if purpose == Purpose::Verify {
                accounts::mark_verified(transaction, id, &email).await?;
            } else {
                // Another account may have taken the address meanwhile.
                if !accounts::set_email(transaction, id, &email).await? {
                    return Ok(None);
                }
                address_changes::record(transaction, id).await?;
                // Links in the mailbox of the old address must no longer open the account.
                mail_tokens::delete_all(transaction, id).await?;
                outbox::insert(transaction, MailKind::AddressChanged, &account.email, None).await?;
            }
            Ok(Some(id))
        });
        let id = verified.await?.ok_or(Error::BadMailToken)?;
        self.relay.wake();
        audit::record(Audit::AddressConfirmed { user: id });
        Ok(())
    }

    /// Replaces a forgotten password and ends all sessions.
    pub(crate) async fn reset_password(&self, request: ResetRequest) -> Result<(), Error> {
        let hash = TokenHash::of(request.token.expose());
        // Checked before the hashing: a made-up token must not cost a hash.
        let found = self.database.ask(async |connection| mail_tokens::find(connection, &hash).await);
        let token =
            found.await?.filter(|token| token.purpose == Purpose::Reset).ok_or(Error::BadMailToken)?;
        let password_hash = self.hash_new(request.password, token.email).await?;

        let reset = transact!(self.database, |transaction| {
            let found = mail_tokens::find(transaction, &hash).await?;
            let Some(MailToken { account: id, email, .. }) =
                found.filter(|token| token.purpose == Purpose::Reset)
            else {
                return Ok(None);
            };
            let Some(account) = accounts::lock(transaction, id).await? else { return Ok(None) };
            if account.is_erasing || account.is_disabled {
                return Ok(None);
            }
            // The link proves that the caller reads the mail of this address.
            hand_over(transaction, &account, &email, Some(&password_hash)).await?;
            login_failures::delete(transaction, Guess::SignIn(&email)).await?;
            outbox::insert(transaction, MailKind::PasswordChanged, &account.email, None).await?;
            Ok::<Option<UserId>, sqlx::Error>(Some(id))
        });
        let id = reset.await?.ok_or(Error::BadMailToken)?;
        self.relay.wake();
        audit::record(Audit::PasswordReset { user: id });
        Ok(())
    }
}
