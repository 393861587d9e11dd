//! What goes wrong in a request, and the one table that says how it is answered and logged.

use axum::response::{IntoResponse, Response};
use broker::{DeadLetterError, PublishError};
use contracts::ProblemCode;
use jobs::JobsError;
use media_store::StoreError;
use service_kit::{Chain, Problem};

use crate::identity::tokens::TokenError;
use crate::intake::receive::UploadError;

/// A request that is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the request is refused")]
    Refused(Problem),
    #[error("the token is refused")]
    Token(#[from] TokenError),
    #[error("the upload is refused")]
    Upload(#[from] UploadError),
    #[error("could not reach auth")]
    Auth(#[source] reqwest::Error),
    #[error("auth gave an answer that is none")]
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
    #[error("could not look after dead letters")]
    DeadLetters(#[from] DeadLetterError),
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

enum Blame {
    /// The client's: it is told, and the log needs no line of its own.
    Client,
    /// A part that is away for the moment.
    Environment,
    /// Ours.
    Bug,
}

impl Error {
    fn judge(self) -> (Problem, Blame, Option<Self>) {
        let unavailable = || Problem::new(ProblemCode::Unavailable);
        let internal = || Problem::new(ProblemCode::Internal);
        match self {
            Self::Refused(problem) | Self::Upload(UploadError::Refused(problem)) => {
                (problem, Blame::Client, None)
            }
            Self::Token(TokenError::Expired) => (ProblemCode::ExpiredToken.into(), Blame::Client, None),
            Self::Token(TokenError::Invalid) => (ProblemCode::InvalidToken.into(), Blame::Client, None),
            // Nobody but the sweeper deletes an upload in one part.
            Self::Upload(UploadError::Store(StoreError::Lost)) => {
                (internal(), Blame::Bug, Some(Self::Store(StoreError::Lost)))
            }
            Self::Upload(UploadError::Store(error)) => Self::Store(error).judge(),
            // Another connection was quicker, or its owner gave the upload up.
            Self::Store(StoreError::Taken) => (ProblemCode::UploadLocked.into(), Blame::Client, None),
            Self::Store(StoreError::Lost) => (ProblemCode::NotFound.into(), Blame::Client, None),
            Self::Auth(_)
            | Self::BrokerAway
            | Self::Publish(_)
            | Self::DeadLetters(_)
            | Self::Token(TokenError::KeysAway(_) | TokenError::KeysUnknown)
            | Self::Jobs(JobsError::Unavailable(_))
            | Self::Store(StoreError::Unavailable { .. }) => (unavailable(), Blame::Environment, Some(self)),
            Self::Jobs(_) | Self::Store(_) | Self::Draft(_) | Self::AuthAnswer => {
                (internal(), Blame::Bug, Some(self))
            }
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (problem, blame, cause) = self.judge();
        let cause = cause.as_ref().map(|error| Chain(error).to_string()).unwrap_or_default();
        match blame {
            Blame::Client => tracing::debug!(code = problem.code().as_str(), "refused"),
            Blame::Environment => tracing::warn!(error = cause, "a part of the system is away"),
            Blame::Bug => tracing::error!(error = cause, "could not answer"),
        }
        problem.into_response()
    }
}
