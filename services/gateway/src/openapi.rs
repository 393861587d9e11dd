//! The OpenAPI document, generated from the routes.

use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

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
    crate::router::api().into_openapi()
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
