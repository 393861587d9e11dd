use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{EmailAddress, MailPreferences, Role, SessionId, UserId};

/// `iss` of every token that auth signs.
pub const ISSUER: &str = "mixdown-auth";

/// `aud` of an access token.
pub const AUDIENCE: &str = "mixdown";

/// `typ` in an access token's header (RFC 9068), so that no other signed thing passes for one.
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// What an access token says. Signed by auth with Ed25519, verified by the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Always [`ISSUER`].
    pub iss: String,
    /// Always [`AUDIENCE`].
    pub aud: String,
    /// The account.
    pub sub: UserId,
    /// Where its mails go.
    pub email: EmailAddress,
    /// Whether its owner has shown that they read its mail.
    pub email_verified: bool,
    /// The session that the token belongs to: when it ends, so does the token.
    pub sid: SessionId,
    /// What the account may do beside its own things.
    pub role: Role,
    /// Which mails about jobs are wanted: an upload copies it to its job.
    #[serde(default)]
    pub mails: MailPreferences,
    /// Issued at, in seconds since 1970.
    pub iat: u64,
    /// Not valid before, in seconds since 1970.
    pub nbf: u64,
    /// Not valid from then on, in seconds since 1970.
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
    /// What the key is for: `sig`.
    #[serde(rename = "use")]
    pub key_use: String,
    /// Algorithm: `EdDSA`.
    pub alg: String,
    /// The name a token's header refers to it by.
    pub kid: String,
    /// The 32 bytes of the key, base64url without padding.
    pub x: String,
}

/// Every key whose signatures count now (RFC 7517, section 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwkSet {
    /// The keys, in no particular order.
    pub keys: Vec<Jwk>,
}
