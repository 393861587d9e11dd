//! The URL table.

mod admin;
mod api_keys;
mod body;
mod caller;
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

/// A hundred times an address and a password.
const BODY_LIMIT: usize = 16 * 1024;

pub(crate) fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/.well-known/jwks.json", get(jwks::jwks))
        // Public.
        .route("/register", post(register::register))
        .route("/verify", post(verification::verify_address))
        .route("/verify/resend", post(verification::resend_verification))
        .route("/password/forgot", post(verification::forgot_password))
        .route("/password/reset", post(verification::reset_password))
        .route("/login", post(login::log_in))
        .route("/token/refresh", post(login::refresh))
        .route("/logout", post(login::log_out))
        .route("/oidc/providers", get(oidc::list_providers))
        .route("/oidc/{provider}/start", post(oidc::start_oidc))
        .route("/oidc/{provider}/finish", post(oidc::finish_oidc))
        // With the caller's access token.
        .route("/me", get(me::get_me).patch(me::change_me).delete(me::delete_me))
        .route("/me/password", post(me::change_password))
        .route("/me/email", post(me::change_address))
        .route("/sessions", get(me::list_sessions).delete(me::end_sessions))
        .route("/sessions/{id}", delete(me::end_session))
        .route("/keys", get(api_keys::list_keys).post(api_keys::create_key))
        .route("/keys/{id}", delete(api_keys::delete_key))
        .route("/admin/users", get(admin::list_users))
        .route("/admin/users/{id}", patch(admin::change_user))
        // For the gateway alone.
        .route("/internal/revocations", get(internal::revocations))
        .route("/internal/keys/check", post(internal::check_key))
        .route("/internal/erasures", get(internal::list_erasures))
        .route("/internal/erasures/{id}/done", post(internal::finish_erasure))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(service)
}
