use std::time::Duration;

use argon2::password_hash;
use axum::http::HeaderValue;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use contracts::ProblemCode;
use service_kit::{Chain, Problem};
use tracing::Level;

use crate::oidc::OidcError;
use crate::passwords::hashing::HashingError;
use crate::tables::database::DatabaseError;
use crate::tokens::keyring::NotLoaded;

/// Why auth refused or failed to serve a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the e-mail address is malformed")]
    BadEmail,
    #[error("the password is too short or too long")]
    BadPassword,
    #[error("the password is a common one")]
    CommonPassword,
    #[error("there is no account with this address and password")]
    WrongCredentials,
    #[error("there were too many wrong passwords")]
    TooManyTries(Duration),
    #[error("the account is closed")]
    Disabled,
    #[error("the current password is wrong")]
    WrongPassword,
    #[error("the token from a mail is not valid")]
    BadMailToken,
    #[error("the refresh token is not valid")]
    InvalidRefreshToken,
    #[error("the request has no access token")]
    NoToken,
    #[error("the access token is not valid")]
    InvalidToken,
    #[error("the access token has expired")]
    ExpiredToken,
    #[error("the caller is not an administrator")]
    AdminOnly,
    #[error("there is no such object")]
    NotFound,
    #[error("the request is malformed: {0}")]
    BadRequest(&'static str),
    #[error("there are too many keys")]
    TooManyKeys,
    #[error("the identity provider has not confirmed the address")]
    AddressNotVerified,
    #[error("the sign-in with the identity provider failed")]
    Oidc(#[from] OidcError),
    #[error("could not get random bytes")]
    Random(#[from] aws_lc_rs::error::Unspecified),
    #[error("could not hash the password in time")]
    Hashing(#[from] HashingError),
    #[error("could not hash the password, or read a stored hash")]
    Hash(#[source] password_hash::Error),
    #[error("could not query the database")]
    Database(#[from] DatabaseError),
    #[error("could not sign a token")]
    NoKey(#[from] NotLoaded),
    #[error("could not sign a token")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

impl Error {
    /// The problem that the client gets, and the level of the log line.
    fn verdict(&self) -> (ProblemCode, Level) {
        match self {
            Self::BadEmail => (ProblemCode::BadEmail, Level::DEBUG),
            Self::BadPassword => (ProblemCode::BadPassword, Level::DEBUG),
            Self::CommonPassword => (ProblemCode::CommonPassword, Level::DEBUG),
            Self::WrongCredentials => (ProblemCode::WrongCredentials, Level::DEBUG),
            Self::TooManyTries(_) => (ProblemCode::TooManyRequests, Level::DEBUG),
            Self::Disabled => (ProblemCode::AccountDisabled, Level::DEBUG),
            Self::WrongPassword => (ProblemCode::WrongPassword, Level::DEBUG),
            Self::BadMailToken => (ProblemCode::BadOrExpiredToken, Level::DEBUG),
            Self::InvalidRefreshToken => (ProblemCode::InvalidRefreshToken, Level::DEBUG),
            Self::NoToken => (ProblemCode::NoToken, Level::DEBUG),
            Self::InvalidToken => (ProblemCode::InvalidToken, Level::DEBUG),
            Self::ExpiredToken => (ProblemCode::ExpiredToken, Level::DEBUG),
            Self::AdminOnly => (ProblemCode::AdminOnly, Level::DEBUG),
            Self::NotFound | Self::Oidc(OidcError::UnknownProvider) => (ProblemCode::NotFound, Level::DEBUG),
            Self::BadRequest(_) => (ProblemCode::BadRequest, Level::DEBUG),
            Self::TooManyKeys => (ProblemCode::TooManyKeys, Level::DEBUG),
            Self::AddressNotVerified => (ProblemCode::AddressNotVerified, Level::INFO),
            Self::Oidc(
                OidcError::Status(_)
                | OidcError::Malformed(_)
                | OidcError::Attempt
                | OidcError::IdToken(_)
                | OidcError::Signature(_),
            ) => (ProblemCode::OidcFailed, Level::WARN),
            Self::Hashing(HashingError::Busy)
            | Self::Oidc(OidcError::Away(_))
            | Self::Database(DatabaseError::Unavailable(_) | DatabaseError::TimedOut)
            | Self::NoKey(NotLoaded) => (ProblemCode::Unavailable, Level::WARN),
            Self::Hashing(HashingError::Panicked(_))
            | Self::Database(DatabaseError::Unexpected(_))
            | Self::Hash(_)
            | Self::Random(_)
            | Self::Oidc(OidcError::Random(_))
            | Self::Sign(_) => (ProblemCode::Internal, Level::ERROR),
        }
    }

    /// The stable code of the problem.
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
            Level::INFO => tracing::info!(%error, "the request was refused"),
            _ => tracing::debug!(%error, "the request was refused"),
        }
        let problem = Problem::new(code);
        match self {
            Self::BadRequest(detail) => problem.with_detail(detail).into_response(),
            Self::TooManyTries(wait) => {
                let problem = problem.with_detail("There were too many wrong passwords for this address.");
                problem.with_header(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1)).into_response()
            }
            _ => problem.into_response(),
        }
    }
}
