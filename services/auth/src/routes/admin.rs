use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use contracts::{AccountChange, AccountPage, AccountSummary};
use serde::Deserialize;

use super::body::Body;
use super::caller::Administrator;
use crate::error::Error;
use crate::service::Service;

#[derive(Deserialize)]
pub(crate) struct PageQuery {
    #[serde(default)]
    q: String,
    cursor: Option<String>,
}

pub(crate) async fn list_users(
    State(service): State<Arc<Service>>,
    Administrator(_): Administrator,
    Query(page): Query<PageQuery>,
) -> Result<Json<AccountPage>, Error> {
    let cursor = page.cursor.map(|cursor| cursor.parse()).transpose();
    let before = cursor.map_err(|_| Error::BadRequest("The cursor is not one that was given out."))?;
    service.list_accounts(&page.q, before).await.map(Json)
}

pub(crate) async fn change_user(
    State(service): State<Arc<Service>>,
    Administrator(caller): Administrator,
    Path(id): Path<String>,
    Body(change): Body<AccountChange>,
) -> Result<Json<AccountSummary>, Error> {
    let id = id.parse().map_err(|_| Error::NotFound)?;
    service.change_account(&caller, id, change).await.map(Json)
}
