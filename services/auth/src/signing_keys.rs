//! The table `signing_keys`.

use crate::database::{Database, DatabaseError};

/// A row: a key pair whose private half is encrypted.
#[derive(Debug, Clone)]
pub(crate) struct StoredKey {
    pub(crate) kid: String,
    pub(crate) public_key: Vec<u8>,
    pub(crate) sealed_private_key: Vec<u8>,
    /// Whether it signs; at most one does.
    pub(crate) is_active: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct SigningKeys {
    database: Database,
}

impl SigningKeys {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// The keys whose signatures count, oldest first.
    pub(crate) async fn published(&self) -> Result<Vec<StoredKey>, DatabaseError> {
        let rows = self.database.ask(async |connection| {
            sqlx::query_as!(
                StoredKey,
                r#"SELECT kid, public_key, sealed_private_key, active_slot IS NOT NULL AS "is_active!: bool"
                   FROM signing_keys
                   WHERE retired_at IS NULL OR retired_at > UTC_TIMESTAMP(6)
                   ORDER BY created_at, kid"#,
            )
            .fetch_all(connection)
            .await
        });
        rows.await
    }

    /// Makes this the key that signs, unless there is one already: of several replicas that start together, the
    /// unique key lets one win, and all of them read the winner's row afterwards.
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
            tracing::info!(kid = key.kid, "made a signing key");
        }
        Ok(())
    }
}
