use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts as _};
use axum::http::request::Parts;
use axum_client_ip::ClientIp;
use contracts::ProblemCode;
use service_kit::Problem;

use super::Edge;

impl Edge {
    /// The client's address. It comes from the header that the settings name, if the peer is a trusted proxy.
    /// Any client can send such a header, so every other peer counts as the client itself.
    pub(crate) async fn client_address(&self, parts: &mut Parts) -> Result<IpAddr, Problem> {
        let peer = ConnectInfo::<SocketAddr>::from_request_parts(parts, &()).await;
        let ConnectInfo(peer) = peer.map_err(|_| ProblemCode::Internal)?;
        if self.trusted_proxies.contain(peer.ip())
            && let Ok(ClientIp(client)) = ClientIp::from_request_parts(parts, &()).await
        {
            return Ok(client);
        }
        Ok(peer.ip())
    }
}
