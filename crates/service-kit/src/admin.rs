use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use futures_util::future::join_all;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::Shutdown;

type Check = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// The parts that a service needs to be ready, and the optional ones.
///
/// A service that can answer is ready. If it reported unready while a store is away, it would serve nobody,
/// instead of the requests that need no store. So a store delays the start at most.
#[derive(Default)]
pub struct Readiness {
    parts: Vec<Part>,
    facts: String,
}

struct Part {
    name: &'static str,
    need: Need,
    check: Check,
    has_answered: AtomicBool,
}

/// When a part is required.
#[derive(Debug, Clone, Copy)]
enum Need {
    Always,
    /// Until it has answered once: a new release with wrong settings must not replace a working one.
    AtFirst,
    Never,
}

// Below the timeouts of the usual probes, so that our answer arrives and names the part that is away.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

impl Readiness {
    /// Ready as soon as the process is.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires this part.
    #[must_use]
    pub fn needs<F, E>(self, part: &'static str, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::error::Error + 'static,
    {
        self.with(part, Need::Always, check)
    }

    /// Requires this part until it has answered once.
    #[must_use]
    pub fn needs_at_first<F, E>(
        self,
        part: &'static str,
        check: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::error::Error + 'static,
    {
        self.with(part, Need::AtFirst, check)
    }

    /// Reports this part, and is ready without it.
    #[must_use]
    pub fn watches<F, E>(self, part: &'static str, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::error::Error + 'static,
    {
        self.with(part, Need::Never, check)
    }

    fn with<F, E>(
        mut self,
        name: &'static str,
        need: Need,
        check: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::error::Error + 'static,
    {
        let check: Check = Box::new(move || {
            let answer = check();
            Box::pin(async move { answer.await.map_err(|error| crate::Chain(&error).to_string()) })
        });
        self.parts.push(Part { name, need, check, has_answered: AtomicBool::new(false) });
        self
    }

    /// Adds this line to the report, ready or not.
    #[must_use]
    pub fn tells(mut self, what: &str, fact: &str) -> Self {
        self.facts.extend([what, ": ", fact, "\n"]);
        self
    }

    /// Checks every part, for the metrics.
    pub(crate) async fn measure(&self) {
        self.states().await;
    }

    /// The report of each part, and whether the service is ready with it.
    async fn states(&self) -> Vec<(bool, String)> {
        let states = self.parts.iter().map(|part| async move {
            let answer = tokio::time::timeout(CHECK_TIMEOUT, (part.check)()).await;
            let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {CHECK_TIMEOUT:?}")));
            metrics::gauge!("mixdown_part_up", "part" => part.name).set(f64::from(answer.is_ok()));
            (part.is_good_enough(answer.is_ok()), part.line(answer))
        });
        join_all(states).await
    }

    async fn report(&self) -> Result<String, String> {
        let states = self.states().await;
        let is_ready = states.iter().all(|(is_good_enough, _)| *is_good_enough);
        let lines: String = states.into_iter().map(|(_, line)| line).collect();
        let text = lines + &self.facts;
        if is_ready { Ok(text) } else { Err(text) }
    }
}

impl Part {
    fn is_good_enough(&self, is_there: bool) -> bool {
        if is_there {
            self.has_answered.store(true, Ordering::Relaxed);
        }
        is_there
            || match self.need {
                Need::Always => false,
                Need::AtFirst => self.has_answered.load(Ordering::Relaxed),
                Need::Never => true,
            }
    }

    fn line(&self, answer: Result<(), String>) -> String {
        match answer {
            Ok(()) => format!("{}: ok\n", self.name),
            Err(error) => format!("{}: away: {error}\n", self.name),
        }
    }
}

#[derive(Clone)]
struct Admin {
    readiness: Arc<Readiness>,
    metrics: PrometheusHandle,
    shutdown: Shutdown,
}

pub(crate) fn router(readiness: Arc<Readiness>, metrics: PrometheusHandle, shutdown: Shutdown) -> Router {
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(|State(admin): State<Admin>| async move { admin.metrics.render() }))
        .with_state(Admin { readiness, metrics, shutdown })
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

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// A part that is there while this is true.
    fn part(is_there: &Arc<AtomicBool>) -> impl Fn() -> std::future::Ready<io::Result<()>> + use<> {
        let is_there = Arc::clone(is_there);
        move || {
            let is_there = is_there.load(Ordering::Relaxed);
            std::future::ready(if is_there { Ok(()) } else { Err(io::ErrorKind::NotConnected.into()) })
        }
    }

    #[tokio::test]
    async fn a_store_that_goes_away_does_not_take_the_service_away() {
        let (mine, first, store) = <(Arc<AtomicBool>, Arc<AtomicBool>, Arc<AtomicBool>)>::default();
        let set = |part: &AtomicBool, is_there| part.store(is_there, Ordering::Relaxed);
        let readiness = Readiness::new()
            .needs("mine", part(&mine))
            .needs_at_first("first", part(&first))
            .watches("store", part(&store));
        set(&mine, true);
        assert!(readiness.report().await.unwrap_err().contains("first: away: not connected"));
        set(&first, true);
        assert!(readiness.report().await.unwrap().contains("store: away: not connected"));
        set(&store, true);
        assert_eq!(readiness.report().await, Ok("mine: ok\nfirst: ok\nstore: ok\n".to_owned()));
        set(&first, false);
        assert!(readiness.report().await.is_ok());
        set(&mine, false);
        assert!(readiness.report().await.is_err());
    }
}
