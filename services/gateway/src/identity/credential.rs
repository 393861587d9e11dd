use std::net::IpAddr;
use std::time::Duration;

use axum::http::request::Parts;
use axum_extra::headers::Authorization;
use axum_extra::headers::HeaderMapExt as _;
use axum_extra::headers::authorization::Bearer;
use contracts::{AccessClaims, ApiKeyHash, KeyHolder, ProblemCode};
use time::OffsetDateTime;

use super::identification::Identity;
use crate::error::Error;

/// The verified content of a request's `Authorization: Bearer`.
#[derive(Clone)]
pub(crate) enum Credential {
    /// An access token.
    Session { token: String, claims: AccessClaims },
    /// An API key.
    Key { key: String, holder: KeyHolder, client: IpAddr },
}

/// How often a key is checked again during a long answer.
const KEY_CHECK: Duration = Duration::from_secs(10);

impl Identity {
    /// Reads and verifies the credential of a request.
    pub(super) async fn credential(&self, parts: &mut Parts) -> Result<Credential, Error> {
        let bearer = parts.headers.typed_get::<Authorization<Bearer>>().ok_or(ProblemCode::NoToken)?;
        let text = bearer.token().to_owned();
        let (user, credential) = if text.starts_with(ApiKeyHash::KEY_PREFIX) {
            let client = self.edge.client_address(parts).await?;
            let holder = self.api_keys.holder(&self.auth, &text, client).await?;
            (holder.account, Credential::Key { key: text, holder, client })
        } else {
            let claims = self.verify(&text).await?;
            (claims.sub, Credential::Session { token: text, claims })
        };
        tracing::Span::current().record("user.id", tracing::field::display(user));
        Ok(credential)
    }

    /// The claims of a token, if it is genuine and its session has not ended.
    async fn verify(&self, token: &str) -> Result<AccessClaims, Error> {
        let claims = self.tokens.verify(token).await?;
        if !self.revocations.is_loaded() {
            // The gateway has just started. A token that was revoked before must not work, not even for a
            // moment.
            self.auth.refresh_revocations().await?;
        }
        if self.revocations.is_revoked(&claims) { Err(ProblemCode::InvalidToken.into()) } else { Ok(claims) }
    }

    /// Waits until a credential is no longer valid.
    pub(crate) async fn ended(&self, credential: &Credential) {
        match credential {
            Credential::Session { claims, .. } => {
                let now = u64::try_from(OffsetDateTime::now_utc().unix_timestamp()).unwrap_or_default();
                let left = Duration::from_secs(claims.exp.saturating_sub(now));
                // Expired or revoked: either way it has ended.
                let _ = tokio::time::timeout(left, self.revocations.revoked(claims)).await;
            }
            Credential::Key { key, client, .. } => loop {
                tokio::time::sleep(KEY_CHECK).await;
                if self.api_keys.holder(&self.auth, key, *client).await.is_err() {
                    return;
                }
            },
        }
    }
}
