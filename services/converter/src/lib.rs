//! The converter service. It consumes queue `video`, converts each video to an audio file, commits the job
//! and announces its outcome on queue `mp3`.
//!
//! **No job is lost in a crash.** The `video` message is acknowledged last, after the job was committed and
//! the broker has confirmed the `mp3` message. If anything fails before that, the message is delivered again,
//! and the next converter reads in the job's document how far it was.
//!
//! **No outcome is committed twice.** A job is worked on under a lease, and every change of it names the
//! lease's token. If two converters believe that a job is theirs, one commits, and the other deletes its
//! file.

mod attempt;
mod attempt_error;
mod config;
mod confinement;
mod conversions;
pub mod engine;
mod lease;
mod room;
pub mod sandbox;
mod transfer;

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use broker::{Broker, Subscription};
use contracts::Queue;
use databases::Databases;
use jobs::{JobStore, Turns};
use media_store::MediaStore;
use service_kit::{Chain, Process, Readiness, Shutdown};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub use crate::config::Config;
use crate::conversions::Conversions;
use crate::engine::{Engine, ScratchSpace, cores};

/// How long the handlers may take to kill FFmpeg and give their jobs back after they are told to stop.
const HAND_BACK_PATIENCE: Duration = Duration::from_secs(5);

/// Converts videos until the process is shut down.
///
/// During a drain, running conversions continue. Those that are unfinished at the abort are given back for
/// another converter, and do not count as an attempt.
pub async fn run(config: Config, process: Process) -> anyhow::Result<()> {
    let folder = config.scratch_dir.clone();
    let scratch = tokio::task::spawn_blocking(move || ScratchSpace::open(&folder)).await?;
    let scratch = scratch.with_context(|| format!("could not use {}", config.scratch_dir.display()))?;
    let engine = Arc::new(Engine::new(&config.engine)?);
    let layers = confinement::check(&engine, &scratch, config.engine.allow_unsandboxed_ffmpeg).await?;
    engine.check_encoders().await?;

    let databases = Databases::connect(&config.mongodb).await?;
    let tasks = process.shutdown().tasks().clone();
    let jobs = JobStore::new(databases.mixdown());
    let mp3s = MediaStore::new(databases.mp3s(), tasks.clone());

    // Outlives the drain: the last conversions' verdicts must still reach the broker.
    let closing = CancellationToken::new();
    let broker = Broker::new(&config.rabbitmq, "converter", closing.clone())?;
    let shutdown = process.serve_admin(readiness(&jobs, &broker, &engine, &layers));

    if prepared(&mp3s, &shutdown).await {
        let conversions = Arc::new(Conversions {
            turns: Turns::new(jobs.clone(), broker.clone(), config.jobs_at_once),
            jobs,
            videos: MediaStore::new(databases.videos(), tasks),
            mp3s,
            broker: broker.clone(),
            engine,
            scratch: Arc::new(scratch),
            stop: shutdown.abort().clone(),
            worker: worker_name(),
            config,
        });
        let videos = Subscription {
            queue: Queue::Video,
            slots: conversions.config.slots.map_or_else(cores, NonZeroU16::get),
            drain: shutdown.drain().clone(),
            abort: later(shutdown.abort().clone(), HAND_BACK_PATIENCE),
        };
        shutdown
            .spawn_vital("room", room::keep_measuring(Arc::clone(&conversions), shutdown.drain().clone()));
        broker
            .consume(videos, move |delivery| {
                let conversions = Arc::clone(&conversions);
                async move { conversions.deliver(delivery).await }
            })
            .await;
    }
    closing.cancel();
    broker.closed().await;
    Ok(())
}

/// The lease holder's name for the operator: the machine's name and the process id.
fn worker_name() -> String {
    let system = rustix::system::uname();
    format!("{}/{}", system.nodename().to_string_lossy(), std::process::id())
}

fn readiness(jobs: &JobStore, broker: &Broker, engine: &Arc<Engine>, layers: &str) -> Readiness {
    let (jobs, broker, engine) = (jobs.clone(), broker.clone(), Arc::clone(engine));
    Readiness::new()
        .needs_at_first("mongodb", jobs.probe())
        .needs_at_first("rabbitmq", broker.probe())
        .needs("ffmpeg", move || {
            let programs = engine.check_programs();
            async move { programs }
        })
        .tells("ffmpeg is confined by", layers)
}

/// Waits for MongoDB and creates the indexes that storing an audio file needs. `false`: the process ends
/// before.
async fn prepared(mp3s: &MediaStore, shutdown: &Shutdown) -> bool {
    let prepare = async {
        let mut delay = Duration::from_millis(500);
        while let Err(error) = mp3s.ensure_indexes().await {
            tracing::warn!(error = %Chain(&error), "waiting for MongoDB before any work begins");
            sleep(delay).await;
            delay = (delay * 2).min(Duration::from_secs(10));
        }
    };
    tokio::select! {
        () = prepare => true,
        () = shutdown.drain().cancelled() => false,
    }
}

/// A token that is cancelled this long after another one.
fn later(token: CancellationToken, delay: Duration) -> CancellationToken {
    let later = CancellationToken::new();
    let delayed = later.clone();
    tokio::spawn(async move {
        token.cancelled().await;
        sleep(delay).await;
        delayed.cancel();
    });
    later
}
