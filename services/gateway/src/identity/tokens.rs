//! Verifies access tokens with auth's public keys, without a request to auth for each token.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use contracts::{ACCESS_TOKEN_TYPE, AUDIENCE, AccessClaims, ISSUER, JwkSet};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::Url;
use service_kit::http::CLIENT_IDLE;
use tokio::sync::Mutex;

/// Why a token is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the token is not valid")]
    Invalid,
    #[error("the token has expired")]
    Expired,
    #[error("could not fetch auth's public keys")]
    KeysAway(#[source] reqwest::Error),
    #[error("auth gave no public keys a moment ago")]
    KeysUnknown,
}

/// Auth's public keys.
pub(crate) struct TokenVerifier {
    http: reqwest::Client,
    address: Url,
    known: RwLock<Known>,
    /// When auth was last asked. Locked while asking, so that a thousand requests ask only once.
    asked: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Known {
    /// By `kid`.
    keys: HashMap<String, DecodingKey>,
    /// When auth gave them.
    since: Option<Instant>,
}

/// After this time at the latest a retired key is forgotten and a new one is known.
const REFRESH_AFTER: Duration = Duration::from_mins(5);

/// The pause between requests for keys: a token with a made-up `kid` must not cause one each time.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The same before auth has ever answered.
const START_PAUSE: Duration = Duration::from_millis(500);

fn is_due(asked: Option<Instant>, pause: Duration) -> bool {
    asked.is_none_or(|at| at.elapsed() > pause)
}

/// How much the clocks of two hosts may differ.
const LEEWAY_SECONDS: u64 = 5;

impl TokenVerifier {
    pub(crate) fn new(auth: Url) -> Result<Self, reqwest::Error> {
        let mut address = auth;
        address.set_path("/.well-known/jwks.json");
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .pool_idle_timeout(CLIENT_IDLE)
            .build()?;
        Ok(Self { http, address, known: RwLock::default(), asked: Mutex::default() })
    }

    /// The claims of a token, if auth signed it for us and it has not expired.
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
        let (known, age) = self.known(kid);
        match (known, age) {
            (Some(key), Some(age)) if age < REFRESH_AFTER => Ok(Some(key)),
            (Some(key), _) => {
                // No request waits for a refresh: the known key is valid meanwhile.
                if let Ok(mut asked) = self.asked.try_lock()
                    && is_due(*asked, ASK_AGAIN_AFTER)
                    && let Err(error) = self.refresh(&mut asked).await
                {
                    tracing::warn!(error = %service_kit::Chain(&error), "could not refresh auth's public keys");
                    return Ok(Some(key));
                }
                Ok(self.known(kid).0)
            }
            (None, _) => {
                let mut asked = self.asked.lock().await;
                // Another request may have fetched it while this one waited.
                let (known, age) = self.known(kid);
                let pause = if age.is_some() { ASK_AGAIN_AFTER } else { START_PAUSE };
                if known.is_some() || (!is_due(*asked, pause) && age.is_some()) {
                    return Ok(known);
                }
                if !is_due(*asked, pause) {
                    return Err(TokenError::KeysUnknown);
                }
                self.refresh(&mut asked).await.map_err(TokenError::KeysAway)?;
                Ok(self.known(kid).0)
            }
        }
    }

    async fn refresh(&self, asked: &mut Option<Instant>) -> Result<(), reqwest::Error> {
        // Set before the result is known: while auth is away, a made-up `kid` must not cause a request each
        // time.
        *asked = Some(Instant::now());
        let keys = self.fetch().await?;
        let known = Known { keys, since: Some(Instant::now()) };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(())
    }

    /// The key, and how old the keys are.
    fn known(&self, kid: &str) -> (Option<DecodingKey>, Option<Duration>) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        (known.keys.get(kid).cloned(), known.since.map(|since| since.elapsed()))
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
