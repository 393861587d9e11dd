use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;

use crate::error::Error;
use crate::service::Service;

/// Five minutes, as long as the gateway keeps them: a retired key may be accepted that long.
const CACHING: &str = "public, max-age=300";

/// `GET /.well-known/jwks.json`: the keys that verify our tokens.
pub(crate) async fn jwks(State(service): State<Arc<Service>>) -> Result<impl IntoResponse, Error> {
    Ok(([(CACHE_CONTROL, CACHING)], Json(service.public_keys()?)))
}
