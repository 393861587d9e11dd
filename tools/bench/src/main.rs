//! `bench`: compares the whole system with plain tools and prints a Markdown table. See `docs/BENCHMARKS.md`.
//!
//! Started by `stack run -- bench`, which gives it its own servers.

mod conversions;
mod edge;
mod figures;
mod media;
mod memory;
mod processor;
mod room;
mod transfers;
mod world;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::FutureExt as _;
use test_kit::services::Service;

use crate::figures::{Row, print_table};
use crate::media::Clips;
use crate::world::World;
use test_kit::mixdown::{Content, User};

/// A run takes about twenty minutes on two idle cores.
const DEADLINE: Duration = Duration::from_mins(30);

#[tokio::main]
async fn main() -> ExitCode {
    let mut rows = Vec::new();
    // A wait that times out panics.
    let measuring = AssertUnwindSafe(measure(&mut rows)).catch_unwind();
    let measured = tokio::time::timeout(DEADLINE, measuring).await;
    // Measurements before a failure still count.
    print_table(&rows);
    let measured = measured.context("the time is up").and_then(|measured| match measured {
        Ok(measured) => measured,
        Err(_panic) => bail!("something that was waited for did not come; it is said above"),
    });
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The parts that can be measured alone: `bench edge`.
const PARTS: [&str; 3] = ["conversions", "edge", "transfers"];

async fn measure(rows: &mut Vec<Row>) -> Result<()> {
    let part = std::env::args().nth(1);
    if let Some(unknown) = part.as_deref().filter(|part| !PARTS.contains(part)) {
        bail!("there is nothing called {unknown}: {}, or everything", PARTS.join(", "));
    }
    let is_wanted = |name| part.as_deref().is_none_or(|part| part == name);
    let world = &mut World::start().await?;
    if is_wanted("conversions") {
        // Measured on a system that was not used yet.
        eprintln!("Idle memory");
        rows.push(memory::idle(world).await?);
    }
    // Created while a service still sends the mail that confirms the address.
    let user = &world.user().await?;
    if is_wanted("conversions") {
        measure_conversions(world, user, rows).await?;
    }
    if is_wanted("edge") {
        measure_edge(world, user, rows).await?;
    }
    if is_wanted("transfers") {
        measure_transfers(world, user, rows).await?;
    }
    Ok(())
}

async fn measure_conversions(world: &mut World, user: &User, rows: &mut Vec<Row>) -> Result<()> {
    let clips = Clips::make(world.scratch()).await?;
    eprintln!("A clip of 10 s");
    rows.push(conversions::clip(user, &clips).await?);
    eprintln!("A video of 10 min");
    rows.push(conversions::video(user, &clips).await?);
    eprintln!("A batch of clips of 30 s");
    rows.push(conversions::batch(world, user, &clips).await?);
    eprintln!("A lecture of 20 min");
    rows.extend(conversions::long(world, user, &clips, ("20 min", &clips.twenty_minutes, 3)).await?);
    eprintln!("A film of 2 h");
    rows.extend(conversions::long(world, user, &clips, ("2 h", &clips.two_hours, 1)).await?);
    Ok(())
}

async fn measure_edge(world: &mut World, user: &User, rows: &mut Vec<Row>) -> Result<()> {
    stop_the_workers(world).await?;
    let job = user.send(&Content::Pieces(1)).await?.id;
    eprintln!("Jobs looked up");
    rows.push(edge::lookups(world, user, job).await?);
    eprintln!("Slow clients");
    rows.push(edge::slow_clients(world, user, job).await?);
    eprintln!("Logins");
    rows.push(edge::logins(world).await?);
    eprintln!("What time tells");
    rows.extend(edge::secrecy(user).await?);
    Ok(())
}

async fn measure_transfers(world: &mut World, user: &User, rows: &mut Vec<Row>) -> Result<()> {
    stop_the_workers(world).await?;
    let job = user.send(&Content::Pieces(1)).await?.id;
    let mp3 = transfers::store_long_mp3(world, job).await?;
    eprintln!("Uploads of 1 GiB");
    transfers::uploads(world, user, rows).await?;
    eprintln!("Resumable uploads of 1 GiB");
    transfers::resumable_uploads(world, user, rows).await?;
    eprintln!("Downloads of 1 GiB");
    rows.push(transfers::downloads(world, user, &mp3).await?);
    for transfers in [1, 16] {
        eprintln!("The gateway's memory with {transfers} transfers");
        rows.push(memory::of_uploads(world, user, transfers).await?);
        rows.push(memory::of_downloads(world, user, &mp3, transfers).await?);
    }
    Ok(())
}

/// The workers would use the cores and convert the uploads.
async fn stop_the_workers(world: &mut World) -> Result<()> {
    for service in [Service::Converter, Service::Notification] {
        world.stop(service).await?;
    }
    Ok(())
}
