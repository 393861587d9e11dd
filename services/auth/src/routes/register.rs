use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::body::CredentialsBody;
use crate::error::Error;
use crate::service::{Credentials, Service};
use crate::tables::accounts::Registered;

/// Empty: the answers for a new and for a taken address must not differ.
#[derive(Serialize)]
pub(crate) struct Accepted {}

/// `POST /register`: 201 for every well-formed address, new or taken.
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
