use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use serde::Serialize;

use crate::error::Error;
use crate::service::{Credentials, Service};

/// RFC 6749, section 5.1.
#[derive(Serialize)]
struct LoggedIn {
    access_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
}

/// `POST /login`: an access token for an address and its password.
pub(crate) async fn log_in(
    State(service): State<Arc<Service>>,
    credentials: Credentials,
) -> Result<impl IntoResponse, Error> {
    let issued = service.log_in(credentials).await;
    let result = issued.as_ref().map_or_else(|error| error.code().as_str(), |_| "success");
    metrics::counter!("mixdown_logins_total", "result" => result).increment(1);
    let issued = issued?;
    let body =
        LoggedIn { access_token: issued.token, token_type: "Bearer", expires_in: issued.lifetime.as_secs() };
    Ok(([(CACHE_CONTROL, "no-store")], Json(body)))
}
