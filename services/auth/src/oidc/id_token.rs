//! The checks of an ID token (OpenID Connect Core 1.0, section 3.1.3.7).

use contracts::EmailAddress;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::Deserialize;

use super::{Identity, OidcError};

/// What the token must contain.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    aud: Audience,
    azp: Option<String>,
    nonce: Option<String>,
    email: Option<String>,
    email_verified: Option<Claim>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Some providers send booleans as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Claim {
    Is(bool),
    Says(String),
}

/// No HS256: it would let anyone with the client's secret sign for every user. No `none`: it is no signature.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// How far the clocks may differ.
const LEEWAY_SECONDS: u64 = 30;

/// The specification allows no longer ones (Core, section 2).
const MAX_SUBJECT_BYTES: usize = 255;

/// The identity in the token, if the token is genuine and was issued for us.
pub(super) fn verify(
    token: &str,
    header: &Header,
    keys: &JwkSet,
    expected: &Expected<'_>,
) -> Result<Identity, OidcError> {
    if !ALGORITHMS.contains(&header.alg) {
        return Err(OidcError::IdToken("its algorithm is not among ours"));
    }
    let key = find(keys, header)?;
    let key = DecodingKey::from_jwk(key).map_err(OidcError::Signature)?;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    validation.validate_nbf = true;
    validation.leeway = LEEWAY_SECONDS;
    let claims: Claims = jsonwebtoken::decode(token, &key, &validation).map_err(OidcError::Signature)?.claims;

    let is_for_several = matches!(&claims.aud, Audience::Several(audience) if audience.len() > 1);
    match (&claims.azp, is_for_several) {
        (Some(party), _) if party != expected.client_id => {
            return Err(OidcError::IdToken("it was made for another client"));
        }
        (None, true) => return Err(OidcError::IdToken("it is for several and does not say for whom")),
        _ => {}
    }
    if let Audience::One(audience) = &claims.aud
        && audience != expected.client_id
    {
        return Err(OidcError::IdToken("it is for another client"));
    }
    // The nonce ties the token to this browser's attempt.
    if claims.nonce.as_deref() != Some(expected.nonce) {
        return Err(OidcError::IdToken("it belongs to another attempt"));
    }
    if !(1..=MAX_SUBJECT_BYTES).contains(&claims.sub.len()) {
        return Err(OidcError::IdToken("its subject has no usable length"));
    }
    let is_verified = match &claims.email_verified {
        Some(Claim::Is(is)) => *is,
        Some(Claim::Says(says)) => says == "true",
        None => false,
    };
    let email = claims.email.filter(|_| is_verified).and_then(|email| email.parse::<EmailAddress>().ok());
    Ok(Identity { issuer: expected.issuer.to_owned(), subject: claims.sub, email })
}

/// The provider's key that the header names, or its only one.
fn find<'a>(keys: &'a JwkSet, header: &Header) -> Result<&'a Jwk, OidcError> {
    let key = match &header.kid {
        Some(kid) => keys.find(kid),
        None if keys.keys.len() == 1 => keys.keys.first(),
        None => None,
    };
    let key = key.ok_or(OidcError::IdToken("it is signed with no key of the provider"))?;
    let is_for_signatures =
        key.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
    let is_for_algorithm =
        key.common.key_algorithm.is_none_or(|algorithm| algorithm.to_string() == format!("{:?}", header.alg));
    if is_for_signatures && is_for_algorithm {
        Ok(key)
    } else {
        Err(OidcError::IdToken("its key is for something else"))
    }
}
