//! Sign-in with an outside identity provider (OpenID Connect), for browsers.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY, SET_COOKIE, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use contracts::{OidcFinish, OidcStart, ProblemCode, Providers, Secret};
use serde::Deserialize;
use service_kit::{Chain, Problem, QueryOf};
use utoipa::IntoParams;

use super::client_name;
use crate::error::Error;
use crate::identity::{Anyone, Cookie, Visitor};
use crate::state::Gateway;

/// Longer than a user needs to sign in at the provider.
const ATTEMPT_SECONDS: u64 = 600;

/// What the provider sends the browser back with.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Callback {
    #[param(value_type = Option<String>)]
    state: Option<Secret>,
    #[param(value_type = Option<String>)]
    code: Option<Secret>,
    /// Why there is no code.
    error: Option<String>,
    iss: Option<String>,
}

/// List the identity providers that one can sign in with.
#[utoipa::path(
    get, path = "/oidc/providers", tag = "accounts",
    responses(
        (status = 200, description = "The providers", body = Providers),
    ),
)]
pub(crate) async fn list_providers(
    State(gateway): State<Gateway>,
    _: Anyone,
) -> Result<Json<Providers>, Error> {
    Ok(Json(gateway.identity.auth.list_providers().await?))
}

/// Go to an identity provider to sign in. For a browser's address bar.
#[utoipa::path(
    get, path = "/oidc/{id}/start", tag = "accounts", params(("id" = String, Path,)),
    responses(
        (status = 303, description = "To the provider, or to `/?oidc_error=CODE`"),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::NotFound]))),
)]
pub(crate) async fn start_oidc(
    State(gateway): State<Gateway>,
    _: Visitor,
    Path(provider): Path<String>,
) -> Result<Response, Error> {
    let start = OidcStart { redirect_uri: redirect_uri(&gateway, &provider) };
    let started = match gateway.identity.auth.start_oidc(&provider, &start).await {
        Err(Error::Refused(problem)) if problem.code() == ProblemCode::NotFound => return Err(problem.into()),
        Err(error) => return failed(&gateway, &error),
        Ok(started) => started,
    };
    let cookie = gateway.identity.site.set(Cookie::Attempt, &started.attempt, ATTEMPT_SECONDS)?;
    redirect(&started.location, &[cookie])
}

/// Come back from an identity provider.
#[utoipa::path(
    get, path = "/oidc/{id}/callback", tag = "accounts", params(("id" = String, Path,), Callback),
    responses(
        (status = 303, description = "To `/`, with the refresh token in a cookie, or to `/?oidc_error=CODE`"),
    ),
)]
pub(crate) async fn finish_oidc(
    State(gateway): State<Gateway>,
    _: Visitor,
    Path(provider): Path<String>,
    headers: HeaderMap,
    callback: Result<QueryOf<Callback>, Problem>,
) -> Result<Response, Error> {
    match finish(&gateway, &provider, &headers, callback.ok().map(|QueryOf(callback)| callback)).await {
        Ok((token, seconds)) => {
            let cookie = gateway.identity.site.set(Cookie::Refresh, &token, seconds)?;
            redirect("/", &[cookie, gateway.identity.site.clear(Cookie::Attempt)?])
        }
        Err(error) => failed(&gateway, &error),
    }
}

async fn finish(
    gateway: &Gateway,
    provider: &str,
    headers: &HeaderMap,
    callback: Option<Callback>,
) -> Result<(Secret, u64), Error> {
    let Callback { state, code, error, iss } = callback.ok_or(ProblemCode::BadRequest)?;
    if let Some(error) = error {
        // The provider's text goes to no log and no page: any client can make up a callback.
        let code = if error == "access_denied" { ProblemCode::OidcDenied } else { ProblemCode::OidcFailed };
        return Err(code.into());
    }
    let attempt = gateway.identity.site.read(Cookie::Attempt, headers).ok_or(ProblemCode::OidcFailed)?;
    let finish = OidcFinish {
        redirect_uri: redirect_uri(gateway, provider),
        attempt,
        state: state.ok_or(ProblemCode::OidcFailed)?,
        code: code.ok_or(ProblemCode::OidcFailed)?,
        iss,
        client: client_name(headers.get(USER_AGENT)),
    };
    let issued = gateway.identity.auth.finish_oidc(provider, &finish).await?;
    Ok((issued.refresh_token.ok_or(Error::AuthAnswer)?, issued.refresh_expires_in))
}

fn redirect_uri(gateway: &Gateway, provider: &str) -> String {
    gateway.identity.site.address(&format!("/oidc/{provider}/callback"))
}

/// Redirects to the page, which explains the code in words.
fn failed(gateway: &Gateway, error: &Error) -> Result<Response, Error> {
    let code = match error {
        Error::Refused(problem) => problem.code(),
        other => {
            tracing::warn!(error = %Chain(other), "a sign-in with an identity provider failed");
            ProblemCode::Unavailable
        }
    };
    let address = format!("/?oidc_error={}", code.as_str());
    redirect(&address, &[gateway.identity.site.clear(Cookie::Attempt)?])
}

fn redirect(location: &str, cookies: &[HeaderValue]) -> Result<Response, Error> {
    let location = HeaderValue::try_from(location).map_err(|_| ProblemCode::Internal)?;
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The address of the callback contains a code.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    for cookie in cookies {
        headers.append(SET_COOKIE, cookie.clone());
    }
    Ok(response)
}
