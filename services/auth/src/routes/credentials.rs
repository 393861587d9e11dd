use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use contracts::ProblemCode;
use secrecy::SecretString;
use serde::Deserialize;
use service_kit::Problem;
use tokio::time::timeout;

use crate::service::Credentials;

#[derive(Deserialize)]
struct Body {
    email: String,
    password: SecretString,
}

/// A body of a hundred bytes comes at once, or somebody holds connections open on purpose.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

impl<S: Send + Sync> FromRequest<S> for Credentials {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = timeout(BODY_PATIENCE, Json::<Body>::from_request(request, state));
        match body.await.map_err(|_| ProblemCode::RequestTimeout)? {
            Ok(Json(Body { email, password })) => Ok(Self { email, password }),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(ProblemCode::UnsupportedMediaType.into()),
            Err(rejection) if rejection.status().as_u16() == ProblemCode::TooLarge.status() => {
                Err(ProblemCode::TooLarge.into())
            }
            // Without serde's own words: they repeat what was sent, and that may be a password.
            Err(_) => Err(Problem::new(ProblemCode::BadRequest)
                .with_detail("The body is a JSON object with the strings `email` and `password`.")),
        }
    }
}
