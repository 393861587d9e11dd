//! Tokens and the sessions that they belong to.

use axum::Json;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use contracts::{IssuedTokens, ProblemCode, RefreshRequest, Secret, SessionId, Sessions};
use serde::Serialize;
use service_kit::{Id, OptionalJsonBody};
use utoipa::ToSchema;

use super::NO_STORE;
use crate::error::Error;
use crate::identity::{Cookie, Person, Visitor};
use crate::state::Gateway;

/// The tokens of a session.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenAnswer {
    /// The token for the `Authorization: Bearer` header.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// How long the access token lasts, in seconds.
    expires_in: u64,
    /// What `POST /token/refresh` takes, once. Not here where it is in a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    refresh_token: Option<Secret>,
}

/// Where a client keeps its refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// The client gets it in the answer's body, and sends it in the request's body.
    Body,
    /// The browser keeps it in a cookie that no script can read.
    Cookie,
}

/// The answer with new tokens.
pub(crate) fn tokens(gateway: &Gateway, issued: IssuedTokens, keeping: Keeping) -> Result<Response, Error> {
    let IssuedTokens { access_token, expires_in, refresh_token, refresh_expires_in } = issued;
    let cookie = match (&refresh_token, keeping) {
        (Some(token), Keeping::Cookie) => {
            Some(gateway.identity.site.set(Cookie::Refresh, token, refresh_expires_in)?)
        }
        _ => None,
    };
    let refresh_token = refresh_token.filter(|_| keeping == Keeping::Body);
    let body = TokenAnswer { access_token, token_type: "Bearer", expires_in, refresh_token };
    let mut response = (NO_STORE, Json(body)).into_response();
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// The refresh token of a request: from its body, or from its cookie if no other site can have sent the
/// request.
fn refresh_token(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: Option<RefreshRequest>,
) -> Result<Option<(Secret, Keeping)>, Error> {
    if let Some(token) = body.and_then(|body| body.refresh_token) {
        return Ok(Some((token, Keeping::Body)));
    }
    let Some(token) = gateway.identity.site.read(Cookie::Refresh, headers) else { return Ok(None) };
    gateway.identity.site.same_origin(headers)?;
    Ok(Some((token, Keeping::Cookie)))
}

/// Exchange a refresh token for new tokens.
///
/// Each refresh token works once; the answer has the next one. Using one again ends the session, unless it is within half a
/// minute: then the answer was lost. A browser that keeps it in a cookie sends an empty body.
#[utoipa::path(
    post, path = "/token/refresh", tag = "accounts", request_body = Option<RefreshRequest>,
    responses(
        (status = 200, description = "New tokens", body = TokenAnswer),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::InvalidRefreshToken, ProblemCode::CrossSite]))),
)]
pub(crate) async fn refresh_tokens(
    State(gateway): State<Gateway>,
    _: Visitor,
    headers: HeaderMap,
    OptionalJsonBody(body): OptionalJsonBody<RefreshRequest>,
) -> Result<Response, Error> {
    let (token, keeping) =
        refresh_token(&gateway, &headers, body)?.ok_or(ProblemCode::InvalidRefreshToken)?;
    let issued = gateway.identity.auth.refresh_tokens(token).await?;
    tokens(&gateway, issued, keeping)
}

/// End the session of a refresh token: its access tokens stop to work within seconds, too.
#[utoipa::path(
    post, path = "/logout", tag = "accounts", request_body = Option<RefreshRequest>,
    responses(
        (status = 204, description = "The session is over"),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::CrossSite]))),
)]
pub(crate) async fn logout(
    State(gateway): State<Gateway>,
    _: Visitor,
    headers: HeaderMap,
    OptionalJsonBody(body): OptionalJsonBody<RefreshRequest>,
) -> Result<Response, Error> {
    let token = refresh_token(&gateway, &headers, body)?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some((token, keeping)) = token {
        gateway.identity.auth.logout(token).await?;
        if keeping == Keeping::Cookie {
            response.headers_mut().append(SET_COOKIE, gateway.identity.site.clear(Cookie::Refresh)?);
        }
    }
    Ok(response)
}

/// List where you are signed in.
#[utoipa::path(
    get, path = "/sessions", tag = "accounts", security(("token" = [])),
    responses(
        (status = 200, description = "Your sessions, the latest first", body = Sessions),
    ),
)]
pub(crate) async fn list_sessions(
    State(gateway): State<Gateway>,
    person: Person,
) -> Result<Json<Sessions>, Error> {
    Ok(Json(gateway.identity.auth.list_sessions(&person.token).await?))
}

/// End all your sessions, this one too.
#[utoipa::path(
    delete, path = "/sessions", tag = "accounts", security(("token" = [])),
    responses(
        (status = 204, description = "You are signed in nowhere"),
    ),
)]
pub(crate) async fn end_all_sessions(
    State(gateway): State<Gateway>,
    person: Person,
) -> Result<StatusCode, Error> {
    gateway.identity.auth.end_all_sessions(&person.token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End one of your sessions.
#[utoipa::path(
    delete, path = "/sessions/{id}", tag = "accounts", params(("id" = SessionId, Path,)), security(("token" = [])),
    responses(
        (status = 204, description = "The session is over"),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::NotFound]))),
)]
pub(crate) async fn end_session(
    State(gateway): State<Gateway>,
    person: Person,
    Id(id): Id<SessionId>,
) -> Result<StatusCode, Error> {
    gateway.identity.auth.end_session(&person.token, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
