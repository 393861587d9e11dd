//! The whole URL table. A route's rule is in its handler's signature: see `identity::access`.

use axum::Router;
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

use crate::Config;
use crate::delivery::page;
use crate::edge::layers;
use crate::openapi::{Api, DOCUMENT};
use crate::routes::{
    account, archives, events, files, jobs, keys, links, login, oidc, queues, sessions, upload, uploads,
    users, verification,
};
use crate::state::Gateway;

/// The routes that the OpenAPI document describes.
pub(crate) fn described() -> OpenApiRouter<Gateway> {
    OpenApiRouter::with_openapi(Api::openapi())
        .merge(accounts())
        .merge(listed())
        .merge(streamed())
        .merge(uploaded())
}

/// Routes about accounts.
fn accounts() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(verification::register))
        .routes(routes!(verification::verify_address))
        .routes(routes!(verification::resend_verification))
        .routes(routes!(verification::forgot_password))
        .routes(routes!(verification::reset_password))
        .routes(routes!(login::login))
        .routes(routes!(sessions::refresh_tokens))
        .routes(routes!(sessions::logout))
        .routes(routes!(sessions::list_sessions, sessions::end_all_sessions))
        .routes(routes!(sessions::end_session))
        .routes(routes!(account::get_me, account::update_me, account::delete_me))
        .routes(routes!(account::get_my_usage))
        .routes(routes!(account::change_password))
        .routes(routes!(account::change_address))
        .routes(routes!(keys::list_keys, keys::create_key))
        .routes(routes!(keys::delete_key))
        .routes(routes!(oidc::list_providers))
        .routes(routes!(oidc::start_oidc))
        .routes(routes!(users::update_user))
        .routes(routes!(users::get_user_usage))
        .routes(routes!(queues::list_queues))
        .routes(routes!(queues::list_dead_messages))
        .routes(routes!(queues::replay_dead_messages))
        .layer(middleware::from_fn(layers::refuse_query))
        .routes(routes!(oidc::finish_oidc))
        .routes(routes!(users::list_users))
        .layer(middleware::from_fn(layers::whole_body))
}

/// Routes whose answers are in memory as a whole.
fn listed() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(jobs::get_job, jobs::delete_job))
        .routes(routes!(jobs::get_peaks))
        .routes(routes!(jobs::get_cover))
        .routes(routes!(jobs::retry_job))
        .routes(routes!(links::create_link))
        .routes(routes!(archives::create_archive))
        .layer(middleware::from_fn(layers::refuse_query))
        .routes(routes!(jobs::list_jobs))
        .layer(middleware::from_fn(layers::hold_place))
        .layer(middleware::from_fn(layers::whole_body))
}

/// Routes whose answers are sent for as long as their client reads.
fn streamed() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(events::watch_jobs))
        .routes(routes!(events::watch_job))
        .routes(routes!(files::get_audio))
        .layer(middleware::from_fn(layers::refuse_query))
        .routes(routes!(files::download))
        // Mail programs add parameters of their own to links.
        .routes(routes!(links::open_link))
        .routes(routes!(archives::open_archive))
        .layer(middleware::from_fn(layers::whole_body))
}

/// Routes with bodies of any size.
fn uploaded() -> OpenApiRouter<Gateway> {
    let resumable = OpenApiRouter::new()
        .routes(routes!(uploads::get_capabilities, uploads::create_upload))
        .routes(routes!(uploads::get_upload, uploads::append_to_upload, uploads::delete_upload))
        .route("/uploads/{id}", post(uploads::override_method).options(uploads::get_capabilities))
        .layer(map_response(uploads::say_version));
    OpenApiRouter::new()
        .routes(routes!(upload::upload_video))
        .merge(resumable)
        .layer(middleware::from_fn(layers::refuse_query))
        .layer(DefaultBodyLimit::disable())
}

pub(crate) fn router(gateway: Gateway, config: &Config) -> anyhow::Result<Router> {
    let is_https = config.identity.public_url.scheme() == "https";
    let (router, _) = described().split_for_parts();
    let router = router.route_layer(middleware::from_fn(layers::apply_access_rule));
    let document = get(async || ([(header::CONTENT_TYPE, "application/json")], DOCUMENT));
    let documentation = SwaggerUi::new("/docs").config(utoipa_swagger_ui::Config::from("/openapi.json"));
    let router = router.route("/openapi.json", document).merge(documentation);
    let router = page::with_page(router, config.static_dir.as_deref())?
        .method_not_allowed_fallback(async || Problem::new(ProblemCode::MethodNotAllowed))
        .with_state(gateway)
        .layer(config.client_ip_source.clone().into_extension())
        .layer(middleware::from_fn(move |request, next| layers::harden(is_https, request, next)));
    // Only with origins: the layer treats every `OPTIONS` as a browser's preflight request, even those of tus
    // clients.
    let router = match layers::cross_origin(&config.cors_origins) {
        Some(answering) => router.layer(answering),
        None => router,
    };
    Ok(service_kit::http::with_layers(router))
}
