use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use contracts::Role;

use crate::error::Error;
use crate::service::{Caller, Service};

impl FromRequestParts<Arc<Service>> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, Error> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let (scheme, token) = header.and_then(|value| value.split_once(' ')).ok_or(Error::NoToken)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Error::NoToken);
        }
        service.caller(token.trim()).await
    }
}

/// A caller who is an administrator, as the database has it now and whatever the token says.
pub(crate) struct Administrator(pub(crate) Caller);

impl FromRequestParts<Arc<Service>> for Administrator {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, service: &Arc<Service>) -> Result<Self, Error> {
        let caller = Caller::from_request_parts(parts, service).await?;
        match caller.account.role {
            Role::Admin => Ok(Self(caller)),
            Role::User => Err(Error::AdminOnly),
        }
    }
}
