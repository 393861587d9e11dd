//! The handlers, one file for each resource.

pub(crate) mod account;
pub(crate) mod archives;
pub(crate) mod events;
pub(crate) mod files;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod links;
pub(crate) mod login;
pub(crate) mod oidc;
pub(crate) mod queues;
pub(crate) mod sessions;
pub(crate) mod upload;
pub(crate) mod uploads;
pub(crate) mod users;
pub(crate) mod verification;

use axum::Json;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use serde::Serialize;
use utoipa::ToSchema;

/// An answer without content, so that it is the same for everybody.
#[derive(Serialize, ToSchema)]
pub(crate) struct Empty {}

/// [`Empty`] as JSON.
const EMPTY: Json<Empty> = Json(Empty {});

/// An answer with a credential must not be cached.
const NO_STORE: [(HeaderName, &str); 1] = [(CACHE_CONTROL, "no-store")];

/// The bytes of a file.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "describes a body to the OpenAPI document")]
pub(crate) struct Binary(Vec<u8>);

/// What a client calls itself, for the list of sessions.
fn client_name(user_agent: Option<&HeaderValue>) -> String {
    user_agent.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
