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
        let ClientAddress(client) = ClientAddress::from_request_parts(parts, gateway).await?;
        let owner = match identify(parts, gateway).await {
            Ok(owner) => owner,
            Err(error) => {
                gateway.limits.stranger(client)?;
                return Err(error);
            }
        };
        tracing::Span::current().record("user.id", tracing::field::display(owner.id));
        gateway.limits.request(owner.id)?;
        Ok(Self(owner))
    }
}

async fn identify(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Owner, Error> {
    let header = TypedHeader::<Authorization<Bearer>>::from_request_parts(parts, gateway).await;
    let Ok(TypedHeader(Authorization(bearer))) = header else {
        return Err(ProblemCode::NoToken.into());
    };
    let claims = gateway.tokens.verify(bearer.token()).await?;
    Ok(Owner { id: claims.sub, email: claims.email })
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
