//! Accounts, for administrators.

use axum::Json;
use axum::extract::State;
use contracts::{AccountChange, AccountPage, AccountSummary, ProblemCode, UserId};
use service_kit::{Id, JsonBody, QueryOf};

use crate::error::Error;
use crate::identity::{AccountSearch, Administrator};
use crate::intake::QuotaReport;
use crate::state::Gateway;

/// List accounts, the latest first. For administrators.
#[utoipa::path(
    get, path = "/admin/users", tag = "administration", params(AccountSearch), security(("token" = [])),
    responses(
        (status = 200, description = "A page of accounts", body = AccountPage),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::AdminOnly]))),
)]
pub(crate) async fn list_users(
    State(gateway): State<Gateway>,
    Administrator(person): Administrator,
    QueryOf(search): QueryOf<AccountSearch>,
) -> Result<Json<AccountPage>, Error> {
    Ok(Json(gateway.identity.auth.list_accounts(&person.token, &search).await?))
}

/// Change an account's role, close it, or open it again. For administrators.
#[utoipa::path(
    patch, path = "/admin/users/{id}", tag = "administration", params(("id" = UserId, Path,)), request_body = AccountChange, security(("token" = [])),
    responses(
        (status = 200, description = "The account as it is now", body = AccountSummary),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::AdminOnly, ProblemCode::NotFound]))),
)]
pub(crate) async fn update_user(
    State(gateway): State<Gateway>,
    Administrator(person): Administrator,
    Id(id): Id<UserId>,
    JsonBody(change): JsonBody<AccountChange>,
) -> Result<Json<AccountSummary>, Error> {
    Ok(Json(gateway.identity.auth.change_account(&person.token, id, &change).await?))
}

/// Get an account's usage beside its quotas; zeroes for an unknown account. For administrators.
#[utoipa::path(
    get, path = "/admin/users/{id}/usage", tag = "administration", params(("id" = UserId, Path,)), security(("token" = [])),
    responses(
        (status = 200, description = "Its usage beside its quotas", body = QuotaReport),
    ),
    extensions(("x-problem-codes" = json!([ProblemCode::AdminOnly, ProblemCode::NotFound]))),
)]
pub(crate) async fn get_user_usage(
    State(gateway): State<Gateway>,
    _: Administrator,
    Id(id): Id<UserId>,
) -> Result<Json<QuotaReport>, Error> {
    Ok(Json(gateway.intake.quotas.report(id).await?))
}
