//! The errors of requests, and the one table of how they are answered and logged.

use axum::response::{IntoResponse, Response};
use broker::{DeadLetterError, PublishError};
use contracts::ProblemCode;
use jobs::{JobsError, TurnError};
use media_store::StoreError;
use service_kit::{Chain, Problem};
use tracing::Level;

use crate::identity::TokenError;

/// Why a request fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the request is refused")]
    Refused(Problem),
    #[error("the token is refused")]
    Token(#[from] TokenError),
    #[error("could not store the upload")]
    Upload(#[source] StoreError),
    #[error("could not reach auth")]
    Auth(#[source] reqwest::Error),
    #[error("auth gave an invalid answer")]
    AuthAnswer,
    #[error("could not read or write the job")]
    Jobs(#[from] JobsError),
    #[error("could not read or write a file")]
    Store(#[from] StoreError),
    #[error("could not read or write what is kept with an upload")]
    Draft(#[source] serde_json::Error),
    #[error("could not publish the job")]
    Publish(#[from] PublishError),
    #[error("RabbitMQ is away")]
    BrokerAway,
    #[error("could not read or replay dead letters")]
    DeadLetters(#[from] DeadLetterError),
}

impl From<TurnError> for Error {
    fn from(error: TurnError) -> Self {
        match error {
            TurnError::Jobs(error) => Self::Jobs(error),
            TurnError::Publish(error) => Self::Publish(error),
        }
    }
}

impl From<ProblemCode> for Error {
    fn from(code: ProblemCode) -> Self {
        Self::Refused(code.into())
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl Error {
    /// The code for the client, and the level for the log.
    fn verdict(&self) -> (ProblemCode, Level) {
        match self {
            Self::Refused(problem) => (problem.code(), Level::DEBUG),
            Self::Token(TokenError::Expired) => (ProblemCode::ExpiredToken, Level::DEBUG),
            Self::Token(TokenError::Invalid) => (ProblemCode::InvalidToken, Level::DEBUG),
            // Another connection was quicker, or the owner deleted the upload.
            Self::Store(StoreError::Taken) => (ProblemCode::UploadLocked, Level::DEBUG),
            Self::Store(StoreError::Lost) => (ProblemCode::NotFound, Level::DEBUG),
            Self::Auth(_)
            | Self::BrokerAway
            | Self::Publish(_)
            | Self::DeadLetters(_)
            | Self::Token(TokenError::KeysAway(_) | TokenError::KeysUnknown)
            | Self::Jobs(JobsError::Unavailable(_))
            | Self::Upload(StoreError::Unavailable { .. })
            | Self::Store(StoreError::Unavailable { .. }) => (ProblemCode::Unavailable, Level::WARN),
            // Only the sweeper deletes an upload in one part, so `Lost` is a bug there.
            Self::Jobs(_) | Self::Upload(_) | Self::Store(_) | Self::Draft(_) | Self::AuthAnswer => {
                (ProblemCode::Internal, Level::ERROR)
            }
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (code, level) = self.verdict();
        let error = Chain(&self);
        match level {
            Level::ERROR => tracing::error!(%error, "could not answer"),
            Level::WARN => tracing::warn!(%error, "a part of the system is away"),
            _ => tracing::debug!(code = code.as_str(), "refused"),
        }
        match self {
            Self::Refused(problem) => problem.into_response(),
            _ => Problem::new(code).into_response(),
        }
    }
}

/// An error answer as every route gives it (RFC 9457).
#[derive(serde::Serialize, utoipa::ToSchema)]
pub(crate) struct ProblemAnswer {
    /// The stable code.
    code: ProblemCode,
    /// The HTTP status.
    status: u16,
    /// A short sentence, the same for every occurrence.
    title: String,
    /// More about this occurrence.
    detail: Option<String>,
    /// The fields that are refused, each with the reason; absent where no field is to blame.
    errors: Option<Vec<RefusedField>>,
    /// The request's id, for the operator's log.
    request_id: String,
}

/// What is wrong with one field of a request.
#[derive(serde::Serialize, utoipa::ToSchema)]
pub(crate) struct RefusedField {
    /// The field: of a JSON body as `mails.failed`, of a query its parameter, of a header its name.
    field: String,
    /// Why it is refused.
    message: String,
}
