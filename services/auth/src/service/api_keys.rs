//! API keys.

use contracts::{
    ApiKeyHash, ApiKeyId, ApiKeys, Audit, CreatedApiKey, KeyCheck, KeyHolder, NewApiKey, is_hidden, is_joiner,
};
use service_kit::audit;

use super::{Caller, Service};
use crate::error::Error;
use crate::tables::accounts;
use crate::tables::api_keys::{self, NewKey};
use crate::tables::database::transact;
use crate::tokens::opaque;

/// More than a user can tell apart.
const MAX_KEYS: usize = 50;

const MAX_NAME_CHARS: usize = 100;
const MAX_DAYS: u16 = 3650;

impl Service {
    pub(crate) async fn list_keys(&self, caller: &Caller) -> Result<ApiKeys, Error> {
        let id = caller.account.id;
        let keys = self.database.ask(async |connection| api_keys::list(connection, id).await).await?;
        Ok(ApiKeys { keys })
    }

    pub(crate) async fn create_key(&self, caller: &Caller, new: &NewApiKey) -> Result<CreatedApiKey, Error> {
        let name = new.name.trim();
        if name.is_empty()
            || name.chars().count() > MAX_NAME_CHARS
            || name.chars().any(|c| is_hidden(c) && !is_joiner(c))
        {
            return Err(Error::BadRequest("The name has 1 to 100 characters, all of them printable."));
        }
        if new.scopes.is_empty() {
            return Err(Error::BadRequest("A key needs at least one scope."));
        }
        if new.expires_in_days.is_some_and(|days| !(1..=MAX_DAYS).contains(&days)) {
            return Err(Error::BadRequest("A key works for 1 to 3650 days, or for ever."));
        }
        let account = caller.account.id;
        let key = ApiKeyHash::key_of(&opaque::random_bytes()?);
        let hash = ApiKeyHash::of(&key).ok_or(Error::BadRequest("The key is malformed."))?;
        let id = ApiKeyId::generate();
        let made = transact!(self.database, |transaction| {
            // Locked: two parallel requests must not both create the fiftieth key.
            accounts::lock(transaction, account).await?;
            if api_keys::list(transaction, account).await?.len() >= MAX_KEYS {
                return Ok(None);
            }
            let new = NewKey { id, name, scopes: &new.scopes, hash, expires_in_days: new.expires_in_days };
            api_keys::insert(transaction, account, &new).await?;
            Ok(api_keys::list(transaction, account).await?.into_iter().find(|key| key.id == id))
        });
        let known = made.await?.ok_or(Error::TooManyKeys)?;
        audit::record(Audit::ApiKeyCreated { user: account, key: id });
        Ok(CreatedApiKey { known, key: key.into() })
    }

    pub(crate) async fn delete_key(&self, caller: &Caller, id: ApiKeyId) -> Result<(), Error> {
        let account = caller.account.id;
        let deleted = self.database.ask(async |connection| api_keys::delete(connection, account, id).await);
        if !deleted.await? {
            return Err(Error::NotFound);
        }
        audit::record(Audit::ApiKeyDeleted { user: account, key: id });
        Ok(())
    }

    /// The holder of an API key, for the gateway.
    pub(crate) async fn check_key(&self, check: &KeyCheck) -> Result<KeyHolder, Error> {
        let hash = check.hash;
        let holder = self.database.ask(async |connection| api_keys::use_key(connection, hash).await).await?;
        let holder = holder.ok_or(Error::InvalidToken)?;
        audit::record(Audit::ApiKeyUsed { user: holder.account });
        Ok(holder)
    }
}
