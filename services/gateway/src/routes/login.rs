use axum::extract::{FromRequest as _, Request, State};
use axum::http::header::USER_AGENT;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use axum_extra::headers::authorization::Basic;
use axum_extra::headers::{Authorization, HeaderMapExt as _};
use contracts::{LoginRequest, ProblemCode, Secret};
use serde::Deserialize;
use service_kit::JsonBody;
use utoipa::ToSchema;

use super::sessions::{Keeping, TokenAnswer, tokens};
use super::{NO_STORE, client_name};
use crate::error::Error;
use crate::identity::Visitor;
use crate::state::Gateway;

/// An e-mail address and a password, as a client sends them.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Login {
    /// The account's e-mail address.
    #[schema(format = Email, example = "ada@example.org")]
    email: String,
    /// The password: 8 to 128 characters.
    #[schema(format = Password, min_length = 8, max_length = 128)]
    password: Secret,
    /// For pages in a browser: put the refresh token into a cookie that no script can read.
    #[serde(default)]
    cookie: bool,
}

/// Get tokens, by HTTP Basic or with a JSON body.
///
/// With HTTP Basic, and unless `Accept` names `application/json`, the answer is the bare access token, so that
/// `TOKEN=$(curl -su me@example.org:password -X POST …/login)` works. That session has no refresh token.
#[utoipa::path(
    post, path = "/login", tag = "accounts", request_body(content = Option<Login>), security(("password" = []), ()),
    responses(
        (status = 200, description = "The tokens", content(
            (TokenAnswer = "application/json"),
            (String = "text/plain"),
        )),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::WrongCredentials, ProblemCode::CrossSite, ProblemCode::AccountDisabled]))),
)]
pub(crate) async fn login(
    State(gateway): State<Gateway>,
    _: Visitor,
    request: Request,
) -> Result<Response, Error> {
    let name = client_name(request.headers().get(USER_AGENT));
    let basic = request.headers().typed_get::<Authorization<Basic>>();
    let is_short = basic.is_some() && !accepts_json(request.headers());
    let headers = request.headers().clone();
    let login = if let Some(Authorization(basic)) = basic {
        let (email, password) = (basic.username().to_owned(), basic.password().to_owned().into());
        Login { email, password, cookie: false }
    } else {
        JsonBody::from_request(request, &()).await?.0
    };
    if login.cookie {
        // A page of another site must not sign a user in to another account.
        gateway.identity.site.same_origin(&headers)?;
    }
    let request = LoginRequest { email: login.email, password: login.password, client: name, is_short };
    let issued = gateway.identity.auth.login(&request).await?;
    if is_short {
        return Ok((NO_STORE, issued.access_token).into_response());
    }
    tokens(&gateway, issued, if login.cookie { Keeping::Cookie } else { Keeping::Body })
}

fn accepts_json(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|accept| accept.to_str().is_ok_and(|text| text.contains("application/json")))
}
