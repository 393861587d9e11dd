//! Verifying access tokens with auth's public keys, without asking auth for each.

use std::collections::HashMap;
use std::sync::RwLock;
use std::time::{Duration, Instant};

use contracts::{ACCESS_TOKEN_TYPE, AUDIENCE, AccessClaims, ISSUER, JwkSet};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::Url;
use tokio::sync::Mutex;

/// Why a token does not count.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the token is not valid")]
    Invalid,
    #[error("the token has expired")]
    Expired,
    #[error("could not fetch auth's public keys")]
    KeysAway(#[source] reqwest::Error),
}

/// Auth's public keys, by `kid`.
pub(crate) struct TokenVerifier {
    http: reqwest::Client,
    address: Url,
    keys: RwLock<HashMap<String, DecodingKey>>,
    /// When auth was last asked. Held while asking, so that a thousand requests ask once.
    asked: Mutex<Option<Instant>>,
}

/// A retired key is forgotten, and a new one known, at the latest after this.
const REFRESH_AFTER: Duration = Duration::from_mins(5);

/// Tokens with made-up `kid`s must not become requests to auth.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What the clocks of two hosts may differ by.
const LEEWAY_SECONDS: u64 = 5;

impl TokenVerifier {
    pub(crate) fn new(auth: Url) -> Result<Self, reqwest::Error> {
        let mut address = auth;
        address.set_path("/.well-known/jwks.json");
        let http = reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?;
        Ok(Self { http, address, keys: RwLock::default(), asked: Mutex::default() })
    }

    /// What a token says, if auth signed it for us and its time is not over.
    pub(crate) async fn verify(&self, token: &str) -> Result<AccessClaims, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        if header.alg != Algorithm::EdDSA || header.typ.as_deref() != Some(ACCESS_TOKEN_TYPE) {
            return Err(TokenError::Invalid);
        }
        let kid = header.kid.ok_or(TokenError::Invalid)?;
        let key = self.key(&kid).await?.ok_or(TokenError::Invalid)?;
        let claims = jsonwebtoken::decode::<AccessClaims>(token, &key, &validation());
        claims.map(|token| token.claims).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => TokenError::Expired,
            _ => TokenError::Invalid,
        })
    }

    async fn key(&self, kid: &str) -> Result<Option<DecodingKey>, TokenError> {
        let known = self.known(kid);
        let mut asked = self.asked.lock().await;
        let age = asked.map(|at| at.elapsed());
        let is_due = match (&known, age) {
            (_, None) => true,
            (Some(_), Some(age)) => age > REFRESH_AFTER,
            (None, Some(age)) => age > ASK_AGAIN_AFTER,
        };
        if !is_due {
            // Another request may have fetched it while this one waited.
            return Ok(known.or_else(|| self.known(kid)));
        }
        match self.fetch().await {
            Ok(keys) => {
                *asked = Some(Instant::now());
                *self.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner) = keys;
                Ok(self.known(kid))
            }
            // Auth is away: the keys that we have still hold.
            Err(error) if known.is_some() => {
                tracing::warn!(error = %service_kit::Chain(&error), "could not refresh auth's public keys");
                *asked = Some(Instant::now());
                Ok(known)
            }
            Err(error) => Err(TokenError::KeysAway(error)),
        }
    }

    fn known(&self, kid: &str) -> Option<DecodingKey> {
        self.keys.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(kid).cloned()
    }

    async fn fetch(&self) -> Result<HashMap<String, DecodingKey>, reqwest::Error> {
        let answer = self.http.get(self.address.clone()).send().await?.error_for_status()?;
        let set: JwkSet = answer.json().await?;
        let usable = set.keys.into_iter().filter(|key| key.kty == "OKP" && key.crv == "Ed25519");
        Ok(usable.filter_map(|key| Some((key.kid, DecodingKey::from_ed_components(&key.x).ok()?))).collect())
    }
}

fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.validate_nbf = true;
    validation.leeway = LEEWAY_SECONDS;
    validation
}
