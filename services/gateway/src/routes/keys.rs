//! Your API keys.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use contracts::{ApiKeyId, ApiKeys, CreatedApiKey, NewApiKey, ProblemCode};
use service_kit::{Id, JsonBody};

use super::NO_STORE;
use crate::error::Error;
use crate::identity::Person;
use crate::state::Gateway;

/// List your API keys, without the keys themselves.
#[utoipa::path(
    get, path = "/keys", tag = "accounts", security(("token" = [])),
    responses(
        (status = 200, description = "Your keys, the latest first", body = ApiKeys),
    ),
)]
pub(crate) async fn list_keys(
    State(gateway): State<Gateway>,
    person: Person,
) -> Result<Json<ApiKeys>, Error> {
    Ok(Json(gateway.identity.auth.list_keys(&person.token).await?))
}

/// Create an API key: it stands where an access token would, for what its scopes allow. It is shown this once.
#[utoipa::path(
    post, path = "/keys", tag = "accounts", request_body = NewApiKey, security(("token" = [])),
    responses(
        (status = 201, description = "The key", body = CreatedApiKey),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::TooManyKeys]))),
)]
pub(crate) async fn create_key(
    State(gateway): State<Gateway>,
    person: Person,
    JsonBody(new): JsonBody<NewApiKey>,
) -> Result<Response, Error> {
    let created = gateway.identity.auth.create_key(&person.token, &new).await?;
    Ok((StatusCode::CREATED, NO_STORE, Json(created)).into_response())
}

/// Delete an API key. It works for some seconds more at the most.
#[utoipa::path(
    delete, path = "/keys/{id}", tag = "accounts", params(("id" = ApiKeyId, Path,)), security(("token" = [])),
    responses(
        (status = 204, description = "The key is gone"),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::NotFound]))),
)]
pub(crate) async fn delete_key(
    State(gateway): State<Gateway>,
    person: Person,
    Id(id): Id<ApiKeyId>,
) -> Result<StatusCode, Error> {
    gateway.identity.auth.delete_key(&person.token, id).await?;
    gateway.identity.forget_key(id);
    Ok(StatusCode::NO_CONTENT)
}
