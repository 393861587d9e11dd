//! The OpenAPI document, generated from the routes.

use contracts::ProblemCode;
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, Parameter};
use utoipa::openapi::schema::{OneOf, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi as OpenApiDocument, Ref, RefOr, Response, Schema};

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
    completed(crate::router::api().into_openapi())
}

/// The document with what the routes can't say by themselves.
pub(crate) fn completed(mut document: OpenApiDocument) -> OpenApiDocument {
    add_common_answers(&mut document);
    forget_nulls(&mut document);
    document
}

/// What any route may answer, wherever a request is stopped before it gets there.
const ANYWHERE: [(ProblemCode, &str); 3] = [
    (ProblemCode::BadRequest, "`bad_request`"),
    (ProblemCode::TooManyRequests, "`too_many_requests`"),
    (ProblemCode::Unavailable, "`unavailable`"),
];
const WITH_A_BODY: [(ProblemCode, &str); 3] = [
    (ProblemCode::RequestTimeout, "`request_timeout`"),
    (ProblemCode::TooLarge, "`too_large`"),
    (ProblemCode::UnsupportedMediaType, "`unsupported_media_type`"),
];
const WITH_A_TOKEN: [(ProblemCode, &str); 2] = [
    (ProblemCode::InvalidToken, "`no_token`, `invalid_token`, `expired_token`"),
    (ProblemCode::ScopeMissing, "`scope_missing`"),
];

/// Adds what any route may answer to those that don't say it themselves.
fn add_common_answers(document: &mut OpenApiDocument) {
    for operation in operations(document) {
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

/// What an `Option` becomes is right within JSON. But a parameter or a whole body that may be left out is not `null`.
fn forget_nulls(document: &mut OpenApiDocument) {
    for operation in operations(document) {
        for parameter in operation.parameters.iter_mut().flatten() {
            if let RefOr::T(Parameter { schema: Some(schema), .. }) = parameter {
                forget_null(schema);
            }
        }
        if let Some(RefOr::T(body)) = &mut operation.request_body {
            for content in body.content.values_mut() {
                if let RefOr::T(Content { schema: Some(schema), .. }) = content {
                    forget_null(schema);
                }
            }
        }
    }
}

fn forget_null(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::OneOf(OneOf { items, .. })) => {
            if let [one, null] = items.as_slice()
                && matches!(null, RefOr::T(Schema::Object(object)) if object.schema_type == NULL)
            {
                *schema = one.clone();
            }
        }
        RefOr::T(Schema::Object(object)) => {
            if let SchemaType::Array(types) = &object.schema_type
                && let [one, Type::Null] = types.as_slice()
            {
                object.schema_type = SchemaType::Type(one.clone());
            }
        }
        _ => {}
    }
}

const NULL: SchemaType = SchemaType::Type(Type::Null);

fn operations(document: &mut OpenApiDocument) -> impl Iterator<Item = &mut Operation> {
    document.paths.paths.values_mut().flat_map(|path| {
        [&mut path.get, &mut path.post, &mut path.put, &mut path.patch, &mut path.delete, &mut path.head]
            .into_iter()
            .flatten()
    })
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
