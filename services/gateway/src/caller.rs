//! Who is calling, and from where. A `Caller` in a handler's signature is the rule that it needs a token or an API key, a
//! `Person` that it needs a token, an `Administrator` that it needs an administrator's.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath};
use axum::http::Method;
use axum::http::request::Parts;
use axum_client_ip::ClientIp;
use axum_extra::TypedHeader;
use axum_extra::headers::Authorization;
use axum_extra::headers::authorization::Bearer;
use contracts::{AccessClaims, ApiKeyHash, Audit, Owner, ProblemCode, Role, Scope, UserId};

use service_kit::audit;
use time::OffsetDateTime;

use crate::Gateway;
use crate::edge::PlaceOfAnswer;
use crate::error::Error;

/// The account whose token or API key the request carries. The key may do what the request asks for, and whoever uploads
/// has confirmed their address where that is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Owner);

/// Somebody who is signed in. Not an API key: what keys can do, they can't change.
#[derive(Clone)]
pub(crate) struct Person {
    /// The token itself, for auth.
    pub(crate) token: String,
    pub(crate) claims: AccessClaims,
}

/// A person whose token says that they are an administrator.
#[derive(Clone)]
pub(crate) struct Administrator(pub(crate) Person);

impl FromRequestParts<Arc<Gateway>> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Error> {
        let caller = counted(parts, gateway, async |parts| Self::identify(parts, gateway).await).await?;
        admit(parts, gateway, caller.0.id).await?;
        Ok(caller)
    }
}

impl Caller {
    async fn identify(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Error> {
        let scope = needed_scope(parts);
        let token = bearer(parts, gateway).await?;
        let (owner, is_verified) = if token.starts_with(ApiKeyHash::KEY_PREFIX) {
            let ClientAddress(client) = ClientAddress::from_request_parts(parts, gateway).await?;
            let holder = gateway.api_keys.holder(&gateway.accounts, &token, client).await?;
            tracing::Span::current().record("user.id", tracing::field::display(holder.account));
            if !holder.scopes.contains(&scope) {
                audit::record(Audit::ApiKeyRefused { user: holder.account });
                return Err(ProblemCode::ScopeMissing.into());
            }
            parts.extensions.insert(Credential::Key { key: token.clone(), client });
            let owner = Owner { id: holder.account, email: holder.email, mails: holder.mails };
            (owner, holder.email_verified)
        } else {
            let claims = verified(gateway, &token).await?;
            parts.extensions.insert(Credential::Session(claims.clone()));
            (Owner { id: claims.sub, email: claims.email, mails: claims.mails }, claims.email_verified)
        };
        if scope == Scope::Upload && gateway.requires_verified_address && !is_verified {
            // The token may be older than the click on the link.
            let is_key = token.starts_with(ApiKeyHash::KEY_PREFIX);
            if is_key || !gateway.accounts.me(&token).await?.email_verified {
                return Err(ProblemCode::AddressNotVerified.into());
            }
        }
        Ok(Self(owner))
    }
}

impl FromRequestParts<Arc<Gateway>> for Person {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Error> {
        let person = counted(parts, gateway, async |parts| Self::identify(parts, gateway).await).await?;
        admit(parts, gateway, person.claims.sub).await?;
        Ok(person)
    }
}

impl Person {
    async fn identify(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Error> {
        let token = bearer(parts, gateway).await?;
        if token.starts_with(ApiKeyHash::KEY_PREFIX) {
            return Err(ProblemCode::ScopeMissing.into());
        }
        let claims = verified(gateway, &token).await?;
        Ok(Self { token, claims })
    }
}

impl FromRequestParts<Arc<Gateway>> for Administrator {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Error> {
        let person = Person::from_request_parts(parts, gateway).await?;
        match person.claims.role {
            Role::Admin => Ok(Self(person)),
            Role::User => {
                audit::record(Audit::AdminRefused { user: person.claims.sub });
                Err(ProblemCode::AdminOnly.into())
            }
        }
    }
}

/// Finds out who it is, and counts by their address those of whom nobody knows it.
async fn counted<T>(
    parts: &mut Parts,
    gateway: &Arc<Gateway>,
    identify: impl AsyncFnOnce(&mut Parts) -> Result<T, Error>,
) -> Result<T, Error> {
    let ClientAddress(client) = ClientAddress::from_request_parts(parts, gateway).await?;
    match identify(parts).await {
        Ok(caller) => Ok(caller),
        Err(error) => {
            gateway.limits.stranger(client)?;
            Err(error)
        }
    }
}

/// Counts a request of this user, and takes the place of its answer.
async fn admit(parts: &Parts, gateway: &Gateway, user: UserId) -> Result<(), Error> {
    gateway.limits.request(user)?;
    if let Some(answer) = parts.extensions.get::<PlaceOfAnswer>() {
        answer.leave(gateway.limits.answering.take(user).await?);
    }
    Ok(())
}

async fn bearer(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<String, Error> {
    let header = TypedHeader::<Authorization<Bearer>>::from_request_parts(parts, gateway).await;
    let Ok(TypedHeader(Authorization(bearer))) = header else { return Err(ProblemCode::NoToken.into()) };
    Ok(bearer.token().to_owned())
}

/// What a token says, if it is genuine and its session has not ended.
async fn verified(gateway: &Gateway, token: &str) -> Result<AccessClaims, Error> {
    let claims = gateway.tokens.verify(token).await?;
    gateway.revocations.check(&gateway.accounts, &claims).await?;
    tracing::Span::current().record("user.id", tracing::field::display(claims.sub));
    Ok(claims)
}

/// What an API key must be for, to do this. The one table of it.
fn needed_scope(parts: &Parts) -> Scope {
    let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    if route.starts_with("/uploads") {
        // A resumable upload is looked at and given up by whoever uploads.
        return Scope::Upload;
    }
    match parts.method {
        // Links to what one may read anyway.
        Method::POST if matches!(route, "/jobs/{id}/link" | "/archives") => Scope::Read,
        Method::GET | Method::HEAD | Method::OPTIONS => Scope::Read,
        Method::DELETE => Scope::Delete,
        _ => Scope::Upload,
    }
}

/// What a request was let in with, for answers that go on for long.
#[derive(Clone)]
pub(crate) enum Credential {
    Session(AccessClaims),
    Key { key: String, client: IpAddr },
}

/// How often a key that is in use is asked about.
const KEY_CHECK: Duration = Duration::from_secs(10);

impl Credential {
    /// Waits until it would not let anybody in any more.
    pub(crate) async fn ended(&self, gateway: &Gateway) {
        match self {
            Self::Session(claims) => {
                let now = u64::try_from(OffsetDateTime::now_utc().unix_timestamp()).unwrap_or_default();
                let left = Duration::from_secs(claims.exp.saturating_sub(now));
                // Either way: it has ended.
                let _ = tokio::time::timeout(left, gateway.revocations.revoked(claims)).await;
            }
            Self::Key { key, client } => loop {
                tokio::time::sleep(KEY_CHECK).await;
                if gateway.api_keys.holder(&gateway.accounts, key, *client).await.is_err() {
                    return;
                }
            },
        }
    }
}

/// The address of the client, for what is counted by it: out of the header that the nearest proxy sets, if the settings name
/// one. Anybody can send such a header, so that only a proxy's counts; any other peer is itself the client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl FromRequestParts<Arc<Gateway>> for ClientAddress {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Error> {
        let peer = ConnectInfo::<SocketAddr>::from_request_parts(parts, gateway).await;
        let ConnectInfo(peer) = peer.map_err(|_| ProblemCode::Internal)?;
        if gateway.trusted_proxies.contain(peer.ip())
            && let Ok(ClientIp(client)) = ClientIp::from_request_parts(parts, gateway).await
        {
            return Ok(Self(client));
        }
        Ok(Self(peer.ip()))
    }
}
