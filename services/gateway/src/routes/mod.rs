//! One file per route, or per resource where a resource has several.

pub(crate) mod archives;
pub(crate) mod download;
pub(crate) mod events;
pub(crate) mod jobs;
pub(crate) mod links;
pub(crate) mod login;
pub(crate) mod register;
pub(crate) mod upload;
pub(crate) mod uploads;

use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use contracts::ProblemCode;

/// What is wrong with a JSON body that could not be read.
fn json_problem(rejection: &JsonRejection) -> ProblemCode {
    match rejection.status() {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ProblemCode::UnsupportedMediaType,
        StatusCode::PAYLOAD_TOO_LARGE => ProblemCode::TooLarge,
        _ => ProblemCode::BadRequest,
    }
}
