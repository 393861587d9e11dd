//! What the gateway asks on its own account. Only the gateway reaches this port.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use contracts::{Erasures, KeyCheck, KeyHolder, Revocations};

use super::body::Body;
use crate::error::Error;
use crate::service::Service;

pub(crate) async fn revocations(State(service): State<Arc<Service>>) -> Result<Json<Revocations>, Error> {
    service.revocations().await.map(Json)
}

pub(crate) async fn check_key(
    State(service): State<Arc<Service>>,
    Body(check): Body<KeyCheck>,
) -> Result<Json<KeyHolder>, Error> {
    service.check_key(&check).await.map(Json)
}

pub(crate) async fn list_erasures(State(service): State<Arc<Service>>) -> Result<Json<Erasures>, Error> {
    service.list_erasures().await.map(Json)
}

pub(crate) async fn finish_erasure(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    let id = id.parse().map_err(|_| Error::NotFound)?;
    service.finish_erasure(id).await.map(|()| StatusCode::NO_CONTENT)
}
