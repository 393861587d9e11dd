use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use contracts::ProblemCode;
use serde::de::DeserializeOwned;
use service_kit::Problem;
use tokio::time::timeout;

/// A body of a hundred bytes arrives at once; a slower client holds connections open on purpose.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A JSON body. Its refusal repeats nothing of what was sent: that may be a password.
pub(crate) struct Body<T>(pub(crate) T);

/// A JSON body with an address and a password. Its refusal names these fields.
pub(crate) struct CredentialsBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = timeout(BODY_TIMEOUT, Json::<T>::from_request(request, state));
        match body.await.map_err(|_| ProblemCode::RequestTimeout)? {
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(ProblemCode::UnsupportedMediaType.into()),
            Err(rejection) if rejection.status().as_u16() == ProblemCode::TooLarge.status() => {
                Err(ProblemCode::TooLarge.into())
            }
            // serde's own message is left out: it repeats what was sent.
            Err(_) => Err(ProblemCode::BadRequest.into()),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for CredentialsBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Body::from_request(request, state).await {
            Ok(Body(body)) => Ok(Self(body)),
            Err(problem) if problem.code() == ProblemCode::BadRequest => {
                Err(problem.with_detail("The body is a JSON object with the strings `email` and `password`."))
            }
            Err(problem) => Err(problem),
        }
    }
}
