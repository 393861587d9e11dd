//! The browser page: built files from a folder, under a strict content security policy.

use std::path::Path;

use anyhow::ensure;
use axum::Router;
use axum::extract::Request;
use axum::handler::HandlerWithoutStateExt as _;
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{Redirect, Response};
use axum::routing::{get, get_service};
use contracts::ProblemCode;
use service_kit::Problem;
use tower_http::services::{ServeDir, ServeFile};

/// The addresses of the page's parts. All of them are the same document, which reads its own address.
const PLACES: [&str; 8] =
    ["/", "/sign-in", "/sign-up", "/forgot", "/verify", "/reset", "/settings", "/admin"];

/// Where the build puts files whose names change with their content.
const HASHED: &str = "/assets/";

/// Allows only our own scripts, styles and pictures. Files that were fetched with a token are shown as blobs.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; \
     connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; \
     frame-ancestors 'none'",
);

const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_EACH_TIME: HeaderValue = HeaderValue::from_static("no-cache");

/// Adds the page in this folder. Without a folder, `/` redirects to the documentation. An address that is
/// neither a route nor a file is answered with a problem, as without the page.
pub(crate) fn with_page<S>(router: Router<S>, directory: Option<&Path>) -> anyhow::Result<Router<S>>
where
    S: Clone + Send + Sync + 'static,
{
    let Some(directory) = directory else {
        let documentation = get(|| async { Redirect::temporary("/docs/") });
        return Ok(router.route("/", documentation).fallback(nothing_here));
    };
    let index = directory.join("index.html");
    ensure!(index.is_file(), "the folder of the page, {}, has no index.html", directory.display());
    let index = ServeFile::new(index).precompressed_br().precompressed_gzip();
    let mut places = Router::new();
    for place in PLACES {
        places = places.route(place, get_service(index.clone()));
    }
    let files = ServeDir::new(directory)
        .append_index_html_on_directories(false)
        .precompressed_br()
        .precompressed_gzip()
        .call_fallback_on_method_not_allowed(true)
        .fallback(nothing_here.into_service());
    let files = Router::new().fallback_service(files);
    let dressed = middleware::from_fn(dress);
    Ok(router.merge(places.route_layer(dressed.clone())).fallback_service(files.layer(dressed)))
}

async fn nothing_here() -> Problem {
    Problem::new(ProblemCode::NotFound)
}

/// Adds the headers that tell a browser how to cache a file and what the page may load.
async fn dress(request: Request, next: Next) -> Response {
    let lifetime = if request.uri().path().starts_with(HASHED) { FOR_EVER } else { ASK_EACH_TIME };
    let mut response = next.run(request).await;
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        return response;
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, lifetime);
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    // Addresses of the page can contain a token from a mail.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    response
}
