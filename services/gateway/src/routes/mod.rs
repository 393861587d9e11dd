//! One file per route, or per resource where a resource has several.

pub(crate) mod archives;
pub(crate) mod download;
pub(crate) mod elsewhere;
pub(crate) mod events;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod links;
pub(crate) mod login;
pub(crate) mod mailed;
pub(crate) mod me;
pub(crate) mod queues;
pub(crate) mod register;
pub(crate) mod session;
pub(crate) mod upload;
pub(crate) mod uploads;
pub(crate) mod users;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use contracts::ProblemCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::error::Error;

/// A JSON body, refused without a word of what was sent: that may be a password.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let body = Json::<T>::from_request(request, state).await;
        body.map(|Json(body)| Self(body)).map_err(|rejection| json_problem(&rejection).into())
    }
}

/// A JSON body that may be left out.
pub(crate) struct OptionalBody<T>(pub(crate) Option<T>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let has_type = request.headers().contains_key(CONTENT_TYPE);
        if has_type {
            return Body::from_request(request, state).await.map(|Body(body)| Self(Some(body)));
        }
        match Bytes::from_request(request, state).await {
            Ok(bytes) if bytes.is_empty() => Ok(Self(None)),
            Ok(_) => Err(ProblemCode::UnsupportedMediaType.into()),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(ProblemCode::TooLarge.into())
            }
            Err(_) => Err(ProblemCode::BadRequest.into()),
        }
    }
}

/// An answer that says nothing, so that it is the same for everybody.
#[derive(Serialize, ToSchema)]
pub(crate) struct Empty {}

/// [`Empty`] as JSON.
pub(crate) type Nothing = Json<Empty>;

fn nothing() -> Nothing {
    Json(Empty {})
}

/// What a client calls itself, for the list of sessions.
fn client_name(user_agent: Option<&HeaderValue>) -> String {
    user_agent.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// What is wrong with a JSON body that could not be read.
fn json_problem(rejection: &JsonRejection) -> ProblemCode {
    match rejection.status() {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ProblemCode::UnsupportedMediaType,
        StatusCode::PAYLOAD_TOO_LARGE => ProblemCode::TooLarge,
        _ => ProblemCode::BadRequest,
    }
}
