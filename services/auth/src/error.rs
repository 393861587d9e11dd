use argon2::password_hash;
use axum::response::{IntoResponse, Response};
use contracts::ProblemCode;
use service_kit::{Chain, Problem};
use tracing::Level;

use crate::database::DatabaseError;
use crate::hashing::HashingError;
use crate::keyring::NotLoaded;

/// Why auth did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the e-mail address is not one")]
    BadEmail,
    #[error("the password is too short or too long")]
    BadPassword,
    #[error("the password is a common one")]
    CommonPassword,
    #[error("there is no account with this address and password")]
    WrongCredentials,
    #[error("could not hash the password in time")]
    Hashing(#[from] HashingError),
    #[error("could not hash the password, or read a stored hash")]
    Hash(#[source] password_hash::Error),
    #[error("could not ask the database")]
    Database(#[from] DatabaseError),
    #[error("could not sign a token")]
    NoKey(#[from] NotLoaded),
    #[error("could not sign a token")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

impl Error {
    /// What the client is told, and how loudly the log.
    fn verdict(&self) -> (ProblemCode, Level) {
        match self {
            Self::BadEmail => (ProblemCode::BadEmail, Level::DEBUG),
            Self::BadPassword => (ProblemCode::BadPassword, Level::DEBUG),
            Self::CommonPassword => (ProblemCode::CommonPassword, Level::DEBUG),
            Self::WrongCredentials => (ProblemCode::WrongCredentials, Level::DEBUG),
            Self::Hashing(HashingError::Busy)
            | Self::Database(DatabaseError::Unavailable(_) | DatabaseError::TimedOut)
            | Self::NoKey(NotLoaded) => (ProblemCode::Unavailable, Level::WARN),
            Self::Hashing(HashingError::Panicked(_))
            | Self::Database(DatabaseError::Unexpected(_))
            | Self::Hash(_)
            | Self::Sign(_) => (ProblemCode::Internal, Level::ERROR),
        }
    }

    /// The stable code of what the client is told.
    pub(crate) fn code(&self) -> ProblemCode {
        self.verdict().0
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (code, level) = self.verdict();
        let error = Chain(&self);
        match level {
            Level::ERROR => tracing::error!(%error, "the request failed"),
            Level::WARN => tracing::warn!(%error, "the request failed"),
            _ => tracing::debug!(%error, "the request was refused"),
        }
        Problem::new(code).into_response()
    }
}
