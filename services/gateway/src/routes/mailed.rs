//! What somebody may do who reads an address' mail.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use contracts::{AddressRequest, ResetRequest, VerifyRequest};

use super::{Body, Empty, Nothing, nothing};
use crate::Gateway;
use crate::error::Error;
use crate::identity::caller::ClientAddress;
use crate::openapi::ProblemAnswer;

/// Confirm an address with the token out of a mail.
#[utoipa::path(
    post, path = "/verify", tag = "accounts", request_body = VerifyRequest,
    responses(
        (status = 204, description = "The address is confirmed"),
        (status = 400, description = "`bad_request`, `bad_or_expired_token`", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn verify(
    State(gateway): State<Arc<Gateway>>,
    ClientAddress(client): ClientAddress,
    Body(request): Body<VerifyRequest>,
) -> Result<StatusCode, Error> {
    gateway.limits.credentials(client)?;
    gateway.accounts.post("/verify", &request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ask for another mail that confirms an address. The answer is the same whether or not the address has an account.
#[utoipa::path(
    post, path = "/verify/resend", tag = "accounts", request_body = AddressRequest,
    responses(
        (status = 202, description = "If the address has an account that needs one, a mail is on its way", body = Empty),
        (status = 400, description = "`bad_request`, `bad_email`", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn resend(
    State(gateway): State<Arc<Gateway>>,
    ClientAddress(client): ClientAddress,
    Body(request): Body<AddressRequest>,
) -> Result<(StatusCode, Nothing), Error> {
    gateway.limits.credentials(client)?;
    gateway.accounts.post("/verify/resend", &request).await?;
    Ok((StatusCode::ACCEPTED, nothing()))
}

/// Ask for a mail that replaces a forgotten password. The answer is the same whether or not the address has an account.
#[utoipa::path(
    post, path = "/password/forgot", tag = "accounts", request_body = AddressRequest,
    responses(
        (status = 202, description = "If the address has an account, a mail is on its way", body = Empty),
        (status = 400, description = "`bad_request`, `bad_email`", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn forgot(
    State(gateway): State<Arc<Gateway>>,
    ClientAddress(client): ClientAddress,
    Body(request): Body<AddressRequest>,
) -> Result<(StatusCode, Nothing), Error> {
    gateway.limits.credentials(client)?;
    gateway.accounts.post("/password/forgot", &request).await?;
    Ok((StatusCode::ACCEPTED, nothing()))
}

/// Replace a forgotten password with the token out of a mail. Ends all sessions.
#[utoipa::path(
    post, path = "/password/reset", tag = "accounts", request_body = ResetRequest,
    responses(
        (status = 204, description = "The password is replaced"),
        (status = 400, description = "`bad_request`, `bad_or_expired_token`, `bad_password`, `common_password`", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn reset(
    State(gateway): State<Arc<Gateway>>,
    ClientAddress(client): ClientAddress,
    Body(request): Body<ResetRequest>,
) -> Result<StatusCode, Error> {
    gateway.limits.credentials(client)?;
    gateway.accounts.post("/password/reset", &request).await?;
    gateway.hear_of_ended_sessions().await;
    Ok(StatusCode::NO_CONTENT)
}
