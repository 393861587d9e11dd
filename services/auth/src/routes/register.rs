use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::body::CredentialsBody;
use crate::error::Error;
use crate::service::{Credentials, Service};
use crate::tables::accounts::Registered;

/// Nothing: the answer for a new address and for a taken one must not differ.
#[derive(Serialize)]
pub(crate) struct Accepted {}

/// `POST /register`: 201 for every address that could have been registered.
pub(crate) async fn register(
    State(service): State<Arc<Service>>,
    CredentialsBody(credentials): CredentialsBody<Credentials>,
) -> Result<(StatusCode, Json<Accepted>), Error> {
    let registered = service.register(credentials).await;
    let result = match &registered {
        Ok(Registered::Created) => "created",
        Ok(Registered::Taken) => "taken",
        Err(error) => error.code().as_str(),
    };
    metrics::counter!("mixdown_registrations_total", "result" => result).increment(1);
    registered.map(|_| (StatusCode::CREATED, Json(Accepted {})))
}
