use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use contracts::{IssuedTokens, LoginRequest, RefreshRequest};

use super::body::{Body, CredentialsBody};
use crate::error::Error;
use crate::service::Service;

/// `POST /login`: a session for an address and its password.
pub(crate) async fn log_in(
    State(service): State<Arc<Service>>,
    CredentialsBody(request): CredentialsBody<LoginRequest>,
) -> Result<impl IntoResponse, Error> {
    let issued = service.log_in(request).await;
    let result = issued.as_ref().map_or_else(|error| error.code().as_str(), |_| "success");
    metrics::counter!("mixdown_logins_total", "result" => result).increment(1);
    issued.map(tokens)
}

/// `POST /token/refresh`: new tokens for a refresh token.
pub(crate) async fn refresh(
    State(service): State<Arc<Service>>,
    Body(request): Body<RefreshRequest>,
) -> Result<impl IntoResponse, Error> {
    let token = request.refresh_token.ok_or(Error::InvalidRefreshToken)?;
    service.refresh(&token).await.map(tokens)
}

/// `POST /logout`: ends the session of a refresh token.
pub(crate) async fn log_out(
    State(service): State<Arc<Service>>,
    Body(request): Body<RefreshRequest>,
) -> Result<StatusCode, Error> {
    if let Some(token) = request.refresh_token {
        service.log_out(&token).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn tokens(issued: IssuedTokens) -> impl IntoResponse {
    ([(CACHE_CONTROL, "no-store")], Json(issued))
}
