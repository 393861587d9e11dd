//! Your own account.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use contracts::{AddressChange, ErasureRequest, Me, MeChange, PasswordChange};
use reqwest::Method;

use super::{Body, Empty, Nothing, nothing};
use crate::Gateway;
use crate::background::erase_soon;
use crate::error::Error;
use crate::identity::auth_client::{answered, read};
use crate::identity::caller::{ClientAddress, Person};
use crate::intake::quotas::QuotaReport;
use crate::openapi::ProblemAnswer;

/// Read your account.
#[utoipa::path(
    get, path = "/me", tag = "accounts", security(("token" = [])),
    responses(
        (status = 200, description = "Your account", body = Me),
    ),
)]
pub(crate) async fn show(State(gateway): State<Arc<Gateway>>, person: Person) -> Result<Json<Me>, Error> {
    let request = gateway.accounts.request_of(&person, Method::GET, &["me"]);
    Ok(Json(read(answered(request).await?).await?))
}

/// Choose which mails about jobs you get. It counts for uploads with access tokens that are newer than that.
#[utoipa::path(
    patch, path = "/me", tag = "accounts", request_body = MeChange, security(("token" = [])),
    responses(
        (status = 200, description = "Your account as it is now", body = Me),
    ),
)]
pub(crate) async fn change(
    State(gateway): State<Arc<Gateway>>,
    person: Person,
    Body(change): Body<MeChange>,
) -> Result<Json<Me>, Error> {
    let request = gateway.accounts.request_of(&person, Method::PATCH, &["me"]).json(&change);
    Ok(Json(read(answered(request).await?).await?))
}

/// Erase your account with all jobs and files, at once and for ever.
#[utoipa::path(
    delete, path = "/me", tag = "accounts", request_body = ErasureRequest, security(("token" = [])),
    responses(
        (status = 202, description = "It cannot be used any more, and is gone within moments", body = Empty),
        (status = 403, description = "`scope_missing`, `wrong_password`", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn erase(
    State(gateway): State<Arc<Gateway>>,
    person: Person,
    ClientAddress(client): ClientAddress,
    Body(request): Body<ErasureRequest>,
) -> Result<(StatusCode, Nothing), Error> {
    gateway.limits.credentials(client)?;
    answered(gateway.accounts.request_of(&person, Method::DELETE, &["me"]).json(&request)).await?;
    gateway.hear_of_ended_sessions().await;
    erase_soon(&gateway, person.claims.sub);
    Ok((StatusCode::ACCEPTED, nothing()))
}

/// Read what your account takes up, and its quotas.
#[utoipa::path(
    get, path = "/me/usage", tag = "accounts", security(("token" = [])),
    responses(
        (status = 200, description = "What it takes up, and the most that it may", body = QuotaReport),
    ),
)]
pub(crate) async fn usage(
    State(gateway): State<Arc<Gateway>>,
    person: Person,
) -> Result<Json<QuotaReport>, Error> {
    Ok(Json(gateway.quotas.report(&gateway, person.claims.sub).await?))
}

/// Change your password. Ends all sessions, this one too.
#[utoipa::path(
    post, path = "/me/password", tag = "accounts", request_body = PasswordChange, security(("token" = [])),
    responses(
        (status = 204, description = "The password is changed; sign in with the new one"),
        (status = 400, description = "`bad_request`, `bad_password`, `common_password`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 403, description = "`scope_missing`, `wrong_password`", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn change_password(
    State(gateway): State<Arc<Gateway>>,
    person: Person,
    ClientAddress(client): ClientAddress,
    Body(change): Body<PasswordChange>,
) -> Result<StatusCode, Error> {
    gateway.limits.credentials(client)?;
    let request = gateway.accounts.request_of(&person, Method::POST, &["me", "password"]).json(&change);
    answered(request).await?;
    gateway.hear_of_ended_sessions().await;
    Ok(StatusCode::NO_CONTENT)
}

/// Move your account to another address. It moves when `POST /verify` gets the token out of the mail to the new one.
#[utoipa::path(
    post, path = "/me/email", tag = "accounts", request_body = AddressChange, security(("token" = [])),
    responses(
        (status = 202, description = "A mail to the new address is on its way", body = Empty),
        (status = 400, description = "`bad_request`, `bad_email`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 403, description = "`scope_missing`, `wrong_password`", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn change_address(
    State(gateway): State<Arc<Gateway>>,
    person: Person,
    ClientAddress(client): ClientAddress,
    Body(change): Body<AddressChange>,
) -> Result<(StatusCode, Nothing), Error> {
    gateway.limits.credentials(client)?;
    let request = gateway.accounts.request_of(&person, Method::POST, &["me", "email"]).json(&change);
    answered(request).await?;
    Ok((StatusCode::ACCEPTED, nothing()))
}
