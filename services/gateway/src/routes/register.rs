use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;

use super::json_problem;
use crate::Gateway;
use crate::accounts::Credentials;
use crate::caller::ClientAddress;
use crate::error::Error;
use crate::openapi::ProblemAnswer;

/// Make an account. The answer is the same whether or not the address has one already.
#[utoipa::path(
    post, path = "/register", tag = "accounts", request_body = Credentials,
    responses(
        (status = 201, description = "Done, or the address has an account already"),
        (status = 400, description = "`bad_email`, `bad_password`, `common_password`, `bad_request`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 413, description = "`too_large`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_requests`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn register(
    State(gateway): State<Arc<Gateway>>,
    ClientAddress(client): ClientAddress,
    credentials: Result<Json<Credentials>, JsonRejection>,
) -> Result<StatusCode, Error> {
    gateway.limits.credentials(client)?;
    let Json(credentials) = credentials.map_err(|rejection| json_problem(&rejection))?;
    gateway.accounts.register(&credentials).await?;
    Ok(StatusCode::CREATED)
}
