use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use contracts::{AddressChange, ErasureRequest, Me, MeChange, PasswordChange, Sessions};

use super::body::Body;
use super::register::Accepted;
use crate::error::Error;
use crate::service::{Caller, Service};

pub(crate) async fn get_me(State(service): State<Arc<Service>>, caller: Caller) -> Result<Json<Me>, Error> {
    service.get_me(&caller).await.map(Json)
}

pub(crate) async fn change_me(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(change): Body<MeChange>,
) -> Result<Json<Me>, Error> {
    service.change_me(caller, &change).await.map(Json)
}

pub(crate) async fn delete_me(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(request): Body<ErasureRequest>,
) -> Result<(StatusCode, Json<Accepted>), Error> {
    service.request_erasure(caller, request).await?;
    Ok((StatusCode::ACCEPTED, Json(Accepted {})))
}

pub(crate) async fn change_password(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(change): Body<PasswordChange>,
) -> Result<StatusCode, Error> {
    service.change_password(caller, change).await.map(|()| StatusCode::NO_CONTENT)
}

pub(crate) async fn change_address(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Body(change): Body<AddressChange>,
) -> Result<(StatusCode, Json<Accepted>), Error> {
    service.change_address(caller, change).await?;
    Ok((StatusCode::ACCEPTED, Json(Accepted {})))
}

pub(crate) async fn list_sessions(
    State(service): State<Arc<Service>>,
    caller: Caller,
) -> Result<Json<Sessions>, Error> {
    service.list_sessions(&caller).await.map(Json)
}

pub(crate) async fn end_sessions(
    State(service): State<Arc<Service>>,
    caller: Caller,
) -> Result<StatusCode, Error> {
    service.end_sessions(&caller).await.map(|()| StatusCode::NO_CONTENT)
}

pub(crate) async fn end_session(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    let id = id.parse().map_err(|_| Error::NotFound)?;
    service.end_session(&caller, id).await.map(|()| StatusCode::NO_CONTENT)
}
