//! What administrators do with accounts, through the gateway or the command line.

use contracts::{AccountChange, AccountPage, AccountSummary, Audit, UserId};
use service_kit::audit;

use super::{Caller, Service};
use crate::error::Error;
use crate::tables::database::{Database, DatabaseError, transact};
use crate::tables::{accounts, api_keys, erasures, mail_tokens, outbox, sessions};

const PAGE: u16 = 50;

impl Service {
    pub(crate) async fn list_accounts(
        &self,
        part: &str,
        before: Option<UserId>,
    ) -> Result<AccountPage, Error> {
        let listed =
            self.database.ask(async |connection| accounts::page(connection, part, before, PAGE + 1).await);
        // The query asks for one more than a page, to know whether there is another page.
        let mut users: Vec<AccountSummary> = listed.await?.iter().map(accounts::Account::summary).collect();
        let is_last = users.len() <= PAGE.into();
        users.truncate(PAGE.into());
        let next_cursor = if is_last { None } else { users.last().map(|user| user.id) };
        Ok(AccountPage { users, next_cursor })
    }

    pub(crate) async fn change_account(
        &self,
        caller: &Caller,
        id: UserId,
        change: AccountChange,
    ) -> Result<AccountSummary, Error> {
        let changed = apply(&self.database, id, change).await?.ok_or(Error::NotFound)?;
        audit::record(Audit::AccountChanged { user: caller.account.id, account: id });
        Ok(changed)
    }
}

/// Changes an account. A new role or closing it ends all sessions: their tokens name the old role.
pub(crate) async fn apply(
    database: &Database,
    id: UserId,
    change: AccountChange,
) -> Result<Option<AccountSummary>, DatabaseError> {
    transact!(database, |transaction| {
        let Some(account) = accounts::lock(transaction, id).await? else { return Ok(None) };
        if let Some(role) = change.role.filter(|role| *role != account.role) {
            accounts::set_role(transaction, id, role).await?;
            sessions::revoke_all(transaction, id).await?;
        }
        if let Some(is_disabled) = change.is_disabled.filter(|disabled| *disabled != account.is_disabled) {
            accounts::set_disabled(transaction, id, is_disabled).await?;
            if is_disabled {
                sessions::revoke_all(transaction, id).await?;
            }
        }
        Ok(accounts::lock(transaction, id).await?.map(|account| account.summary()))
    })
    .await
}

/// Requests the erasure of an account, for its owner or an operator.
pub(crate) async fn request_erasure(database: &Database, id: UserId) -> Result<bool, DatabaseError> {
    transact!(database, |transaction| {
        let Some(account) = accounts::lock(transaction, id).await? else { return Ok(false) };
        erasures::request(transaction, id).await?;
        sessions::revoke_all(transaction, id).await?;
        api_keys::delete_all(transaction, id).await?;
        mail_tokens::delete_all(transaction, id).await?;
        outbox::delete_all(transaction, id, &account.email).await?;
        Ok(true)
    })
    .await
}
