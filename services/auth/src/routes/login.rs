use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use contracts::{IssuedTokens, LoginRequest, ProblemCode, RefreshRequest};
use service_kit::Problem;

use super::credentials::Body;
use crate::error::Error;
use crate::service::Service;

/// `POST /login`: a session for an address and its password.
pub(crate) async fn log_in(
    State(service): State<Arc<Service>>,
    request: Result<Body<LoginRequest>, Problem>,
) -> Result<impl IntoResponse, axum::response::Response> {
    let Body(request) = request.map_err(|problem| {
        let problem = match problem.code() {
            ProblemCode::BadRequest => {
                problem.with_detail("The body is a JSON object with the strings `email` and `password`.")
            }
            _ => problem,
        };
        problem.into_response()
    })?;
    let issued = service.log_in(request).await;
    let result = issued.as_ref().map_or_else(|error| error.code().as_str(), |_| "success");
    metrics::counter!("mixdown_logins_total", "result" => result).increment(1);
    issued.map(tokens).map_err(IntoResponse::into_response)
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
