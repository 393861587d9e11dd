//! The table `signing_keys`.

use std::time::Duration;

use crate::tables::database::{Database, DatabaseError, micros, transact};

/// A row: a key pair whose private half is encrypted.
#[derive(Debug, Clone)]
pub(crate) struct StoredKey {
    pub(crate) kid: String,
    pub(crate) public_key: Vec<u8>,
    pub(crate) sealed_private_key: Vec<u8>,
    /// Whether it signs, or will sign when every gateway knows it. At most one key is active.
    pub(crate) is_active: bool,
    /// Whether it is so new that some gateway may not know it.
    pub(crate) is_new: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct SigningKeys {
    database: Database,
}

impl SigningKeys {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// The accepted keys, oldest first. `announcement`: the age up to which a key is new.
    pub(crate) async fn published(&self, announcement: Duration) -> Result<Vec<StoredKey>, DatabaseError> {
        let rows = self.database.ask(async |connection| {
            sqlx::query_as!(
                StoredKey,
                r#"SELECT kid, public_key, sealed_private_key, active_slot IS NOT NULL AS "is_active!: bool",
                          created_at > UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND AS "is_new!: bool"
                   FROM signing_keys
                   WHERE retired_at IS NULL OR retired_at > UTC_TIMESTAMP(6)
                   ORDER BY created_at, kid"#,
                micros(announcement),
            )
            .fetch_all(connection)
            .await
        });
        rows.await
    }

    /// Makes this the active key, unless there is one. If several replicas start together, the table's unique
    /// key lets one win, and all of them read its row afterwards.
    pub(crate) async fn insert_active(&self, key: &StoredKey) -> Result<(), DatabaseError> {
        let inserted = self.database.ask(async |connection| {
            let inserted = sqlx::query!(
                "INSERT INTO signing_keys (kid, public_key, sealed_private_key, active_slot, created_at)
                 VALUES (?, ?, ?, 1, UTC_TIMESTAMP(6))",
                key.kid,
                key.public_key,
                key.sealed_private_key,
            )
            .execute(connection)
            .await;
            match inserted {
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
                inserted => inserted.map(|_| true),
            }
        });
        if inserted.await? {
            tracing::info!(kid = key.kid, "created a signing key");
        }
        Ok(())
    }

    /// Replaces the active key, which stays published for this long.
    pub(crate) async fn replace_active(
        &self,
        key: &StoredKey,
        published_for: Duration,
    ) -> Result<(), DatabaseError> {
        transact!(self.database, |transaction| {
            sqlx::query!(
                "UPDATE signing_keys
                     SET active_slot = NULL, retired_at = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND
                     WHERE active_slot = 1",
                micros(published_for),
            )
            .execute(&mut *transaction)
            .await?;
            sqlx::query!(
                "INSERT INTO signing_keys (kid, public_key, sealed_private_key, active_slot, created_at)
                     VALUES (?, ?, ?, 1, UTC_TIMESTAMP(6))",
                key.kid,
                key.public_key,
                key.sealed_private_key,
            )
            .execute(&mut *transaction)
            .await?;
            sqlx::query!("DELETE FROM signing_keys WHERE retired_at < UTC_TIMESTAMP(6)")
                .execute(transaction)
                .await?;
            Ok(())
        })
        .await
    }
}
