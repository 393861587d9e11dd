use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use contracts::{ApiKeys, CreatedApiKey, NewApiKey};

use super::body::Body;
use crate::error::Error;
use crate::service::{Caller, Service};

pub(crate) async fn list_keys(
    State(service): State<Arc<Service>>,
    caller: Caller,
) -> Result<Json<ApiKeys>, Error> {
    service.list_keys(&caller).await.map(Json)
}

pub(crate) async fn create_key(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(new): Body<NewApiKey>,
) -> Result<(StatusCode, Json<CreatedApiKey>), Error> {
    Ok((StatusCode::CREATED, Json(service.create_key(&caller, &new).await?)))
}

pub(crate) async fn delete_key(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    let id = id.parse().map_err(|_| Error::NotFound)?;
    service.delete_key(&caller, id).await.map(|()| StatusCode::NO_CONTENT)
}
