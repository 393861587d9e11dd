//! The HTTP accept loop, and the layers around every service's routes.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, Request};
use axum::http::request::Parts;
use axum::middleware::{self, Next};
use axum::response::Response;
use http::{HeaderValue, Method};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use opentelemetry::propagation::Extractor;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use uuid::Uuid;

use crate::client_stream::ClientStream;
use crate::connections::{ConnectionLimits, Connections};
use crate::framing::{Heads, refuse_ambiguity};
use crate::linger::linger;
use crate::problem;
use crate::{Problem, Shutdown};

/// Time for a client to send a request's head; also how long an idle connection is kept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);

/// The limit of a request's head, and the size of a read of a body. Node allows 16 KiB, nginx 32. With
/// hyper's own limit of 400 KiB a thousand unfinished heads would fill the memory.
const MAX_HEAD_BYTES: usize = 24 << 10;

/// How long our own clients keep an idle connection. Shorter than the services do: a request sent while a
/// service closes the connection is lost.
pub const CLIENT_IDLE: Duration = Duration::from_secs(10);

/// The id of a request: in its log lines, in the `x-request-id` of its answer and in problem bodies.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

const REQUEST_ID: &str = "x-request-id";

tokio::task_local! {
    static CURRENT: String;
}

/// The header that passes the request's id to another service. `None` outside a request.
#[must_use]
pub fn request_id_header() -> Option<(&'static str, String)> {
    CURRENT.try_with(|id| (REQUEST_ID, id.clone())).ok()
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_else(|| Self(Uuid::now_v7().to_string())))
    }
}

/// Wraps the routes in the layers of every service: request id, span, log line, metrics, caught panics,
/// problem bodies for every error, and answers that also reach a client that is still sending.
pub fn with_layers(router: Router) -> Router {
    router
        .layer(CatchPanicLayer::custom(|_| {
            axum::response::IntoResponse::into_response(Problem::new(contracts::ProblemCode::Internal))
        }))
        .layer(middleware::from_fn(problem::render))
        // Both run inside the routing, so that they know the matched path: the real one may hold a link.
        .route_layer(middleware::from_fn(observe))
        .layer(middleware::from_fn(refuse_ambiguity))
        .layer(middleware::from_fn(identify))
        .layer(middleware::from_fn(linger))
}

async fn identify(mut request: Request, next: Next) -> Response {
    let given =
        request.headers().get(REQUEST_ID).and_then(|value| Uuid::try_parse_ascii(value.as_bytes()).ok());
    let id = given.unwrap_or_else(Uuid::now_v7).to_string();
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = CURRENT.scope(id.clone(), next.run(request)).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

struct Headers<'a>(&'a http::HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

async fn observe(RequestId(id): RequestId, path: MatchedPath, request: Request, next: Next) -> Response {
    let method = label(request.method());
    let route = path.as_str().to_owned();
    let span = tracing::info_span!("request", method, route, request.id = id);
    let parent = opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.extract(&Headers(request.headers()))
    });
    // Fails only if the log filter disables the span.
    let _ = span.set_parent(parent);
    async {
        let began = Instant::now();
        let response = next.run(request).await;
        let status = response.status().as_u16();
        let seconds = began.elapsed().as_secs_f64();
        // Polling between services, every few seconds, would drown the users' requests.
        let is_polling = route.starts_with("/internal/") || route.starts_with("/.well-known/");
        let asked = [("method", method.to_owned()), ("route", route)];
        metrics::histogram!("mixdown_http_request_seconds", &asked).record(seconds);
        let [method, route] = asked;
        let answered = [method, route, ("status", status.to_string())];
        metrics::counter!("mixdown_http_requests_total", &answered).increment(1);
        if status >= 500 {
            tracing::warn!(status, seconds, "answered");
        } else if is_polling && status < 400 {
            tracing::debug!(status, seconds, "answered");
        } else {
            tracing::info!(status, seconds, "answered");
        }
        response
    }
    .instrument(span)
    .await
}

/// A client may send any method, and each label stays for ever: so unknown methods share one.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Serves until the service drains, then finishes the running requests, until the abort.
pub async fn serve(listener: TcpListener, router: Router, limits: ConnectionLimits, shutdown: Shutdown) {
    let connections = accept(&listener, router, limits, shutdown.drain()).await;
    drop(listener);
    tokio::select! {
        () = connections.shutdown() => {}
        () = shutdown.abort().cancelled() => {}
    }
}

/// Serves until `end` is cancelled, then returns at once.
pub(crate) async fn serve_until(listener: TcpListener, router: Router, end: CancellationToken) {
    let router = router.layer(middleware::from_fn(refuse_ambiguity));
    accept(&listener, router, ConnectionLimits::default(), &end).await;
}

async fn accept(
    listener: &TcpListener,
    router: Router,
    limits: ConnectionLimits,
    end: &CancellationToken,
) -> GracefulShutdown {
    let graceful = GracefulShutdown::new();
    let slowest = limits.pace;
    let connections = Connections::new(limits);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
    loop {
        let Some(place) = connections.place().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = end.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Usually out of file descriptors: without a pause this loop would make it worse.
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(counted) = connections.count(place, peer.ip()) else { continue };
        let heads = Heads::default();
        let stream = ClientStream::new(stream, slowest, heads.clone());
        let service = hyper::service::service_fn({
            let router = router.clone();
            move |mut request: hyper::Request<Incoming>| {
                request.extensions_mut().insert(ConnectInfo(peer));
                request.extensions_mut().insert(heads.next());
                router.clone().oneshot(request)
            }
        });
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // Errors here mean that the client went away.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
            drop(counted);
        });
    }
    graceful
}
