//! Your API keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse as _, Response};
use contracts::{ApiKeyId, ApiKeys, CreatedApiKey, NewApiKey, ProblemCode};
use reqwest::Method;

use super::Body;
use crate::Gateway;
use crate::error::Error;
use crate::identity::auth_client::{answered, read};
use crate::identity::caller::Person;
use crate::openapi::ProblemAnswer;

/// List your API keys, without the keys themselves.
#[utoipa::path(
    get, path = "/keys", tag = "accounts", security(("token" = [])),
    responses(
        (status = 200, description = "Your keys, the latest first", body = ApiKeys),
    ),
)]
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    person: Person,
) -> Result<Json<ApiKeys>, Error> {
    let request = gateway.accounts.request_of(&person, Method::GET, &["keys"]);
    Ok(Json(read(answered(request).await?).await?))
}

/// Make an API key: it stands where an access token would, for what its scopes allow. It is shown this once.
#[utoipa::path(
    post, path = "/keys", tag = "accounts", request_body = NewApiKey, security(("token" = [])),
    responses(
        (status = 201, description = "The key", body = CreatedApiKey),
        (status = 409, description = "`too_many_keys`", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn make(
    State(gateway): State<Arc<Gateway>>,
    person: Person,
    Body(new): Body<NewApiKey>,
) -> Result<Response, Error> {
    let request = gateway.accounts.request_of(&person, Method::POST, &["keys"]).json(&new);
    let made: CreatedApiKey = read(answered(request).await?).await?;
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], Json(made)).into_response())
}

/// Delete an API key. It works for some seconds more at the most.
#[utoipa::path(
    delete, path = "/keys/{id}", tag = "accounts", params(("id" = ApiKeyId, Path,)), security(("token" = [])),
    responses(
        (status = 204, description = "The key is gone"),
        (status = 404, description = "`not_found`", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    person: Person,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    let id: ApiKeyId = id.parse().map_err(|_| ProblemCode::NotFound)?;
    let path = ["keys", &id.to_string()];
    answered(gateway.accounts.request_of(&person, Method::DELETE, &path)).await?;
    gateway.api_keys.forget(id);
    Ok(StatusCode::NO_CONTENT)
}
