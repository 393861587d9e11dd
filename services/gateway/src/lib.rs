//! The gateway owns the public HTTP interface: uploads into GridFS, downloads out of it, links and job reads. It asks
//! auth to check credentials, verifies tokens itself, and publishes to queue `video`.

mod accounts;
mod api_keys;
mod background;
mod caller;
mod commands;
mod config;
mod cookies;
mod edge;
mod error;
mod feed;
mod file_name;
mod limits;
mod media_answer;
mod multipart;
mod openapi;
mod page;
mod places;
mod quotas;
mod receive;
mod resumable;
mod revocations;
mod router;
mod routes;
mod storage;
mod tokens;
mod turns;
mod zip;

use std::num::NonZeroU16;
use std::sync::Arc;

use broker::Broker;
use contracts::LinkKey;
use databases::Databases;
use jobs::JobStore;
use media_store::MediaStore;
use service_kit::{Chain, ConnectionLimits, Networks, Pace, Process, Readiness, Shutdown};
use tokio::net::TcpListener;

use crate::accounts::Accounts;
use crate::api_keys::ApiKeys;
use crate::background::{Eraser, Reconciler, Sweeper};
use crate::cookies::PublicSite;
use crate::feed::JobFeed;
use crate::limits::Limits;
use crate::quotas::Quotas;
use crate::receive::UploadPolicy;
use crate::revocations::Revocations;
use crate::storage::Storage;
use crate::tokens::TokenVerifier;

pub use crate::commands::{StoreConfig, back_up, check_backup, restore};
pub use crate::config::Config;
pub use crate::openapi::document as openapi_document;

/// What the routes work with.
pub(crate) struct Gateway {
    accounts: Accounts,
    tokens: TokenVerifier,
    revocations: Revocations,
    api_keys: ApiKeys,
    site: PublicSite,
    requires_verified_address: bool,
    jobs: JobStore,
    videos: MediaStore,
    mp3s: MediaStore,
    storage: Arc<Storage>,
    broker: Broker,
    feed: JobFeed,
    links: LinkKey,
    limits: Limits,
    uploads: UploadPolicy,
    quotas: Quotas,
    jobs_at_once: NonZeroU16,
    trusted_proxies: Networks,
    shutdown: Shutdown,
}

impl Gateway {
    /// Learns at once of sessions that ended through this gateway; the others learn of them with their next look.
    async fn hear_of_ended_sessions(&self) {
        if let Err(error) = self.revocations.refresh(&self.accounts).await {
            tracing::warn!(error = %Chain(&error), "could not ask which sessions have ended yet");
        }
    }
}

/// Serves until the process is shut down.
pub async fn run(config: Config, listener: TcpListener, process: Process) -> anyhow::Result<()> {
    let tasks = process.shutdown().tasks().clone();
    let databases = Databases::connect(&config.mongodb).await?;
    commands::refuse_a_half_restored_store(&databases).await?;
    let jobs = JobStore::new(databases.mixdown());
    let videos = MediaStore::new(databases.videos(), tasks.clone());
    let mp3s = MediaStore::new(databases.mp3s(), tasks);
    // Closed by the abort: requests that are being drained still publish.
    let broker = Broker::new(&config.rabbitmq, "gateway", process.shutdown().abort().clone())?;

    let shutdown = process.serve_admin(readiness(&jobs, &broker));
    let gateway = Arc::new(Gateway {
        accounts: Accounts::new(config.auth_url.clone())?,
        tokens: TokenVerifier::new(config.auth_url.clone())?,
        revocations: Revocations::default(),
        api_keys: ApiKeys::new(),
        site: PublicSite::new(config.public_url.clone()),
        requires_verified_address: config.require_verified_address,
        feed: JobFeed::start(jobs.clone(), &shutdown),
        links: LinkKey::new(&config.link_key),
        limits: Limits::from(&config),
        uploads: UploadPolicy::from(&config),
        quotas: Quotas::from(&config),
        storage: Storage::new(config.mongodb_reserve_bytes),
        jobs_at_once: config.jobs_at_once,
        trusted_proxies: config.trusted_proxies.clone(),
        shutdown: shutdown.clone(),
        jobs,
        videos,
        mp3s,
        broker,
    });
    shutdown.spawn_vital("reconciler", Reconciler::new(&gateway, &config).run());
    shutdown.spawn_vital("eraser", Eraser::new(&gateway, &config).run());
    let revocations = revocations::keep_current(Arc::clone(&gateway), config.revocation_interval);
    shutdown.spawn_vital("revocations", revocations);
    shutdown.spawn_vital("storage", storage::keep_current(Arc::clone(&gateway)));
    shutdown.spawn_vital("sweeper", Sweeper::new(&gateway, &config).run());

    tracing::info!(address = %listener.local_addr()?, "serving");
    let router = router::router(Arc::clone(&gateway), &config)?;
    let max_connections = usize::try_from(config.max_connections.get()).unwrap_or(usize::MAX);
    let limits = ConnectionLimits {
        total: max_connections,
        per_address: max_connections.div_ceil(2),
        proxies: config.trusted_proxies,
        pace: Pace { idle_timeout: config.download_idle_timeout, min_rate: config.min_download_rate },
    };
    service_kit::http::serve(listener, router, limits, shutdown).await;
    Ok(())
}

fn readiness(jobs: &JobStore, broker: &Broker) -> Readiness {
    let (jobs, broker) = (jobs.clone(), broker.clone());
    // Without either of them some requests can still be answered, and the others get a 503 that says when to come again.
    Readiness::new()
        .watches("mongodb", move || {
            let jobs = jobs.clone();
            async move { jobs.ping().await }
        })
        .watches("rabbitmq", move || {
            let broker = broker.clone();
            async move { broker.ready(background::GLANCE).await }
        })
}
