//! What signed-in users do with their own account.

use std::time::Duration;

use contracts::{
    AddressChange, Audit, EmailAddress, ErasureRequest, Me, MeChange, PasswordChange, SessionId, Sessions,
};
use service_kit::audit;

use super::{Service, administration};
use crate::error::Error;
use crate::tables::accounts::{self, Account};
use crate::tables::database::transact;
use crate::tables::outbox::{self, MailKind};
use crate::tables::{mail_tokens, sessions};

/// A signed-in user.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) account: Account,
    pub(crate) session: SessionId,
}

/// A session younger than this may erase an account without a password: the sign-in replaces it.
const FRESH: Duration = Duration::from_mins(15);

impl Service {
    pub(crate) async fn get_me(&self, caller: &Caller) -> Result<Me, Error> {
        let id = caller.account.id;
        let pending = self.database.ask(async |connection| mail_tokens::pending_email(connection, id).await);
        Ok(caller.account.me(pending.await?))
    }

    pub(crate) async fn change_me(&self, mut caller: Caller, change: &MeChange) -> Result<Me, Error> {
        let mails = &mut caller.account.mails;
        mails.submitted = change.mails.submitted.unwrap_or(mails.submitted);
        mails.finished = change.mails.finished.unwrap_or(mails.finished);
        mails.failed = change.mails.failed.unwrap_or(mails.failed);
        let (id, mails) = (caller.account.id, *mails);
        self.database.ask(async |connection| accounts::set_mails(connection, id, mails).await).await?;
        self.get_me(&caller).await
    }

    /// Replaces the password and ends all sessions, including the caller's.
    pub(crate) async fn change_password(&self, caller: Caller, change: PasswordChange) -> Result<(), Error> {
        let Account { id, email, .. } = caller.account.clone();
        self.confirm(&caller.account, change.current_password).await?;
        let hash = self.hash_new(change.new_password, email.clone()).await?;
        let changed = transact!(self.database, |transaction| {
            accounts::set_password(transaction, id, Some(&hash)).await?;
            mail_tokens::delete(transaction, id, mail_tokens::Purpose::Reset).await?;
            sessions::revoke_all(transaction, id).await?;
            outbox::insert(transaction, MailKind::PasswordChanged, &email, None).await
        });
        changed.await?;
        self.relay.wake();
        audit::record(Audit::PasswordChanged { user: id });
        Ok(())
    }

    /// Sends a link to the new address. Using the link changes the account's address.
    pub(crate) async fn change_address(&self, caller: Caller, change: AddressChange) -> Result<(), Error> {
        let email: EmailAddress = change.email.parse().map_err(|_| Error::BadEmail)?;
        self.confirm(&caller.account, change.password).await?;
        let id = caller.account.id;
        let asked = self
            .database
            .ask(async |connection| outbox::insert(connection, MailKind::NewAddress, &email, Some(id)).await);
        asked.await?;
        self.relay.wake();
        Ok(())
    }

    /// Requests the erasure of the account. The gateway deletes the jobs, then auth deletes the row.
    pub(crate) async fn request_erasure(&self, caller: Caller, request: ErasureRequest) -> Result<(), Error> {
        let id = caller.account.id;
        if caller.account.password_hash.is_some() {
            self.confirm(&caller.account, request.password).await?;
        } else {
            let session = caller.session;
            let is_fresh = self
                .database
                .ask(async |connection| sessions::created_within(connection, session, FRESH).await);
            if !is_fresh.await? {
                return Err(Error::WrongPassword);
            }
        }
        administration::request_erasure(&self.database, id).await?;
        audit::record(Audit::ErasureRequested { user: id });
        Ok(())
    }

    pub(crate) async fn list_sessions(&self, caller: &Caller) -> Result<Sessions, Error> {
        let id = caller.account.id;
        let mut listed = self.database.ask(async |connection| sessions::list(connection, id).await).await?;
        for session in &mut listed {
            session.is_current = session.id == caller.session;
        }
        Ok(Sessions { sessions: listed })
    }

    pub(crate) async fn end_session(&self, caller: &Caller, session: SessionId) -> Result<(), Error> {
        let id = caller.account.id;
        let ended = transact!(self.database, |transaction| sessions::revoke(transaction, id, session).await);
        if !ended.await? {
            return Err(Error::NotFound);
        }
        audit::record(Audit::SignedOut { user: id, session });
        Ok(())
    }

    pub(crate) async fn end_sessions(&self, caller: &Caller) -> Result<(), Error> {
        let id = caller.account.id;
        transact!(self.database, |transaction| sessions::revoke_all(transaction, id).await).await?;
        audit::record(Audit::SignedOutEverywhere { user: id });
        Ok(())
    }
}
