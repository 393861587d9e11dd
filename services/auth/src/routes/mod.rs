//! The URL table.

mod admin;
mod api_keys;
mod caller;
mod credentials;
mod internal;
mod jwks;
mod login;
mod me;
mod oidc;
mod register;
mod verification;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, patch, post};

use crate::service::Service;

/// An address and a password fit a hundred times.
const BODY_LIMIT: usize = 16 * 1024;

pub(crate) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/.well-known/jwks.json", get(jwks::jwks))
        // For everybody.
        .route("/register", post(register::register))
        .route("/verify", post(verification::verify))
        .route("/verify/resend", post(verification::resend))
        .route("/password/forgot", post(verification::forgot))
        .route("/password/reset", post(verification::reset))
        .route("/login", post(login::log_in))
        .route("/token/refresh", post(login::refresh))
        .route("/logout", post(login::log_out))
        .route("/oidc/providers", get(oidc::providers))
        .route("/oidc/{provider}/start", post(oidc::start))
        .route("/oidc/{provider}/finish", post(oidc::finish))
        // With an access token, which the gateway passes on.
        .route("/me", get(me::read).patch(me::change).delete(me::erase))
        .route("/me/password", post(me::change_password))
        .route("/me/email", post(me::change_address))
        .route("/sessions", get(me::sessions).delete(me::end_sessions))
        .route("/sessions/{id}", delete(me::end_session))
        .route("/keys", get(api_keys::list).post(api_keys::make))
        .route("/keys/{id}", delete(api_keys::delete))
        .route("/admin/users", get(admin::list))
        .route("/admin/users/{id}", patch(admin::change))
        // For the gateway itself.
        .route("/internal/revocations", get(internal::revocations))
        .route("/internal/keys/check", post(internal::check_key))
        .route("/internal/erasures", get(internal::erasures))
        .route("/internal/erasures/{id}/done", post(internal::finish_erasure))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(service)
}
