use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use contracts::ProblemCode;
use http::header::{HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use problem_details::ProblemDetails;
use serde::{Deserialize, Serialize};

use crate::http::RequestId;

/// An error answer: `application/problem+json` (RFC 9457) with a stable `code` and the request's id.
#[derive(Debug, Clone)]
pub struct Problem {
    code: ProblemCode,
    detail: Option<String>,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The field: of a JSON body as `mails.failed`, of a query its parameter, of a header its name.
    pub field: String,
    /// Why it is refused.
    pub message: String,
}

impl FieldError {
    /// This field is refused for this reason.
    #[must_use]
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

#[derive(Serialize)]
struct Extensions {
    code: ProblemCode,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    request_id: String,
}

impl Problem {
    /// The problem with this code.
    #[must_use]
    pub fn new(code: ProblemCode) -> Self {
        let headers = match code {
            ProblemCode::Unavailable => vec![(RETRY_AFTER, HeaderValue::from_static("5"))],
            // An operator must make room first, or files must expire.
            ProblemCode::InsufficientStorage => vec![(RETRY_AFTER, HeaderValue::from_static("60"))],
            ProblemCode::NoToken => vec![(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))],
            ProblemCode::InvalidToken | ProblemCode::ExpiredToken => {
                vec![(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""))]
            }
            _ => Vec::new(),
        };
        Self { code, detail: None, errors: Vec::new(), headers }
    }

    /// Adds a detail about what the client sent; never the text of an inner error.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Says which field is refused, and why.
    #[must_use]
    pub fn with_error(mut self, error: FieldError) -> Self {
        self.errors.push(error);
        self
    }

    /// Says which fields are refused.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors.extend(errors);
        self
    }

    /// The fields that are refused.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    /// Sends a header with it.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> ProblemCode {
        self.code
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<ProblemCode> for Problem {
    fn from(code: ProblemCode) -> Self {
        Self::new(code)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // `render` writes the body, since it knows the request's id.
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the body of every error answer, including the framework's.
pub(crate) async fn render(RequestId(request_id): RequestId, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let problem = response.extensions_mut().remove().unwrap_or_else(|| Problem::new(code_of(status)));
    let body = ProblemDetails::from_status_code(problem.status())
        .with_title(problem.code.title())
        .with_extensions(Extensions { code: problem.code, errors: problem.errors, request_id });
    let body = match problem.detail {
        Some(detail) => body.with_detail(detail),
        None => body,
    };
    let mut rendered = body.into_response();
    rendered.headers_mut().extend(problem.headers);
    // `Allow` on 405 and the like stay; the old body's length and type do not.
    for (name, value) in response.headers() {
        if *name != http::header::CONTENT_LENGTH && *name != http::header::CONTENT_TYPE {
            rendered.headers_mut().insert(name, value.clone());
        }
    }
    rendered
}

/// The code for an error answer of the framework.
fn code_of(status: StatusCode) -> ProblemCode {
    match status {
        StatusCode::NOT_FOUND => ProblemCode::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => ProblemCode::MethodNotAllowed,
        StatusCode::REQUEST_TIMEOUT => ProblemCode::RequestTimeout,
        StatusCode::PAYLOAD_TOO_LARGE => ProblemCode::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ProblemCode::UnsupportedMediaType,
        StatusCode::RANGE_NOT_SATISFIABLE => ProblemCode::RangeNotSatisfiable,
        StatusCode::TOO_MANY_REQUESTS => ProblemCode::TooManyRequests,
        StatusCode::SERVICE_UNAVAILABLE => ProblemCode::Unavailable,
        StatusCode::INSUFFICIENT_STORAGE => ProblemCode::InsufficientStorage,
        status if status.is_client_error() => ProblemCode::BadRequest,
        _ => ProblemCode::Internal,
    }
}
