//! The whole URL table.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::middleware::{self, map_response};
use axum::routing::{get, post};
use contracts::ProblemCode;
use service_kit::Problem;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use crate::delivery::page;
use crate::openapi::{Api, completed};
use crate::routes::{
    archives, download, elsewhere, events, jobs, keys, links, login, mailed, me, queues, register, session,
    upload, uploads, users,
};
use crate::{Config, Gateway, edge};

pub(crate) fn api() -> OpenApiRouter<Arc<Gateway>> {
    let upload = OpenApiRouter::new().routes(routes!(upload::upload)).layer(DefaultBodyLimit::disable());
    let uploads = OpenApiRouter::new()
        .routes(routes!(uploads::capabilities, uploads::create))
        .routes(routes!(uploads::look, uploads::append, uploads::terminate))
        .route("/uploads/{id}", post(uploads::overridden).options(uploads::capabilities))
        .layer(DefaultBodyLimit::disable())
        .layer(map_response(uploads::say_version));
    OpenApiRouter::with_openapi(Api::openapi())
        .merge(accounts())
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::read, jobs::delete))
        .routes(routes!(jobs::peaks))
        .routes(routes!(jobs::cover))
        .routes(routes!(jobs::retry))
        .routes(routes!(links::make))
        .routes(routes!(archives::make))
        .layer(middleware::from_fn(edge::hold_place))
        .routes(routes!(events::all_events))
        .routes(routes!(events::events))
        .routes(routes!(download::download))
        .routes(routes!(links::open))
        .routes(routes!(archives::open))
        .layer(middleware::from_fn(edge::whole_body))
        .merge(upload)
        .merge(uploads)
}

fn accounts() -> OpenApiRouter<Arc<Gateway>> {
    OpenApiRouter::new()
        .routes(routes!(register::register))
        .routes(routes!(mailed::verify))
        .routes(routes!(mailed::resend))
        .routes(routes!(mailed::forgot))
        .routes(routes!(mailed::reset))
        .routes(routes!(login::login))
        .routes(routes!(session::refresh))
        .routes(routes!(session::log_out))
        .routes(routes!(session::list, session::end_all))
        .routes(routes!(session::end))
        .routes(routes!(me::show, me::change, me::erase))
        .routes(routes!(me::usage))
        .routes(routes!(me::change_password))
        .routes(routes!(me::change_address))
        .routes(routes!(keys::list, keys::make))
        .routes(routes!(keys::delete))
        .routes(routes!(elsewhere::providers))
        .routes(routes!(elsewhere::start))
        .routes(routes!(elsewhere::callback))
        .routes(routes!(users::list))
        .routes(routes!(users::change))
        .routes(routes!(users::usage))
        .routes(routes!(queues::list))
        .routes(routes!(queues::dead))
        .routes(routes!(queues::replay))
}

pub(crate) fn router(gateway: Arc<Gateway>, config: &Config) -> anyhow::Result<Router> {
    let is_https = config.public_url.scheme() == "https";
    let (router, document) = api().split_for_parts();
    // Written once: an answer that nobody takes holds nothing of its own then.
    let document = Bytes::from(serde_json::to_vec(&completed(document))?);
    let described =
        move || std::future::ready(([(header::CONTENT_TYPE, "application/json")], document.clone()));
    let documentation = SwaggerUi::new("/docs").config(utoipa_swagger_ui::Config::from("/openapi.json"));
    let router = router.route("/openapi.json", get(described)).merge(documentation);
    let router = page::with_page(router, config.static_dir.as_deref())?
        .method_not_allowed_fallback(|| async { Problem::new(ProblemCode::MethodNotAllowed) })
        .route_layer(middleware::from_fn_with_state(Arc::clone(&gateway), edge::note_account_request))
        .with_state(gateway)
        .layer(config.client_ip_source.clone().into_extension())
        .layer(middleware::from_fn(move |request, next| edge::harden(is_https, request, next)));
    // It takes every `OPTIONS` for a browser's question, also those of tus clients.
    let router = match edge::cross_origin(&config.cors_origins) {
        Some(answering) => router.layer(answering),
        None => router,
    };
    Ok(service_kit::http::with_layers(router))
}
