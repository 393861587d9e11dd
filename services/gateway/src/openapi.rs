//! The OpenAPI document, generated from the routes.

use std::collections::BTreeMap;

use contracts::ProblemCode;
use serde_json::json;
use utoipa::OpenApi;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::path::{Operation, Parameter};
use utoipa::openapi::schema::{OneOf, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Content, ContentBuilder, OpenApi as OpenApiDocument, PathItem, Ref, RefOr, Response, ResponseBuilder,
    Schema,
};

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
    components(schemas(contracts::ProblemCode, crate::error::ProblemAnswer)),
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

/// The document as it is served. `make openapi` writes it, and a test compares it with the routes.
pub(crate) const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

/// The OpenAPI document of the public interface, generated from the routes.
#[must_use]
pub fn document() -> OpenApiDocument {
    let mut document = crate::router::described().into_openapi();
    add_problems(&mut document);
    let examples = ProblemCode::ALL.iter().map(|code| (code.as_str().to_owned(), example(*code).into()));
    document.components.get_or_insert_default().examples.extend(examples);
    forget_nulls(&mut document);
    document
}

/// The extension by which a route lists its own problem codes.
const PROBLEMS: &str = "x-problem-codes";

/// The problems of every route: a request can be refused before it reaches the handler.
const ANYWHERE: [ProblemCode; 3] =
    [ProblemCode::BadRequest, ProblemCode::TooManyRequests, ProblemCode::Unavailable];
const WITH_A_BODY: [ProblemCode; 3] =
    [ProblemCode::RequestTimeout, ProblemCode::TooLarge, ProblemCode::UnsupportedMediaType];
const WITH_A_TOKEN: [ProblemCode; 4] =
    [ProblemCode::NoToken, ProblemCode::InvalidToken, ProblemCode::ExpiredToken, ProblemCode::ScopeMissing];

/// Describes the problems of each route: its own, and those that any route has.
fn add_problems(document: &mut OpenApiDocument) {
    for path in document.paths.paths.values_mut() {
        let has_content = path.head.is_none();
        for operation in operations_of(path) {
            let needs_token = operation.security.as_ref().is_some_and(|security| !security.is_empty());
            let mut codes = ANYWHERE.to_vec();
            codes.extend(WITH_A_BODY.into_iter().filter(|_| operation.request_body.is_some()));
            codes.extend(WITH_A_TOKEN.into_iter().filter(|_| needs_token));
            codes.extend(own_problems(operation));
            let mut by_status = BTreeMap::<u16, Vec<ProblemCode>>::new();
            for code in ProblemCode::ALL.iter().filter(|code| codes.contains(code)) {
                by_status.entry(code.status()).or_default().push(*code);
            }
            for (status, codes) in by_status {
                let answer = problem_response(&codes, has_content || operation.request_body.is_some());
                operation.responses.responses.insert(status.to_string(), answer.into());
            }
        }
    }
}

fn own_problems(operation: &mut Operation) -> Vec<ProblemCode> {
    let listed = operation.extensions.as_mut().and_then(|extensions| extensions.remove(PROBLEMS));
    operation.extensions = operation.extensions.take().filter(|extensions| !extensions.is_empty());
    listed.and_then(|codes| serde_json::from_value(codes).ok()).unwrap_or_default()
}

/// Lists each code with its title, and shows an answer with it.
fn problem_response(codes: &[ProblemCode], has_content: bool) -> Response {
    let lines: Vec<String> =
        codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.title())).collect();
    let response = ResponseBuilder::new().description(lines.join("; "));
    if !has_content {
        return response.build();
    }
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("ProblemAnswer")))
        .examples_from_iter(codes.iter().map(|code| {
            let example = Ref::new(format!("#/components/examples/{}", code.as_str()));
            (code.as_str(), RefOr::Ref(example))
        }));
    response.content("application/problem+json", content.build()).build()
}

fn example(code: ProblemCode) -> Example {
    let body = json!({
        "code": code,
        "request_id": "019ac2f1-6b1e-7c52-9d8e-3f2a1b0c4d5e",
        "status": code.status(),
        "title": code.title(),
        "type": "about:blank",
    });
    ExampleBuilder::new().value(Some(body)).build()
}

/// Within JSON the schema of an `Option` is right: it may be `null`. But an optional parameter or body is
/// left out, and never `null`.
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
    document.paths.paths.values_mut().flat_map(operations_of)
}

fn operations_of(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut path.get, &mut path.post, &mut path.put, &mut path.patch, &mut path.delete, &mut path.head]
        .into_iter()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_document_is_what_the_routes_say() {
        let generated = document().to_pretty_json().unwrap();
        assert!(
            DOCUMENT.trim_end() == generated,
            "docs/openapi.json is not what the routes say: run `make openapi`"
        );
    }

    #[test]
    fn names_of_operations_are_unique() {
        let mut document = document();
        let mut names: Vec<String> =
            operations(&mut document).map(|operation| operation.operation_id.clone().unwrap()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_listed_problem_is_described() {
        let text = document().to_json().unwrap();
        assert!(!text.contains("\"x-"), "an extension was not understood");
        let unlisted =
            ProblemCode::ALL.iter().filter(|code| !text.contains(&format!("`{}`: ", code.as_str())));
        // Codes of routes that are not in the document, and of our own mistakes.
        let expected = [
            ProblemCode::OidcFailed,
            ProblemCode::OidcDenied,
            ProblemCode::MethodNotAllowed,
            ProblemCode::Internal,
        ];
        assert_eq!(unlisted.copied().collect::<Vec<_>>(), expected);
    }
}
