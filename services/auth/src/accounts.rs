//! The table `accounts`.

use contracts::{EmailAddress, UserId};
use uuid::Uuid;

use crate::database::{Database, DatabaseError};
use crate::password_hash::PasswordHash;

/// What a login needs of an account.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) id: UserId,
    pub(crate) password_hash: PasswordHash,
}

/// Whether a registration made an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Registered {
    /// It did.
    Created,
    /// The address has one; it keeps its password.
    Taken,
}

#[derive(Debug, Clone)]
pub(crate) struct Accounts {
    database: Database,
}

impl Accounts {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Makes an account, unless the address has one.
    ///
    /// A taken address is counted instead of refused: then both ways write and flush one row, and how long the
    /// answer takes says nothing about whether somebody has an account here. A refused insert would be a
    /// disk flush faster.
    pub(crate) async fn register(
        &self,
        id: UserId,
        email: &EmailAddress,
        password_hash: &PasswordHash,
    ) -> Result<Registered, DatabaseError> {
        let written = self.database.ask(async |connection| {
            sqlx::query!(
                "INSERT INTO accounts (id, email, password_hash, created_at) VALUES (?, ?, ?, UTC_TIMESTAMP(6))
                 ON DUPLICATE KEY UPDATE repeated_registrations = repeated_registrations + 1",
                id.as_uuid(),
                email.as_str(),
                password_hash.as_str(),
            )
            .execute(connection)
            .await
        });
        // One row for an insert, two for an update (MySQL 8.4 Reference Manual, 15.2.7.2).
        Ok(if written.await?.rows_affected() == 1 { Registered::Created } else { Registered::Taken })
    }

    /// The account of an address.
    pub(crate) async fn find(&self, email: &EmailAddress) -> Result<Option<Account>, DatabaseError> {
        let row = self.database.ask(async |connection| {
            sqlx::query!(
                r#"SELECT id AS "id: Uuid", password_hash FROM accounts WHERE email = ?"#,
                email.as_str(),
            )
            .fetch_optional(connection)
            .await
        });
        Ok(row.await?.map(|row| Account {
            id: row.id.into(),
            password_hash: PasswordHash::from_stored(row.password_hash),
        }))
    }
}
