use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use axum_extra::headers::authorization::Basic;
use axum_extra::headers::{Authorization, HeaderMapExt as _};
use contracts::ProblemCode;

use super::json_problem;
use crate::Gateway;
use crate::accounts::{Credentials, TokenAnswer};
use crate::caller::ClientAddress;
use crate::error::Error;
use crate::openapi::ProblemAnswer;

/// Get a token, by HTTP Basic or with a JSON body.
///
/// With HTTP Basic, and unless `Accept` names `application/json`, the answer is the bare token, so that
/// `TOKEN=$(curl -su me@example.org:password -X POST …/login)` works.
#[utoipa::path(
    post, path = "/login", tag = "accounts", request_body(content = Option<Credentials>), security(("password" = []), ()),
    responses(
        (status = 200, description = "The token", content(
            (TokenAnswer = "application/json"),
            (String = "text/plain"),
        )),
        (status = 400, description = "`bad_request`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 401, description = "`wrong_credentials`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 413, description = "`too_large`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_requests`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 503, description = "`unavailable`", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn login(
    State(gateway): State<Arc<Gateway>>,
    ClientAddress(client): ClientAddress,
    request: Request,
) -> Result<Response, Error> {
    gateway.limits.credentials(client)?;
    let basic = request.headers().typed_get::<Authorization<Basic>>();
    let wants_text = basic.is_some() && !accepts_json(request.headers());
    let credentials = match basic {
        Some(Authorization(basic)) => {
            Credentials { email: basic.username().to_owned(), password: basic.password().to_owned().into() }
        }
        None => Json::from_request(request, &()).await.map_err(|rejection| json_problem(&rejection))?.0,
    };
    let answer = gateway.accounts.login(&credentials).await?;
    let mut response =
        if wants_text { answer.access_token.into_response() } else { Json(answer).into_response() };
    let no_store = "no-store".parse().map_err(|_| ProblemCode::Internal)?;
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    Ok(response)
}

fn accepts_json(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|accept| accept.to_str().is_ok_and(|text| text.contains("application/json")))
}
