//! The URL table.

mod credentials;
mod jwks;
mod login;
mod register;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::service::Service;

/// An address and a password fit a hundred times.
const BODY_LIMIT: usize = 16 * 1024;

pub(crate) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/register", post(register::register))
        .route("/login", post(login::log_in))
        .route("/.well-known/jwks.json", get(jwks::jwks))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(service)
}
