//! Layers around the routes: what they do to every request and every answer.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_SECURITY_POLICY, ETAG, HeaderName, LOCATION,
    REFERRER_POLICY, RETRY_AFTER, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use contracts::{Audit, ProblemCode};
use futures_util::StreamExt as _;
use service_kit::{FieldError, Problem, audit};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use super::{AccessRule, PlaceOfAnswer};

/// Every body except an upload's is small JSON.
const MAX_JSON_BYTES: usize = 16 << 10;

/// A small body arrives at once. A client that takes longer may hold connections open on purpose.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers with data are not documents, so they need not load or frame anything.
const NO_DOCUMENT: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// The page of the documentation has inline styles.
const DOCUMENTATION: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// How much of a parameter's name is repeated in its refusal.
const MAX_NAME_CHARS: usize = 50;

const A_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Reads the whole body before the handler runs.
pub(crate) async fn whole_body(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let read = tokio::time::timeout(BODY_TIMEOUT, read(body)).await;
    match read.unwrap_or(Err(ProblemCode::RequestTimeout)) {
        Ok(body) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(code) => Problem::new(code).into_response(),
    }
}

async fn read(body: Body) -> Result<Vec<u8>, ProblemCode> {
    let mut pieces = body.into_data_stream();
    let mut whole = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| ProblemCode::BadRequest)?;
        if whole.len() + piece.len() > MAX_JSON_BYTES {
            return Err(ProblemCode::TooLarge);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

/// Refuses query parameters on routes that take none.
pub(crate) async fn refuse_query(request: Request, next: Next) -> Response {
    let query = request.uri().query().unwrap_or_default();
    match query.split(['=', '&']).next().filter(|name| !name.is_empty()) {
        None => next.run(request).await,
        Some(name) => {
            let error =
                FieldError::new(name.chars().take(MAX_NAME_CHARS).collect::<String>(), "is not known");
            Problem::new(ProblemCode::BadRequest).with_error(error).into_response()
        }
    }
}

/// Counts an answer that is in memory as a whole, until its client has received it.
pub(crate) async fn hold_place(mut request: Request, next: Next) -> Response {
    let place = PlaceOfAnswer::default();
    request.extensions_mut().insert(place.clone());
    let response = next.run(request).await;
    match place.taken() {
        Some(place) => response.map(|body| place.of(body)),
        None => response,
    }
}

/// Adds the security headers. A content security policy or referrer policy of the answer's own stays.
pub(crate) async fn harden(is_https: bool, request: Request, next: Next) -> Response {
    let policy = if request.uri().path().starts_with("/docs") { DOCUMENTATION } else { NO_DOCUMENT };
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(policy);
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    if is_https {
        headers.insert(STRICT_TRANSPORT_SECURITY, A_YEAR);
    }
    response
}

/// Lets pages of exactly these origins use the API, with tokens of their own. Cookies are only for our own
/// page.
pub(crate) fn cross_origin(origins: &[HeaderValue]) -> Option<CorsLayer> {
    const EXPOSED: [HeaderName; 6] =
        [ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_RANGE, ETAG, LOCATION, RETRY_AFTER];
    const METHODS: [Method; 6] =
        [Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::DELETE, Method::OPTIONS];
    let ours = [
        "job-location",
        "ratelimit-limit",
        "ratelimit-remaining",
        "ratelimit-reset",
        "tus-extension",
        "tus-max-size",
        "tus-resumable",
        "tus-version",
        "upload-expires",
        "upload-length",
        "upload-metadata",
        "upload-offset",
        "x-request-id",
    ];
    if origins.is_empty() {
        return None;
    }
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.iter().cloned()))
        .allow_methods(METHODS)
        .allow_headers(Any)
        .expose_headers(EXPOSED.into_iter().chain(ours.map(HeaderName::from_static)).collect::<Vec<_>>())
        .max_age(Duration::from_hours(1));
    Some(layer)
}

/// Enforces the access rule in a route's signature ([`AccessRule`]). A route without a rule is answered with
/// an internal error. Changes of an account are audited; auth records their outcome under the same request
/// id.
pub(crate) async fn apply_access_rule(mut request: Request, next: Next) -> Response {
    let rule = AccessRule::default();
    request.extensions_mut().insert(rule.clone());
    let is_change = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let response = next.run(request).await;
    let status = response.status();
    if let Some(client) = rule.audited_client().filter(|_| is_change) {
        audit::record(Audit::AccountRequest { status: status.as_u16(), client });
    }
    if !rule.is_passed() && !status.is_client_error() && !status.is_server_error() {
        tracing::error!("a route has no access rule in its signature");
        return Problem::new(ProblemCode::Internal).into_response();
    }
    response
}
