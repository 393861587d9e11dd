//! Who is calling: tokens, API keys, sessions, and the browser's cookies.

pub(crate) mod api_keys;
pub(crate) mod auth_client;
pub(crate) mod caller;
pub(crate) mod cookies;
pub(crate) mod revocations;
pub(crate) mod tokens;
