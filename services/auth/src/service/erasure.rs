//! The erasure of accounts, which the gateway carries out.

use contracts::{Audit, Erasures, UserId};
use service_kit::audit;

use super::Service;
use crate::error::Error;
use crate::tables::database::transact;
use crate::tables::erasures;

/// The gateway asks again when it has erased these.
const BATCH: u16 = 100;

impl Service {
    /// The accounts whose jobs and files must be deleted.
    pub(crate) async fn list_erasures(&self) -> Result<Erasures, Error> {
        let accounts = self.database.ask(async |connection| erasures::list_pending(connection, BATCH).await);
        Ok(Erasures { accounts: accounts.await? })
    }

    /// Deletes an account whose jobs and files are gone.
    pub(crate) async fn finish_erasure(&self, id: UserId) -> Result<(), Error> {
        if transact!(self.database, |transaction| erasures::finish(transaction, id).await).await? {
            audit::record(Audit::Erased { user: id });
        }
        Ok(())
    }
}
