//! The whole URL table.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, header};
use contracts::ProblemCode;
use service_kit::Problem;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use crate::openapi::Api;
use crate::routes::{archives, download, events, jobs, links, login, register, upload};
use crate::{Config, Gateway, page};

/// Every body but an upload's is small JSON.
const MAX_JSON_BYTES: usize = 16 << 10;

pub(crate) fn api() -> OpenApiRouter<Arc<Gateway>> {
    let upload = OpenApiRouter::new().routes(routes!(upload::upload)).layer(DefaultBodyLimit::disable());
    OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(register::register))
        .routes(routes!(login::login))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::read, jobs::delete))
        .routes(routes!(jobs::peaks))
        .routes(routes!(jobs::cover))
        .routes(routes!(jobs::retry))
        .routes(routes!(events::all_events))
        .routes(routes!(events::events))
        .routes(routes!(download::download))
        .routes(routes!(links::open))
        .routes(routes!(links::make))
        .routes(routes!(archives::make))
        .routes(routes!(archives::open))
        .layer(DefaultBodyLimit::max(MAX_JSON_BYTES))
        .merge(upload)
}

pub(crate) fn router(gateway: Arc<Gateway>, config: &Config) -> anyhow::Result<Router> {
    let (router, document) = api().split_for_parts();
    let router = router.merge(SwaggerUi::new("/docs").url("/openapi.json", document));
    let router = page::with_page(router, config.static_dir.as_deref())?
        .method_not_allowed_fallback(|| async { Problem::new(ProblemCode::MethodNotAllowed) })
        .with_state(gateway)
        .layer(config.client_ip_source.clone().into_extension())
        .layer(axum::middleware::map_response(async |mut response: axum::response::Response| {
            response
                .headers_mut()
                .insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            response
        }));
    Ok(service_kit::http::with_layers(router))
}
