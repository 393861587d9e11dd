//! The gateway owns the public HTTP interface: uploads into GridFS, downloads out of it, links and job reads.
//! It asks auth to check credentials and verifies tokens itself. It publishes conversions to queue `video`,
//! acceptance mails to queue `account`, and outcomes that a converter did not report to queue `mp3`.

mod background;
mod commands;
mod config;
mod delivery;
mod edge;
mod error;
mod identity;
mod intake;
mod openapi;
mod router;
mod routes;
mod state;

use std::sync::Arc;

use broker::Broker;
use contracts::LinkKey;
use databases::Databases;
use jobs::{JobStore, Turns};
use media_store::MediaStore;
use service_kit::{ConnectionLimits, Pace, Process, Readiness};
use tokio::net::TcpListener;

use crate::background::{Eraser, Reconciler, Sweeper};
use crate::delivery::{Delivery, JobFeed};
use crate::edge::{Edge, Limits};
use crate::identity::Identity;
use crate::intake::{Intake, Quotas, Storage};
use crate::state::Gateway;

pub use crate::commands::{StoreConfig, back_up, check_backup, restore};
pub use crate::config::Config;
pub use crate::openapi::document as openapi_document;

/// Serves until the process is shut down.
pub async fn run(config: Config, listener: TcpListener, process: Process) -> anyhow::Result<()> {
    let gateway = gateway(&config, process).await?;
    let shutdown = gateway.shutdown.clone();
    start_background(&gateway, &config);

    tracing::info!(address = %listener.local_addr()?, "serving");
    let router = router::router(gateway, &config)?;
    let max_connections = usize::try_from(config.limits.max_connections.get()).unwrap_or(usize::MAX);
    let limits = ConnectionLimits {
        total: max_connections,
        per_address: max_connections.div_ceil(2),
        proxies: config.trusted_proxies,
        pace: Pace { idle_timeout: config.download_idle_timeout, min_rate: config.min_download_rate },
    };
    service_kit::http::serve(listener, router, limits, shutdown).await;
    Ok(())
}

async fn gateway(config: &Config, process: Process) -> anyhow::Result<Gateway> {
    let tasks = process.shutdown().tasks().clone();
    let databases = Databases::connect(&config.mongodb).await?;
    commands::refuse_a_half_restored_store(&databases).await?;
    let jobs = JobStore::new(databases.mixdown());
    let videos = MediaStore::new(databases.videos(), tasks.clone());
    let mp3s = MediaStore::new(databases.mp3s(), tasks);
    // Closed by the abort: requests that are being drained still publish.
    let broker = Broker::new(&config.rabbitmq, "gateway", process.shutdown().abort().clone())?;
    let shutdown = process.serve_admin(readiness(&jobs, &broker));

    let limits = Limits::from(&config.limits);
    let edge = Arc::new(Edge { limits, trusted_proxies: config.trusted_proxies.clone() });
    let identity = Arc::new(Identity::new(&config.identity, Arc::clone(&edge))?);
    let intake = Arc::new(Intake {
        quotas: Quotas::new(config.quotas, jobs.clone(), videos.clone()),
        storage: Storage::new(config.storage),
        turns: Turns::new(jobs.clone(), broker.clone(), config.jobs_at_once),
        policy: config.uploads,
        jobs: jobs.clone(),
        broker: broker.clone(),
        revocations: Arc::clone(&identity.revocations),
        edge: Arc::clone(&edge),
        shutdown: shutdown.clone(),
        videos,
    });
    let feed = JobFeed::start(jobs.clone(), &shutdown);
    let delivery = Arc::new(Delivery { mp3s, links: LinkKey::new(&config.link_key), feed });
    Ok(Gateway { edge, identity, intake, delivery, jobs, broker, shutdown })
}

fn start_background(gateway: &Gateway, config: &Config) {
    let Gateway { identity, intake, jobs, shutdown, .. } = gateway.clone();
    let revocations = identity.keep_current(jobs, config.identity.revocation_interval, shutdown.clone());
    shutdown.spawn_vital("revocations", revocations);
    let storage = Arc::clone(&intake.storage).keep_current(intake.videos.clone(), shutdown.clone());
    shutdown.spawn_vital("storage", storage);
    shutdown.spawn_vital("reconciler", Reconciler::new(gateway, &config.background).run());
    shutdown.spawn_vital("eraser", Eraser::new(gateway, &config.background).run());
    shutdown.spawn_vital("sweeper", Sweeper::new(gateway, &config.background).run());
}

/// Both are only watched: without MongoDB or RabbitMQ some requests can still be answered, and the others get
/// a 503 that says when to retry.
fn readiness(jobs: &JobStore, broker: &Broker) -> Readiness {
    Readiness::new().watches("mongodb", jobs.probe()).watches("rabbitmq", broker.probe())
}
