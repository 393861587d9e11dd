//! What handlers take out of a request: a JSON body, a query, an id. Every refusal names the field and the reason, and never repeats
//! a value: it may be a password.

use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use contracts::ProblemCode;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use crate::Problem;
use crate::problem::FieldError;

/// A JSON body.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

/// A JSON body that may be left out.
#[derive(Debug)]
pub struct OptionalJsonBody<T>(pub Option<T>);

/// The parameters of a query.
#[derive(Debug)]
pub struct QueryOf<T>(pub T);

/// An id in the path. Nothing is known of a malformed one either: 404.
#[derive(Debug)]
pub struct Id<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (is_json, body) = whole(request, state).await?;
        if is_json { json(&body).map(Self) } else { Err(not_json()) }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for OptionalJsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match whole(request, state).await? {
            (_, body) if body.is_empty() => Ok(Self(None)),
            (true, body) => json(&body).map(|value| Self(Some(value))),
            (false, _) => Err(not_json()),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let query = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        let parsed = serde_path_to_error::deserialize(query);
        parsed.map(Self).map_err(|error| refused(error.path().to_string(), &error.inner().to_string()))
    }
}

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let id = text.ok().and_then(|Path(text)| text.parse().ok());
        id.map(Self).ok_or_else(|| ProblemCode::NotFound.into())
    }
}

async fn whole<S: Send + Sync>(request: Request, state: &S) -> Result<(bool, Bytes), Problem> {
    let is_json = is_json(request.headers());
    let body = Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ProblemCode::TooLarge,
        _ => ProblemCode::BadRequest,
    });
    Ok((is_json, body?))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn not_json() -> Problem {
    Problem::new(ProblemCode::UnsupportedMediaType)
        .with_detail("The body must be JSON, with `Content-Type: application/json`.")
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let inner = error.inner();
        if inner.is_data() {
            return refused(error.path().to_string(), &inner.to_string());
        }
        broken(inner)
    })?;
    reader.end().map_err(|error| broken(&error))?;
    Ok(value)
}

fn broken(error: &serde_json::Error) -> Problem {
    let detail =
        format!("The body is no valid JSON from line {}, column {} on.", error.line(), error.column());
    Problem::new(ProblemCode::BadRequest).with_detail(detail)
}

/// The refusal of a field, out of what serde says about it.
fn refused(path: String, message: &str) -> Problem {
    let path = if path == "." { String::new() } else { path };
    // Serde puts the name of the field between backticks.
    let named = || message.split('`').nth(1).unwrap_or_default().to_owned();
    let expected = message.split_once(", expected ").map(|(_, expected)| cut_position(expected));
    let (field, reason) = if message.starts_with("missing field") {
        (join(&path, &named()), "is missing".to_owned())
    } else if message.starts_with("unknown field") {
        // The path ends with the field itself.
        let known = expected.map_or_else(String::new, |known| format!("; expected {known}"));
        (if path.is_empty() { named() } else { path }, format!("is not known{known}"))
    } else if message.starts_with("duplicate field") {
        (named(), "is given more than once".to_owned())
    } else if let Some(expected) = expected {
        (path, format!("expected {expected}"))
    } else if NOT_A_NUMBER.iter().any(|text| message.starts_with(text)) {
        (path, "expected a whole number in range".to_owned())
    } else {
        (path, "is malformed".to_owned())
    };
    Problem::new(ProblemCode::BadRequest).with_error(FieldError::new(field, reason))
}

/// How the standard library refuses integers.
const NOT_A_NUMBER: [&str; 3] = ["invalid digit", "cannot parse integer", "number too"];

/// `serde_json` says where in the text; the field says it better.
fn cut_position(expected: &str) -> &str {
    expected.split(" at line ").next().unwrap_or(expected)
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is only parsed")]
    struct Form {
        email: String,
        mails: Option<Mails>,
        limit: Option<u16>,
        kind: Option<Kind>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "it is only parsed")]
    struct Mails {
        failed: bool,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Short,
        Long,
    }

    fn error_of(body: &str) -> (String, String) {
        let problem = json::<Form>(body.as_bytes()).unwrap_err();
        assert_eq!(problem.code(), ProblemCode::BadRequest);
        assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
        let [error] = problem.errors() else { panic!("{problem:?}") };
        (error.field.clone(), error.message.clone())
    }

    fn said(field: &str, message: &str) -> (String, String) {
        (field.to_owned(), message.to_owned())
    }

    #[test]
    fn a_refused_body_names_the_field_and_the_reason() {
        assert_eq!(error_of("{}"), said("email", "is missing"));
        assert_eq!(error_of(r#"{"email": 5}"#), said("email", "expected a string"));
        assert_eq!(error_of(r#"{"email": "a", "limit": "hunter2"}"#), said("limit", "expected u16"));
        assert_eq!(error_of(r#"{"email": "a", "mails": {}}"#), said("mails.failed", "is missing"));
        assert_eq!(
            error_of(r#"{"email": "a", "email": "hunter2"}"#),
            said("email", "is given more than once")
        );
        assert_eq!(
            error_of(r#"{"email": "a", "kind": "hunter2"}"#),
            said("kind", "expected `short` or `long`")
        );
        let (field, message) = error_of(r#"{"email": "a", "x": "hunter2"}"#);
        assert_eq!(field, "x");
        assert!(message.starts_with("is not known; expected one of `email`"), "{message}");
    }

    #[test]
    fn a_body_that_is_no_json_says_where() {
        let problem = json::<Form>(br#"{"email": hunter2}"#).unwrap_err();
        assert!(problem.errors().is_empty());
        assert!(format!("{problem:?}").contains("line 1, column 11"), "{problem:?}");
        assert!(json::<Form>(b"{\"email\": \"a\"} x").is_err());
    }

    #[tokio::test]
    async fn a_refused_query_names_the_parameter() {
        let error_of = async |query: &str| {
            let request = http::Request::get(format!("/?{query}")).body(()).unwrap();
            let (mut parts, ()) = request.into_parts();
            let problem = QueryOf::<Form>::from_request_parts(&mut parts, &()).await.unwrap_err();
            let [error] = problem.errors() else { panic!("{problem:?}") };
            (error.field.clone(), error.message.clone())
        };
        assert_eq!(error_of("email=a&limit=x").await, said("limit", "expected a whole number in range"));
        assert_eq!(error_of("email=a&kind=x").await, said("kind", "expected `short` or `long`"));
        assert_eq!(error_of("limit=1").await, said("email", "is missing"));
        assert_eq!(error_of("email=a&y=1").await.0, "y");
    }
}
