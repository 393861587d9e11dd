//! Accounts, for administrators.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use contracts::{AccountChange, AccountPage, AccountSummary, ProblemCode, UserId};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::Body;
use crate::Gateway;
use crate::error::Error;
use crate::identity::auth_client::{answered, read};
use crate::identity::caller::Administrator;
use crate::intake::quotas::QuotaReport;
use crate::openapi::ProblemAnswer;

/// Which accounts.
#[derive(Debug, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Search {
    /// A part of the address.
    q: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<UserId>,
}

/// List accounts, the latest first. For administrators.
#[utoipa::path(
    get, path = "/admin/users", tag = "administration", params(Search), security(("token" = [])),
    responses(
        (status = 200, description = "A page of accounts", body = AccountPage),
        (status = 403, description = "`scope_missing`, `admin_only`", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Administrator(person): Administrator,
    search: Result<Query<Search>, QueryRejection>,
) -> Result<Json<AccountPage>, Error> {
    let Query(search) = search.map_err(|_| ProblemCode::BadRequest)?;
    let request = gateway.accounts.request_of(&person, Method::GET, &["admin", "users"]).query(&search);
    Ok(Json(read(answered(request).await?).await?))
}

/// Change an account's role, close it, or open it again. For administrators.
#[utoipa::path(
    patch, path = "/admin/users/{id}", tag = "administration", params(("id" = UserId, Path,)), request_body = AccountChange, security(("token" = [])),
    responses(
        (status = 200, description = "The account as it is now", body = AccountSummary),
        (status = 403, description = "`scope_missing`, `admin_only`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn change(
    State(gateway): State<Arc<Gateway>>,
    Administrator(person): Administrator,
    Path(id): Path<String>,
    Body(change): Body<AccountChange>,
) -> Result<Json<AccountSummary>, Error> {
    let id: UserId = id.parse().map_err(|_| ProblemCode::NotFound)?;
    let path = ["admin", "users", &id.to_string()];
    let request = gateway.accounts.request_of(&person, Method::PATCH, &path).json(&change);
    let changed = read(answered(request).await?).await?;
    gateway.hear_of_ended_sessions().await;
    Ok(Json(changed))
}

/// What an account takes up, and its quotas; nothing for one that is not there. For administrators.
#[utoipa::path(
    get, path = "/admin/users/{id}/usage", tag = "administration", params(("id" = UserId, Path,)), security(("token" = [])),
    responses(
        (status = 200, description = "What it takes up, and the most that it may", body = QuotaReport),
        (status = 403, description = "`scope_missing`, `admin_only`", body = ProblemAnswer, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: that is no identifier", body = ProblemAnswer, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn usage(
    State(gateway): State<Arc<Gateway>>,
    _: Administrator,
    Path(id): Path<String>,
) -> Result<Json<QuotaReport>, Error> {
    let id: UserId = id.parse().map_err(|_| ProblemCode::NotFound)?;
    Ok(Json(gateway.quotas.report(&gateway, id).await?))
}
