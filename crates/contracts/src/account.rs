//! What people see of their accounts, and what the gateway and auth say to each other about them.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{ApiKeyId, EmailAddress, SessionId, UserId};

/// A password or token on its way between two services. `Debug` hides it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
pub struct Secret(SecretString);

impl Secret {
    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The text, still hidden.
    #[must_use]
    pub fn into_inner(self) -> SecretString {
        self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

/// What an account may do beside its own things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Nothing.
    User,
    /// See and change how the system is run.
    Admin,
}

impl Role {
    /// The name that JSON and the database use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }
}

/// Which mails about jobs an account wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct MailPreferences {
    /// When a video was accepted.
    pub submitted: bool,
    /// When a file is ready.
    pub finished: bool,
    /// When a video could not be converted.
    pub failed: bool,
}

impl Default for MailPreferences {
    fn default() -> Self {
        Self { submitted: false, finished: true, failed: true }
    }
}

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

/// The text is none of the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such role or scope")]
pub struct UnknownName;

impl FromStr for Role {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Self::User, Self::Admin].into_iter().find(|role| role.as_str() == text).ok_or(UnknownName)
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

/// What is kept of an API key: its SHA-256.
///
/// A key is 256 random bits, so there is nothing to guess and nothing that a slow hash or a salt would protect; and a
/// fast one lets every request be checked.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ApiKeyHash([u8; 32]);

impl ApiKeyHash {
    /// What every key begins with, so that scanners for leaked secrets know one when they see it.
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

/// A request for a session, from the gateway to auth.
#[derive(Debug, Serialize, Deserialize)]
pub struct LoginRequest {
    /// The address, as it came.
    pub email: String,
    /// The password.
    pub password: Secret,
    /// What the client calls itself, for the list of sessions.
    #[serde(default)]
    pub client: String,
    /// Whether the session ends with its first access token: a client that is given nothing to refresh it with.
    #[serde(default)]
    pub is_short: bool,
}

/// The tokens of a session, from auth to the gateway (RFC 6749, section 5.1).
#[derive(Debug, Serialize, Deserialize)]
pub struct IssuedTokens {
    /// The access token.
    pub access_token: String,
    /// How long it lasts, in seconds.
    pub expires_in: u64,
    /// The refresh token, unless the session is a short one.
    pub refresh_token: Option<Secret>,
    /// How long that lasts at the most, in seconds.
    pub refresh_expires_in: u64,
}

/// A refresh token.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RefreshRequest {
    /// The token as the last answer had it. Left out by a browser that has it in a cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub refresh_token: Option<Secret>,
}

/// A token out of a mail.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct VerifyRequest {
    /// What follows `#token=` in the link.
    pub token: Secret,
}

/// An address to send a mail to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AddressRequest {
    /// The account's e-mail address.
    #[schema(format = Email, example = "ada@example.org")]
    pub email: String,
}

/// A new password, for whoever reads the account's mail.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ResetRequest {
    /// What follows `#token=` in the link.
    pub token: Secret,
    /// The new password: 8 to 128 characters.
    #[schema(format = Password, min_length = 8, max_length = 128)]
    pub password: Secret,
}

/// A new password, for whoever knows the old one.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PasswordChange {
    /// The password until now.
    #[schema(format = Password)]
    pub current_password: Secret,
    /// The password from now on: 8 to 128 characters.
    #[schema(format = Password, min_length = 8, max_length = 128)]
    pub new_password: Secret,
}

/// Another address for the account.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AddressChange {
    /// The new e-mail address.
    #[schema(format = Email, example = "ada@example.net")]
    pub email: String,
    /// The account's password.
    #[schema(format = Password)]
    pub password: Secret,
}

/// The end of an account.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ErasureRequest {
    /// The account's password. An account without one (it signs in elsewhere) must have signed in within the last
    /// quarter of an hour, and sends an empty text.
    #[schema(format = Password)]
    pub password: Secret,
}

/// Your account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// The account.
    pub id: UserId,
    /// Its address.
    pub email: EmailAddress,
    /// Whether you have confirmed it.
    pub email_verified: bool,
    /// What you may do beside your own things.
    pub role: Role,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Whether it has a password; one that signs in elsewhere need not.
    pub has_password: bool,
    /// An address that replaces the present one once you have confirmed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_email: Option<EmailAddress>,
    /// Which mails about jobs you get.
    pub mails: MailPreferences,
}

/// What is to be changed of your account.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MeChange {
    /// Which mails about jobs you get. Jobs that are under way keep what held when they were uploaded.
    pub mails: MailPreferencesChange,
}

/// Which mails are to be switched on or off; those left out stay as they are.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct MailPreferencesChange {
    /// When a video was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted: Option<bool>,
    /// When a file is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<bool>,
    /// When a video could not be converted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<bool>,
}

/// A place where you are signed in.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// The session.
    pub id: SessionId,
    /// When you signed in.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last got new tokens.
    #[serde(with = "time::serde::rfc3339")]
    pub last_used_at: OffsetDateTime,
    /// What the client called itself.
    pub client: String,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

/// Where you are signed in, the latest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Sessions {
    /// The sessions.
    pub sessions: Vec<Session>,
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

/// A question from the gateway to auth: whose key is this?
#[derive(Debug, Serialize, Deserialize)]
pub struct KeyCheck {
    /// The key's hash; the key itself stays at the gateway.
    pub hash: ApiKeyHash,
}

/// Whose key it is and what it may do.
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
    /// When it stops to work, if ever, in seconds since 1970.
    #[serde(default)]
    pub expires_at: Option<i64>,
}

/// What has ended before its tokens have expired, from auth to the gateway.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Revocations {
    /// Sessions that ended within the lifetime of an access token.
    pub sessions: Vec<SessionId>,
    /// Accounts that are being erased, or were within the time that an upload may take.
    pub erased_accounts: Vec<UserId>,
}

/// Accounts whose jobs and files wait to be deleted, from auth to the gateway.
#[derive(Debug, Serialize, Deserialize)]
pub struct Erasures {
    /// The accounts, the longest waiting first.
    pub accounts: Vec<UserId>,
}

/// An account, as an administrator sees it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AccountSummary {
    /// The account.
    pub id: UserId,
    /// Its address.
    pub email: EmailAddress,
    /// Whether its owner has confirmed it.
    pub email_verified: bool,
    /// What it may do beside its own things.
    pub role: Role,
    /// Whether it is closed.
    pub is_disabled: bool,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// A page of accounts.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AccountPage {
    /// The accounts, the latest first.
    pub users: Vec<AccountSummary>,
    /// The `cursor` of the next page; none on the last.
    pub next_cursor: Option<UserId>,
}

/// What an administrator changes of an account; what is left out stays.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct AccountChange {
    /// Its role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Whether it is closed: nobody can sign in, and all sessions end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_disabled: Option<bool>,
}

/// An identity provider that one can sign in with.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Provider {
    /// Its name in addresses.
    pub id: String,
    /// Its name for people.
    pub name: String,
}

/// The identity providers.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Providers {
    /// In the order of the settings.
    pub providers: Vec<Provider>,
}

/// The beginning of a sign-in elsewhere, from the gateway to auth.
#[derive(Debug, Serialize, Deserialize)]
pub struct OidcStart {
    /// Where the provider sends the browser back to.
    pub redirect_uri: String,
}

/// Where the browser goes, and what it must bring back.
#[derive(Debug, Serialize, Deserialize)]
pub struct OidcStarted {
    /// The provider's address.
    pub location: String,
    /// For a cookie: what ties the answer to this browser.
    pub attempt: Secret,
}

/// The end of a sign-in elsewhere, from the gateway to auth.
#[derive(Debug, Serialize, Deserialize)]
pub struct OidcFinish {
    /// The same as at the start.
    pub redirect_uri: String,
    /// What the cookie holds.
    pub attempt: Secret,
    /// `state` of the callback.
    pub state: Secret,
    /// `code` of the callback.
    pub code: Secret,
    /// `iss` of the callback, if it has one (RFC 9207).
    #[serde(default)]
    pub iss: Option<String>,
    /// What the client calls itself.
    #[serde(default)]
    pub client: String,
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

    #[test]
    fn secrets_are_not_shown_by_debug() {
        let request: ResetRequest =
            serde_json::from_str(r#"{"token":"s3cret","password":"s3cret"}"#).unwrap();
        assert!(!format!("{request:?}").contains("s3cret"));
        assert!(serde_json::to_string(&request).unwrap().contains("s3cret"));
    }

    #[test]
    fn mails_of_jobs_from_before_are_wanted_as_they_were_sent() {
        let wanted: MailPreferences = serde_json::from_str("{}").unwrap();
        assert_eq!(wanted, MailPreferences { submitted: false, finished: true, failed: true });
    }
}
