use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use contracts::{OidcFinish, OidcStart, OidcStarted, Providers};

use super::body::Body;
use super::login::tokens;
use crate::error::Error;
use crate::service::Service;

pub(crate) async fn list_providers(State(service): State<Arc<Service>>) -> Json<Providers> {
    Json(service.oidc.providers())
}

pub(crate) async fn start_oidc(
    State(service): State<Arc<Service>>,
    Path(provider): Path<String>,
    Body(start): Body<OidcStart>,
) -> Result<Json<OidcStarted>, Error> {
    Ok(Json(service.oidc.start(&provider, &start.redirect_uri).await?))
}

pub(crate) async fn finish_oidc(
    State(service): State<Arc<Service>>,
    Path(provider): Path<String>,
    Body(finish): Body<OidcFinish>,
) -> Result<impl IntoResponse, Error> {
    let issued = service.finish_oidc(&provider, finish).await;
    let result = issued.as_ref().map_or_else(|error| error.code().as_str(), |_| "success");
    metrics::counter!("mixdown_logins_elsewhere_total", "result" => result).increment(1);
    issued.map(tokens)
}
