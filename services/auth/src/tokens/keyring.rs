//! The signing keys in memory, refreshed from the database.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use contracts::JwkSet;
use secrecy::ExposeSecret as _;
use service_kit::Chain;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::tables::database::DatabaseError;
use crate::tables::signing_keys::{SigningKeys, StoredKey};
use crate::tokens::access_token::{self, NotAPair, SigningKey, VerifyingKeys};
use crate::tokens::sealing::KeyEncryptionKey;

/// The keys could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyringError {
    #[error("could not read the signing keys")]
    Read(#[source] DatabaseError),
    #[error("could not create a signing key")]
    Generate(#[source] Unspecified),
    #[error("could not store a new signing key")]
    Store(#[source] DatabaseError),
    #[error("there is no active signing key")]
    NoneActive,
    /// The setting is wrong, or the row was tampered with.
    #[error("KEY_ENCRYPTION_KEY is not the one that signing key {kid} is encrypted with")]
    WrongEncryptionKey { kid: String },
    #[error("signing key {kid} is damaged")]
    Damaged {
        kid: String,
        #[source]
        source: NotAPair,
    },
}

/// No key has been loaded since the start.
#[derive(Debug, thiserror::Error)]
#[error("no signing key is loaded yet")]
pub(crate) struct NotLoaded;

/// All keys at one moment.
pub(crate) struct Keys {
    pub(crate) signing: SigningKey,
    pub(crate) verifying: VerifyingKeys,
    pub(crate) published: JwkSet,
}

/// Between attempts to load the keys, after the time that a failing attempt takes.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A replica signs with the old key until it has read the keys again (`SIGNING_KEY_REFRESH`, a minute by
/// default), and the clocks of hosts differ.
const REFRESH_MARGIN: Duration = Duration::from_mins(10);

pub(crate) struct Keyring {
    table: SigningKeys,
    encryption: KeyEncryptionKey,
    /// How long a new key is published before it signs.
    announcement: Duration,
    current: watch::Sender<Option<Arc<Keys>>>,
}

impl Keyring {
    pub(crate) fn new(table: SigningKeys, encryption: KeyEncryptionKey, announcement: Duration) -> Self {
        Self { table, encryption, announcement, current: watch::Sender::new(None) }
    }

    /// The keys as last loaded.
    pub(crate) fn current(&self) -> Result<Arc<Keys>, NotLoaded> {
        self.current.borrow().clone().ok_or(NotLoaded)
    }

    /// Loads the keys, creates the first one where there is none, and reloads them until `end` is cancelled.
    ///
    /// # Errors
    /// The first load failed for good. After a later failure the last loaded keys stay in use.
    pub(crate) async fn keep_current(
        &self,
        refresh: Duration,
        end: &CancellationToken,
    ) -> Result<(), KeyringError> {
        end.run_until_cancelled(self.load_for_ever(refresh)).await.unwrap_or(Ok(()))
    }

    async fn load_for_ever(&self, refresh: Duration) -> Result<(), KeyringError> {
        loop {
            match self.load().await {
                Ok(keys) => {
                    self.current.send_replace(Some(Arc::new(keys)));
                    tokio::time::sleep(refresh).await;
                }
                Err(error) if error.is_lasting() && self.current().is_err() => return Err(error),
                Err(error) => {
                    tracing::warn!(error = %Chain(&error), "could not load the signing keys, will try again");
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    async fn load(&self) -> Result<Keys, KeyringError> {
        let mut stored = self.table.published(self.announcement).await.map_err(KeyringError::Read)?;
        if !stored.iter().any(|key| key.is_active) {
            self.table.insert_active(&self.generate()?).await.map_err(KeyringError::Store)?;
            // The new key is ours, or that of a faster replica.
            stored = self.table.published(self.announcement).await.map_err(KeyringError::Read)?;
        }
        let active = stored.iter().find(|key| key.is_active).ok_or(KeyringError::NoneActive)?;
        // The previous key signs until every gateway knows the new one.
        let before = stored.iter().rev().find(|key| !key.is_active && !key.is_new);
        let signing = self.open(if active.is_new { before.unwrap_or(active) } else { active })?;
        let keys = stored.iter().map(|key| access_token::jwk(&key.public_key)).collect();
        let published = JwkSet { keys };
        Ok(Keys { signing, verifying: VerifyingKeys::of(&published), published })
    }

    /// Lets a new key sign. The others stay published until every token that they signed has expired.
    pub(crate) async fn rotate(&self, tokens_last: Duration) -> Result<String, KeyringError> {
        let key = self.generate()?;
        self.table
            .replace_active(&key, self.announcement + tokens_last + REFRESH_MARGIN)
            .await
            .map_err(KeyringError::Store)?;
        Ok(key.kid)
    }

    fn generate(&self) -> Result<StoredKey, KeyringError> {
        let pair = Ed25519KeyPair::generate().map_err(KeyringError::Generate)?;
        let public_key = pair.public_key().as_ref().to_vec();
        let kid = access_token::key_id(&public_key);
        let pkcs8 = pair.to_pkcs8v1().map_err(KeyringError::Generate)?;
        let sealed_private_key =
            self.encryption.seal(&kid, pkcs8.as_ref()).map_err(KeyringError::Generate)?;
        Ok(StoredKey { kid, public_key, sealed_private_key, is_active: true, is_new: true })
    }

    fn open(&self, key: &StoredKey) -> Result<SigningKey, KeyringError> {
        let pkcs8 = self
            .encryption
            .open(&key.kid, &key.sealed_private_key)
            .map_err(|_| KeyringError::WrongEncryptionKey { kid: key.kid.clone() })?;
        SigningKey::from_pkcs8(pkcs8.expose_secret(), &key.public_key)
            .map_err(|source| KeyringError::Damaged { kid: key.kid.clone(), source })
    }
}

impl KeyringError {
    /// Whether a retry with the same settings fails again.
    fn is_lasting(&self) -> bool {
        match self {
            Self::WrongEncryptionKey { .. } | Self::Damaged { .. } => true,
            Self::Read(_) | Self::Generate(_) | Self::Store(_) | Self::NoneActive => false,
        }
    }
}
