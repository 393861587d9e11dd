//! Signing in, with a password or an identity provider, and sessions.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{Secret, SessionId};

/// A request for a session, from the gateway to auth.
#[derive(Debug, Serialize, Deserialize)]
pub struct LoginRequest {
    /// The address, unchecked.
    pub email: String,
    /// The password.
    pub password: Secret,
    /// The client's name for itself, for the list of sessions.
    #[serde(default)]
    pub client: String,
    /// Whether the session ends with its first access token, because the client gets no refresh token.
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
    /// How long that lasts at most, in seconds.
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

/// The start of a sign-in with an identity provider, from the gateway to auth.
#[derive(Debug, Serialize, Deserialize)]
pub struct OidcStart {
    /// The address that the provider sends the browser back to.
    pub redirect_uri: String,
}

/// The browser's next address, and the content of its cookie.
#[derive(Debug, Serialize, Deserialize)]
pub struct OidcStarted {
    /// The provider's address.
    pub location: String,
    /// The cookie's content, which ties the answer to this browser.
    pub attempt: Secret,
}

/// The end of a sign-in with an identity provider, from the gateway to auth.
#[derive(Debug, Serialize, Deserialize)]
pub struct OidcFinish {
    /// The same as at the start.
    pub redirect_uri: String,
    /// The cookie's content.
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
