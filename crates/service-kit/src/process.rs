use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;

use crate::{ProcessConfig, Readiness, Shutdown, admin, http, telemetry};

/// What a service gets from its process.
#[derive(Debug)]
pub struct Process {
    shutdown: Shutdown,
    admin: TcpListener,
}

impl Process {
    /// Binds the admin port; the caller decides when to shut down. Tests use port 0.
    pub async fn bind(admin_listen: SocketAddr, shutdown: Shutdown) -> std::io::Result<Self> {
        Ok(Self { shutdown, admin: TcpListener::bind(admin_listen).await? })
    }

    /// The address of the admin port.
    pub fn admin_address(&self) -> std::io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// The shutdown of the service.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Serves the admin port, and returns the shutdown for the service's own work.
    #[must_use]
    pub fn serve_admin(self, readiness: Readiness) -> Shutdown {
        let metrics = metrics_handle();
        let readiness = Arc::new(readiness);
        let router = admin::router(Arc::clone(&readiness), metrics.clone(), self.shutdown.clone());
        tokio::spawn(self.shutdown.abort().clone().run_until_cancelled_owned(keep_house(metrics, readiness)));
        let shutdown = self.shutdown.clone();
        // Outlives the drain: `/readyz` must say "draining" and `/metrics` must answer to the end.
        tokio::spawn(async move { http::serve_until(self.admin, router, shutdown.abort().clone()).await });
        self.shutdown
    }
}

/// How often the metrics are compacted and the parts checked.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// Without it every measured time would be kept until the next request of `/metrics`, which may never come.
async fn keep_house(metrics: PrometheusHandle, readiness: Arc<Readiness>) {
    loop {
        metrics.run_upkeep();
        readiness.measure().await;
        tokio::time::sleep(HOUSEKEEPING).await;
    }
}

/// The recorder is global to the process, while tests run several services in one.
fn metrics_handle() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new().build_recorder();
            let handle = recorder.handle();
            // Another recorder stays; ours then renders nothing.
            let _ = metrics::set_global_recorder(recorder);
            handle
        })
        .clone()
}

/// Runs a service to its end: telemetry, runtime, signals, and the exit status.
pub(crate) fn launch<F>(
    name: &'static str,
    config: &ProcessConfig,
    service: impl FnOnce(Process) -> F,
) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    match run(name, config, service) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run<F>(
    name: &'static str,
    config: &ProcessConfig,
    service: impl FnOnce(Process) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let telemetry = telemetry::start(name, config).context("could not set up telemetry")?;
    metrics_handle();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let shutdown = Shutdown::new();
        shutdown.listen(config.drain_timeout)?;
        let process = Process::bind(config.admin_listen, shutdown.clone())
            .await
            .with_context(|| format!("could not listen on {} (admin)", config.admin_listen))?;
        let served = service(process).await;
        shutdown.drain().cancel();
        shutdown.finished().await;
        served
    });
    if let Err(error) = &ended {
        tracing::error!(error = %format!("{error:#}"), "{name} ends");
    }
    // Blocking work that ignores the abort must not keep the process alive.
    runtime.shutdown_timeout(Duration::from_secs(5));
    telemetry.flush();
    ended
}
