//! Access tokens: JWTs signed with Ed25519 (RFC 7519, RFC 8037).

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::{ACCESS_TOKEN_TYPE, AUDIENCE, AccessClaims, ISSUER, Jwk, JwkSet, SessionId};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, get_current_timestamp};
use uuid::Uuid;

use crate::tables::accounts::Account;

/// An issued access token.
pub(crate) struct AccessToken {
    pub(crate) token: String,
    pub(crate) lifetime: Duration,
}

/// The key that signs.
pub(crate) struct SigningKey {
    kid: String,
    key: EncodingKey,
}

/// The bytes are no Ed25519 key pair, or belong to another public key.
#[derive(Debug, thiserror::Error)]
#[error("the private key does not belong to the public key")]
pub(crate) struct NotAPair;

impl SigningKey {
    /// The key in a PKCS#8 document, whose public half is known.
    pub(crate) fn from_pkcs8(pkcs8: &[u8], public_key: &[u8]) -> Result<Self, NotAPair> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| NotAPair)?;
        if pair.public_key().as_ref() != public_key {
            return Err(NotAPair);
        }
        Ok(Self { kid: key_id(public_key), key: EncodingKey::from_ed_der(pkcs8) })
    }

    /// Signs a token for a session of an account.
    pub(crate) fn issue(
        &self,
        account: &Account,
        session: SessionId,
        lifetime: Duration,
    ) -> Result<AccessToken, jsonwebtoken::errors::Error> {
        let now = get_current_timestamp();
        let claims = AccessClaims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: account.id,
            email: account.email.clone(),
            email_verified: account.is_verified,
            sid: session,
            role: account.role,
            mails: account.mails,
            iat: now,
            nbf: now,
            exp: now.saturating_add(lifetime.as_secs()),
            jti: Uuid::new_v4(),
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(ACCESS_TOKEN_TYPE.to_owned());
        header.kid = Some(self.kid.clone());
        Ok(AccessToken { token: jsonwebtoken::encode(&header, &claims, &self.key)?, lifetime })
    }
}

/// The keys whose signatures are accepted, by `kid`.
pub(crate) struct VerifyingKeys(HashMap<String, DecodingKey>);

/// Why an access token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Invalid,
    Expired,
}

impl VerifyingKeys {
    pub(crate) fn of(published: &JwkSet) -> Self {
        let keys = published.keys.iter();
        Self(
            keys.filter_map(|key| Some((key.kid.clone(), DecodingKey::from_ed_components(&key.x).ok()?)))
                .collect(),
        )
    }

    /// The claims of a token that one of the keys signed and that has not expired.
    ///
    /// Reads only `alg`, `typ` and `kid` of the header. Keys that it brings (`jwk`, `jku`, `x5u`) are
    /// ignored.
    pub(crate) fn verify(&self, token: &str) -> Result<AccessClaims, Refusal> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::Invalid)?;
        if header.alg != Algorithm::EdDSA || header.typ.as_deref() != Some(ACCESS_TOKEN_TYPE) {
            return Err(Refusal::Invalid);
        }
        let key = header.kid.and_then(|kid| self.0.get(&kid)).ok_or(Refusal::Invalid)?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_SECONDS;
        let claims = jsonwebtoken::decode::<AccessClaims>(token, key, &validation);
        claims.map(|token| token.claims).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => Refusal::Expired,
            _ => Refusal::Invalid,
        })
    }
}

/// How far the clocks of two hosts may differ.
const LEEWAY_SECONDS: u64 = 5;

/// A key's name: its thumbprint (RFC 7638 with the members that RFC 8037 requires, in their fixed order).
pub(crate) fn key_id(public_key: &[u8]) -> String {
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(public_key));
    URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))
}

/// The key as it is published.
pub(crate) fn jwk(public_key: &[u8]) -> Jwk {
    Jwk {
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        key_use: "sig".to_owned(),
        alg: "EdDSA".to_owned(),
        kid: key_id(public_key),
        x: URL_SAFE_NO_PAD.encode(public_key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of RFC 8037, appendix A.3.
    #[test]
    fn key_ids_are_thumbprints() {
        let public_key = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        assert_eq!(key_id(&public_key), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_private_key_of_another_public_key_is_refused() {
        let pair = Ed25519KeyPair::generate().unwrap();
        let pkcs8 = pair.to_pkcs8v1().unwrap();
        assert!(SigningKey::from_pkcs8(pkcs8.as_ref(), pair.public_key().as_ref()).is_ok());
        assert!(SigningKey::from_pkcs8(pkcs8.as_ref(), &[0; 32]).is_err());
        assert!(SigningKey::from_pkcs8(b"", pair.public_key().as_ref()).is_err());
    }
}
