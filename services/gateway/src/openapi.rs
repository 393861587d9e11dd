//! The OpenAPI document, generated from the routes.

use contracts::ProblemCode;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi as OpenApiDocument, Ref, Response};

#[derive(OpenApi)]
#[openapi(
    info(title = "Mixdown", description = "Upload a video, get its sound as an MP3, or as M4A, Opus, FLAC or WAV."),
    tags(
        (name = "accounts", description = "Registration, sign-in, sessions, API keys"),
        (name = "jobs", description = "Uploads and what becomes of them"),
        (name = "uploads", description = "Uploads that survive a bad connection: tus 1.0.0"),
        (name = "files", description = "The finished files"),
        (name = "administration", description = "For administrators"),
    ),
    modifiers(&Security),
    components(schemas(contracts::ProblemCode)),
)]
pub(crate) struct Api;

struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
        let basic = HttpBuilder::new().scheme(HttpAuthScheme::Basic).build();
        components.add_security_scheme("password", SecurityScheme::Http(basic));
    }
}

/// The OpenAPI document of the public interface.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = crate::router::api().into_openapi();
    add_common_answers(&mut document);
    document
}

/// What any route may answer, wherever a request is stopped before it gets there.
const ANYWHERE: [(ProblemCode, &str); 3] = [
    (ProblemCode::BadRequest, "`bad_request`"),
    (ProblemCode::TooManyRequests, "`too_many_requests`"),
    (ProblemCode::Unavailable, "`unavailable`"),
];
const WITH_A_BODY: [(ProblemCode, &str); 2] =
    [(ProblemCode::RequestTimeout, "`request_timeout`"), (ProblemCode::TooLarge, "`too_large`")];
const WITH_A_TOKEN: [(ProblemCode, &str); 2] = [
    (ProblemCode::InvalidToken, "`no_token`, `invalid_token`, `expired_token`"),
    (ProblemCode::ScopeMissing, "`scope_missing`"),
];

/// Adds what any route may answer to those that don't say it themselves.
pub(crate) fn add_common_answers(document: &mut OpenApiDocument) {
    for path in document.paths.paths.values_mut() {
        let operations =
            [&mut path.get, &mut path.post, &mut path.put, &mut path.patch, &mut path.delete, &mut path.head];
        for operation in operations.into_iter().flatten() {
            let needs_token = operation.security.as_ref().is_some_and(|security| !security.is_empty());
            let mut common = ANYWHERE.to_vec();
            common.extend(WITH_A_BODY.into_iter().filter(|_| operation.request_body.is_some()));
            common.extend(WITH_A_TOKEN.into_iter().filter(|_| needs_token));
            for (code, description) in common {
                let problem = Content::new(Some(Ref::from_schema_name("ProblemAnswer")));
                let answer =
                    Response::builder().description(description).content("application/problem+json", problem);
                let answers = &mut operation.responses.responses;
                answers.entry(code.status().to_string()).or_insert_with(|| answer.build().into());
            }
        }
    }
}

/// An error answer as every route gives it (RFC 9457).
#[derive(serde::Serialize, utoipa::ToSchema)]
pub(crate) struct ProblemAnswer {
    /// The stable code.
    code: contracts::ProblemCode,
    /// The HTTP status.
    status: u16,
    /// A short sentence, the same for every occurrence.
    title: String,
    /// More about this occurrence.
    detail: Option<String>,
    /// The request's id, for the operator's log.
    request_id: String,
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_document_is_what_the_routes_say() {
        let committed = include_str!("../../../docs/openapi.json");
        let said = super::document().to_pretty_json().unwrap();
        assert!(
            committed.trim_end() == said,
            "docs/openapi.json is not what the routes say: run `make openapi`"
        );
    }
}
