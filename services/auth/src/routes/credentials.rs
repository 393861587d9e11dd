use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use contracts::ProblemCode;
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use service_kit::Problem;
use tokio::time::timeout;

use crate::service::Credentials;

#[derive(Deserialize)]
struct CredentialsBody {
    email: String,
    password: SecretString,
}

/// A body of a hundred bytes comes at once, or somebody holds connections open on purpose.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

/// A JSON body, refused without a word of what was sent: that may be a password.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = timeout(BODY_PATIENCE, Json::<T>::from_request(request, state));
        match body.await.map_err(|_| ProblemCode::RequestTimeout)? {
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(ProblemCode::UnsupportedMediaType.into()),
            Err(rejection) if rejection.status().as_u16() == ProblemCode::TooLarge.status() => {
                Err(ProblemCode::TooLarge.into())
            }
            // Without serde's own words: they repeat what was sent.
            Err(_) => Err(ProblemCode::BadRequest.into()),
        }
    }
}

impl<S: Send + Sync> FromRequest<S> for Credentials {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Body::<CredentialsBody>::from_request(request, state).await {
            Ok(Body(CredentialsBody { email, password })) => Ok(Self { email, password }),
            Err(problem) if problem.code() == ProblemCode::BadRequest => {
                Err(problem.with_detail("The body is a JSON object with the strings `email` and `password`."))
            }
            Err(problem) => Err(problem),
        }
    }
}
