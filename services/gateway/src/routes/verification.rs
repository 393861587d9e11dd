//! Registration, and what a token from a mail allows: confirming an address, and replacing a password.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use contracts::{AddressRequest, ProblemCode, ResetRequest, VerifyRequest};
use service_kit::JsonBody;

use super::{EMPTY, Empty};
use crate::error::Error;
use crate::identity::{Registration, Visitor};
use crate::state::Gateway;

/// Create an account. A mail asks to confirm the address. The answer is the same whether or not the address has one already.
#[utoipa::path(
    post, path = "/register", tag = "accounts", request_body = Registration,
    responses(
        (status = 201, description = "Done, or the address has an account already", body = Empty),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::BadEmail, ProblemCode::BadPassword, ProblemCode::CommonPassword]))),
)]
pub(crate) async fn register(
    State(gateway): State<Gateway>,
    _: Visitor,
    JsonBody(registration): JsonBody<Registration>,
) -> Result<(StatusCode, Json<Empty>), Error> {
    gateway.identity.auth.register(&registration).await?;
    Ok((StatusCode::CREATED, EMPTY))
}

/// Confirm an address with the token out of a mail.
#[utoipa::path(
    post, path = "/verify", tag = "accounts", request_body = VerifyRequest,
    responses(
        (status = 204, description = "The address is confirmed"),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::BadOrExpiredToken]))),
)]
pub(crate) async fn verify_address(
    State(gateway): State<Gateway>,
    _: Visitor,
    JsonBody(request): JsonBody<VerifyRequest>,
) -> Result<StatusCode, Error> {
    gateway.identity.auth.verify_address(&request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask for another mail that confirms an address. The answer is the same whether or not the address has an account.
#[utoipa::path(
    post, path = "/verify/resend", tag = "accounts", request_body = AddressRequest,
    responses(
        (status = 202, description = "If the address has an account that needs one, a mail is on its way", body = Empty),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::BadEmail]))),
)]
pub(crate) async fn resend_verification(
    State(gateway): State<Gateway>,
    _: Visitor,
    JsonBody(request): JsonBody<AddressRequest>,
) -> Result<(StatusCode, Json<Empty>), Error> {
    gateway.identity.auth.resend_verification(&request).await?;
    Ok((StatusCode::ACCEPTED, EMPTY))
}

/// Ask for a mail that replaces a forgotten password. The answer is the same whether or not the address has an account.
#[utoipa::path(
    post, path = "/password/forgot", tag = "accounts", request_body = AddressRequest,
    responses(
        (status = 202, description = "If the address has an account, a mail is on its way", body = Empty),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::BadEmail]))),
)]
pub(crate) async fn forgot_password(
    State(gateway): State<Gateway>,
    _: Visitor,
    JsonBody(request): JsonBody<AddressRequest>,
) -> Result<(StatusCode, Json<Empty>), Error> {
    gateway.identity.auth.forgot_password(&request).await?;
    Ok((StatusCode::ACCEPTED, EMPTY))
}

/// Replace a forgotten password with the token out of a mail. Ends all sessions.
#[utoipa::path(
    post, path = "/password/reset", tag = "accounts", request_body = ResetRequest,
    responses(
        (status = 204, description = "The password is replaced"),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::BadOrExpiredToken, ProblemCode::BadPassword, ProblemCode::CommonPassword]))),
)]
pub(crate) async fn reset_password(
    State(gateway): State<Gateway>,
    _: Visitor,
    JsonBody(request): JsonBody<ResetRequest>,
) -> Result<StatusCode, Error> {
    gateway.identity.auth.reset_password(&request).await?;
    Ok(StatusCode::NO_CONTENT)
}
