use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{EmailAddress, MailPreferences, Role, SessionId, UserId};

/// `iss` of every token that auth signs.
pub const ISSUER: &str = "mixdown-auth";

/// `aud` of an access token.
pub const AUDIENCE: &str = "mixdown";

/// `typ` in an access token's header (RFC 9068), so that no other signed object passes for one.
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// The claims of an access token. Signed by auth with Ed25519, verified by the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Always [`ISSUER`].
    pub iss: String,
    /// Always [`AUDIENCE`].
    pub aud: String,
    /// The account.
    pub sub: UserId,
    /// The account's address.
    pub email: EmailAddress,
    /// Whether the address is confirmed.
    pub email_verified: bool,
    /// The token's session: the token ends with it.
    pub sid: SessionId,
    /// The account's role.
    pub role: Role,
    /// The wanted mails about jobs: an upload copies them to its job.
    #[serde(default)]
    pub mails: MailPreferences,
    /// Issued at, in seconds since 1970.
    pub iat: u64,
    /// Not valid before, in seconds since 1970.
    pub nbf: u64,
    /// Expiry, in seconds since 1970.
    pub exp: u64,
    /// The token's own identifier.
    pub jti: Uuid,
}

/// A public Ed25519 key as auth publishes it (RFC 8037).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// Key type: `OKP`.
    pub kty: String,
    /// Curve: `Ed25519`.
    pub crv: String,
    /// The key's use: `sig`.
    #[serde(rename = "use")]
    pub key_use: String,
    /// Algorithm: `EdDSA`.
    pub alg: String,
    /// The name of the key in a token's header.
    pub kid: String,
    /// The 32 bytes of the key, base64url without padding.
    pub x: String,
}

/// Every key whose signatures are accepted (RFC 7517, section 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwkSet {
    /// The keys, in no particular order.
    pub keys: Vec<Jwk>,
}
