//! Your own account.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use contracts::{AddressChange, ErasureRequest, Me, MeChange, PasswordChange, ProblemCode};
use service_kit::JsonBody;

use super::{EMPTY, Empty};
use crate::background::erase_soon;
use crate::error::Error;
use crate::identity::{Person, Visitor};
use crate::intake::QuotaReport;
use crate::state::Gateway;

/// Get your account.
#[utoipa::path(
    get, path = "/me", tag = "accounts", security(("token" = [])),
    responses(
        (status = 200, description = "Your account", body = Me),
    ),
)]
pub(crate) async fn get_me(State(gateway): State<Gateway>, person: Person) -> Result<Json<Me>, Error> {
    Ok(Json(gateway.identity.auth.get_me(&person.token).await?))
}

/// Choose which mails about jobs you get. It counts for uploads with access tokens that are newer than that.
#[utoipa::path(
    patch, path = "/me", tag = "accounts", request_body = MeChange, security(("token" = [])),
    responses(
        (status = 200, description = "Your account as it is now", body = Me),
    ),
)]
pub(crate) async fn update_me(
    State(gateway): State<Gateway>,
    person: Person,
    JsonBody(change): JsonBody<MeChange>,
) -> Result<Json<Me>, Error> {
    Ok(Json(gateway.identity.auth.change_me(&person.token, &change).await?))
}

/// Erase your account with all jobs and files, at once and for ever.
#[utoipa::path(
    delete, path = "/me", tag = "accounts", request_body = ErasureRequest, security(("token" = [])),
    responses(
        (status = 202, description = "It cannot be used any more, and is gone within moments", body = Empty),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::WrongPassword]))),
)]
pub(crate) async fn delete_me(
    State(gateway): State<Gateway>,
    person: Person,
    _: Visitor,
    JsonBody(request): JsonBody<ErasureRequest>,
) -> Result<(StatusCode, Json<Empty>), Error> {
    gateway.identity.auth.begin_erasure(&person.token, &request).await?;
    erase_soon(&gateway, person.claims.sub);
    Ok((StatusCode::ACCEPTED, EMPTY))
}

/// Get your usage beside your quotas.
#[utoipa::path(
    get, path = "/me/usage", tag = "accounts", security(("token" = [])),
    responses(
        (status = 200, description = "Your usage beside your quotas", body = QuotaReport),
    ),
)]
pub(crate) async fn get_my_usage(
    State(gateway): State<Gateway>,
    person: Person,
) -> Result<Json<QuotaReport>, Error> {
    Ok(Json(gateway.intake.quotas.report(person.claims.sub).await?))
}

/// Change your password. Ends all sessions, this one too.
#[utoipa::path(
    post, path = "/me/password", tag = "accounts", request_body = PasswordChange, security(("token" = [])),
    responses(
        (status = 204, description = "The password is changed; sign in with the new one"),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::BadPassword, ProblemCode::CommonPassword, ProblemCode::WrongPassword]))),
)]
pub(crate) async fn change_password(
    State(gateway): State<Gateway>,
    person: Person,
    _: Visitor,
    JsonBody(change): JsonBody<PasswordChange>,
) -> Result<StatusCode, Error> {
    gateway.identity.auth.change_password(&person.token, &change).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Move your account to another address. It moves when `POST /verify` gets the token out of the mail to the new one.
#[utoipa::path(
    post, path = "/me/email", tag = "accounts", request_body = AddressChange, security(("token" = [])),
    responses(
        (status = 202, description = "A mail to the new address is on its way", body = Empty),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::BadEmail, ProblemCode::WrongPassword]))),
)]
pub(crate) async fn change_address(
    State(gateway): State<Gateway>,
    person: Person,
    _: Visitor,
    JsonBody(change): JsonBody<AddressChange>,
) -> Result<(StatusCode, Json<Empty>), Error> {
    gateway.identity.auth.change_address(&person.token, &change).await?;
    Ok((StatusCode::ACCEPTED, EMPTY))
}
