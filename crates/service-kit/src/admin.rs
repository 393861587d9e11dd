use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use futures_util::future::join_all;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::Shutdown;

type Check = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// What must answer before the service counts as ready.
#[derive(Default)]
pub struct Readiness {
    checks: Vec<(&'static str, Check)>,
    facts: String,
}

// Below the timeouts of the usual probes, so that the answer is ours and says which part is away.
const CHECK_PATIENCE: Duration = Duration::from_secs(2);

impl Readiness {
    /// Ready as soon as the process is.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Needs this part too.
    #[must_use]
    pub fn needs<F, E>(mut self, part: &'static str, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::error::Error + 'static,
    {
        let check: Check = Box::new(move || {
            let answer = check();
            Box::pin(async move { answer.await.map_err(|error| crate::Chain(&error).to_string()) })
        });
        self.checks.push((part, check));
        self
    }

    /// Says this too, ready or not.
    #[must_use]
    pub fn tells(mut self, what: &str, fact: &str) -> Self {
        self.facts.extend([what, ": ", fact, "\n"]);
        self
    }

    async fn report(&self) -> Result<String, String> {
        let answers = self.checks.iter().map(|(part, check)| async move {
            match tokio::time::timeout(CHECK_PATIENCE, check()).await {
                Ok(Ok(())) => Ok(format!("{part}: ok\n")),
                Ok(Err(error)) => Err(format!("{part}: {error}\n")),
                Err(_) => Err(format!("{part}: no answer within {CHECK_PATIENCE:?}\n")),
            }
        });
        let answers = join_all(answers).await;
        let is_ready = answers.iter().all(Result::is_ok);
        let answers: String =
            answers.into_iter().map(|answer| answer.unwrap_or_else(|error| error)).collect();
        let text = answers + &self.facts;
        if is_ready { Ok(text) } else { Err(text) }
    }
}

#[derive(Clone)]
struct Admin {
    readiness: Arc<Readiness>,
    metrics: PrometheusHandle,
    shutdown: Shutdown,
}

pub(crate) fn router(readiness: Readiness, metrics: PrometheusHandle, shutdown: Shutdown) -> Router {
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(|State(admin): State<Admin>| async move { admin.metrics.render() }))
        .with_state(Admin { readiness: Arc::new(readiness), metrics, shutdown })
}

async fn readyz(State(admin): State<Admin>) -> (StatusCode, String) {
    if admin.shutdown.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n".to_owned());
    }
    match admin.readiness.report().await {
        Ok(report) => (StatusCode::OK, report),
        Err(report) => (StatusCode::SERVICE_UNAVAILABLE, report),
    }
}
