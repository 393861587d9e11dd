use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use contracts::{AddressRequest, ResetRequest, VerifyRequest};

use super::body::Body;
use super::register::Accepted;
use crate::error::Error;
use crate::service::Service;
use crate::tables::outbox::MailKind;

/// `POST /verify`: confirms an address.
pub(crate) async fn verify_address(
    State(service): State<Arc<Service>>,
    Body(request): Body<VerifyRequest>,
) -> Result<StatusCode, Error> {
    service.verify_address(&request.token).await.map(|()| StatusCode::NO_CONTENT)
}

/// `POST /verify/resend`: another verification mail, if the address has an unverified account.
pub(crate) async fn resend_verification(
    State(service): State<Arc<Service>>,
    Body(request): Body<AddressRequest>,
) -> Result<(StatusCode, Json<Accepted>), Error> {
    service.request_mail(MailKind::Verify, &request.email).await?;
    Ok((StatusCode::ACCEPTED, Json(Accepted {})))
}

/// `POST /password/forgot`: a mail with a link, if the address has an account.
pub(crate) async fn forgot_password(
    State(service): State<Arc<Service>>,
    Body(request): Body<AddressRequest>,
) -> Result<(StatusCode, Json<Accepted>), Error> {
    service.request_mail(MailKind::Reset, &request.email).await?;
    Ok((StatusCode::ACCEPTED, Json(Accepted {})))
}

/// `POST /password/reset`: a new password.
pub(crate) async fn reset_password(
    State(service): State<Arc<Service>>,
    Body(request): Body<ResetRequest>,
) -> Result<StatusCode, Error> {
    service.reset_password(request).await.map(|()| StatusCode::NO_CONTENT)
}
