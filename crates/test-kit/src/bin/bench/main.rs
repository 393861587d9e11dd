//! `bench`: measures the whole system against the plain tools, and prints a Markdown table. See `docs/BENCHMARKS.md`.
//!
//! Started by `stack run -- bench`, which gives it servers of its own.

mod conversions;
mod edge;
mod figures;
mod media;
mod memory;
mod person;
mod processor;
mod transfers;
mod world;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use test_kit::services::Service;

use crate::figures::{Row, print_table};
use crate::media::Clips;
use crate::person::{Person, Upload};
use crate::world::World;

/// On two idle cores it takes about twenty minutes.
const DEADLINE: Duration = Duration::from_mins(30);

#[tokio::main]
async fn main() -> ExitCode {
    let mut rows = Vec::new();
    let measured = tokio::time::timeout(DEADLINE, measure(&mut rows)).await;
    // What was measured before something went wrong still counts.
    print_table(&rows);
    match measured.context("the time is up").flatten() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// In this order: idle memory needs a fresh system, and transfers need the cores that the converter would take.
async fn measure(rows: &mut Vec<Row>) -> Result<()> {
    let mut world = World::start().await?;
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("uploads") => return uploads_alone(&mut world, rows).await,
        Some("edge") => return edge_alone(&mut world, rows).await,
        Some(other) => bail!("there is nothing called {other}: uploads, edge, or everything"),
    }
    eprintln!("Idle memory");
    rows.push(memory::idle(&world).await?);

    let clips = Clips::make(world.scratch()).await?;
    let person = Person::register(&world.url()).await?;
    eprintln!("A clip of 10 s");
    rows.push(conversions::clip(&person, &clips).await?);
    eprintln!("A video of 10 min");
    rows.push(conversions::video(&person, &clips).await?);
    eprintln!("A batch of clips of 30 s");
    rows.push(conversions::batch(&mut world, &person, &clips).await?);
    eprintln!("A lecture of 20 min");
    rows.extend(conversions::long(&world, &person, &clips, ("20 min", &clips.twenty_minutes, 3)).await?);
    eprintln!("A film of 2 h");
    rows.extend(conversions::long(&world, &person, &clips, ("2 h", &clips.two_hours, 1)).await?);

    let converted = conversions::convert(&person, &clips.ten_seconds).await?;
    for service in [Service::Converter, Service::Notification] {
        world.stop(service).await?;
    }
    measure_edge(&mut world, &person, &converted.job, rows).await?;
    let mp3 = transfers::store_long_mp3(&world, &converted.job).await?;
    eprintln!("Uploads of 1 GiB");
    rows.push(transfers::uploads(&world, &person).await?);
    eprintln!("Resumable uploads of 1 GiB");
    rows.push(transfers::resumable_uploads(&person).await?);
    eprintln!("Downloads of 1 GiB");
    rows.push(transfers::downloads(&world, &person, &mp3).await?);
    for transfers in [1, 16] {
        eprintln!("The gateway's memory with {transfers} transfers");
        rows.push(memory::of_uploads(&mut world, &person, transfers).await?);
        rows.push(memory::of_downloads(&mut world, &person, &mp3, transfers).await?);
    }
    Ok(())
}

async fn measure_edge(world: &mut World, person: &Person, job: &str, rows: &mut Vec<Row>) -> Result<()> {
    eprintln!("Jobs looked up");
    rows.push(edge::lookups(world, person, job).await?);
    eprintln!("Slow clients");
    rows.push(edge::slow_clients(world, person, job).await?);
    eprintln!("Logins");
    rows.push(edge::logins(world, person).await?);
    eprintln!("What time tells");
    rows.extend(edge::secrecy(person).await?);
    Ok(())
}

/// `bench edge`: the gateway and auth, in five minutes.
async fn edge_alone(world: &mut World, rows: &mut Vec<Row>) -> Result<()> {
    let person = Person::register(&world.url()).await?;
    let job = person.upload(&Upload::Pieces(1)).await?;
    world.stop(Service::Converter).await?;
    measure_edge(world, &person, &job.id, rows).await
}

/// `bench uploads`: what is sent, in two minutes.
async fn uploads_alone(world: &mut World, rows: &mut Vec<Row>) -> Result<()> {
    let person = Person::register(&world.url()).await?;
    for service in [Service::Converter, Service::Notification] {
        world.stop(service).await?;
    }
    eprintln!("Uploads of 1 GiB");
    rows.push(transfers::uploads(world, &person).await?);
    eprintln!("Resumable uploads of 1 GiB");
    rows.push(transfers::resumable_uploads(&person).await?);
    Ok(())
}
