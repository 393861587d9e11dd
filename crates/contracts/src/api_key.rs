//! API keys: as their owners see them, and between the gateway and auth.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::account::UnknownName;
use crate::{ApiKeyId, EmailAddress, MailPreferences, Secret, UserId};

/// What an API key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Uploading videos, and having them converted again.
    Upload,
    /// Reading jobs and files.
    Read,
    /// Cancelling and deleting jobs.
    Delete,
}

impl Scope {
    /// The name that JSON and the database use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Read => "read",
            Self::Delete => "delete",
        }
    }
}

impl FromStr for Scope {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Self::Upload, Self::Read, Self::Delete]
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or(UnknownName)
    }
}

/// The SHA-256 of an API key, which the database stores.
///
/// A key is 256 random bits: a slow hash or a salt would add nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ApiKeyHash([u8; 32]);

impl ApiKeyHash {
    /// The prefix of every key, so that scanners for leaked secrets recognise one.
    pub const KEY_PREFIX: &str = "mxk_";

    /// The hash of a text that has the form of a key.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let random = URL_SAFE_NO_PAD.decode(text.strip_prefix(Self::KEY_PREFIX)?).ok()?;
        (random.len() == 32).then(|| Self(Sha256::digest(text).into()))
    }

    /// The key with these random bytes.
    #[must_use]
    pub fn key_of(random: &[u8; 32]) -> String {
        format!("{}{}", Self::KEY_PREFIX, URL_SAFE_NO_PAD.encode(random))
    }

    /// The bytes of the hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for ApiKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKeyHash(…)")
    }
}

impl Serialize for ApiKeyHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for ApiKeyHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| serde::de::Error::custom("not a SHA-256"))
    }
}

/// An API key, without the key.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ApiKey {
    /// The key's identifier.
    pub id: ApiKeyId,
    /// What you called it.
    pub name: String,
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it stops to work, if ever.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<OffsetDateTime>,
    /// When it was last used, to the minute.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<OffsetDateTime>,
}

/// Your API keys, the latest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ApiKeys {
    /// The keys.
    pub keys: Vec<ApiKey>,
}

/// An API key to be made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct NewApiKey {
    /// What you call it, 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100, example = "backup script")]
    pub name: String,
    /// What it may be used for; at least one.
    #[schema(min_items = 1)]
    pub scopes: BTreeSet<Scope>,
    /// For how many days it works, up to 3650; for ever if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3650)]
    pub expires_in_days: Option<u16>,
}

/// An API key that was made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CreatedApiKey {
    /// What is known of it from now on.
    #[serde(flatten)]
    pub known: ApiKey,
    /// The key itself. It is not shown again.
    pub key: Secret,
}

/// The gateway's request to auth to check a key.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeyCheck {
    /// The key's hash; the key itself stays at the gateway.
    pub hash: ApiKeyHash,
}

/// The holder of a key, and its scopes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyHolder {
    /// The key.
    pub key: ApiKeyId,
    /// Its account.
    pub account: UserId,
    /// The account's address.
    pub email: EmailAddress,
    /// Whether that is verified.
    pub email_verified: bool,
    /// Which mails about jobs the account wants.
    pub mails: MailPreferences,
    /// What the key may be used for.
    pub scopes: BTreeSet<Scope>,
    /// Its expiry in seconds since 1970; `None`: never.
    #[serde(default)]
    pub expires_at: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_form_of_a_key_has_a_hash() {
        let key = ApiKeyHash::key_of(&[7; 32]);
        assert!(key.starts_with("mxk_") && key.len() == 4 + 43, "{key}");
        assert_eq!(ApiKeyHash::of(&key), ApiKeyHash::of(&key.clone()));
        assert_ne!(ApiKeyHash::of(&key), ApiKeyHash::of(&ApiKeyHash::key_of(&[8; 32])));
        for wrong in ["", "mxk_", "mxk_AAAA", &key[1..], &key[..key.len() - 1], &format!("{key}A"), "eyJ"] {
            assert_eq!(ApiKeyHash::of(wrong), None, "{wrong:?}");
        }
    }
}
