//! Who is calling: tokens, API keys, sessions, and the browser's cookies.

mod access;
mod api_keys;
mod auth_client;
mod cookies;
mod credential;
mod identification;
mod revocations;
mod tokens;

pub(crate) use access::{Administrator, Anyone, Caller, Delete, Person, Read, Upload, Visitor};
pub(crate) use auth_client::{AccountSearch, Registration};
pub(crate) use cookies::{Cookie, PublicSite};
pub(crate) use credential::Credential;
pub(crate) use identification::{Identity, IdentityConfig};
pub(crate) use revocations::Revocations;
pub(crate) use tokens::TokenError;
