//! Who is calling. A `Caller` in a handler's signature is the rule that it needs a token.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum_extra::TypedHeader;
use axum_extra::headers::Authorization;
use axum_extra::headers::authorization::Bearer;
use contracts::{Owner, ProblemCode};

use crate::Gateway;
use crate::error::Error;

/// The account whose token the request carries.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Owner);

impl FromRequestParts<Arc<Gateway>> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, gateway: &Arc<Gateway>) -> Result<Self, Error> {
        let header = TypedHeader::<Authorization<Bearer>>::from_request_parts(parts, gateway).await;
        let Ok(TypedHeader(Authorization(bearer))) = header else {
            return Err(ProblemCode::NoToken.into());
        };
        let claims = gateway.tokens.verify(bearer.token()).await?;
        tracing::Span::current().record("user.id", tracing::field::display(claims.sub));
        Ok(Self(Owner { id: claims.sub, email: claims.email }))
    }
}
