//! Who is calling, and from where. A `Caller` in a handler's signature is the rule that it needs a token.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum_client_ip::ClientIp;
use axum_extra::TypedHeader;
use axum_extra::headers::Authorization;
use axum_extra::headers::authorization::Bearer;
use contracts::{Owner, ProblemCode};

use crate::Gateway;
use crate::error::Error;

/// The account whose token the request carries.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Owner);

impl FromRequestParts<Arc<Gateway>> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Error> {
        let header = TypedHeader::<Authorization<Bearer>>::from_request_parts(parts, gateway).await;
        let Ok(TypedHeader(Authorization(bearer))) = header else {
            return Err(ProblemCode::NoToken.into());
        };
        let claims = gateway.tokens.verify(bearer.token()).await?;
        tracing::Span::current().record("user.id", tracing::field::display(claims.sub));
        Ok(Self(Owner { id: claims.sub, email: claims.email }))
    }
}

/// The address of the client, for what is counted by it: out of the header that the nearest proxy sets, if the settings
/// name one. A request without it came past the proxy, and its peer is the client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        if let Ok(ClientIp(client)) = ClientIp::from_request_parts(parts, state).await {
            return Ok(Self(client));
        }
        let peer = ConnectInfo::<SocketAddr>::from_request_parts(parts, state).await;
        let ConnectInfo(peer) = peer.map_err(|_| ProblemCode::Internal)?;
        Ok(Self(peer.ip()))
    }
}
