//! Memory as the kernel counts it.

use std::time::Duration;

use anyhow::{Context, Result};
use test_kit::services::Service;
use tokio::task::JoinSet;

use crate::figures::{Row, Series, mebibytes};
use crate::transfers::{LongMp3, PIECES};
use crate::world::World;
use test_kit::mixdown::{Content, User};

/// After this time, all work of the start is done.
const REST: Duration = Duration::from_secs(10);

/// Each round starts a new process.
const ROUNDS: usize = 2;

/// The four idle services' resident memory.
pub(crate) async fn idle(world: &World) -> Result<Row> {
    tokio::time::sleep(REST).await;
    let (mut resident, mut proportional) = (0.0, 0.0);
    let mut each = Vec::new();
    for service in Service::ALL {
        let pid = world.pid(service)?;
        let of_service = field(pid, "status", "VmRSS:")?;
        resident += of_service;
        proportional += field(pid, "smaps_rollup", "Pss:")?;
        let own = field(pid, "status", "RssAnon:")?;
        each.push(format!(
            "{} {} ({} of it not of files)",
            service.name(),
            mebibytes(of_service),
            mebibytes(own)
        ));
    }
    Ok(Row {
        what: "Resident memory, four idle services".to_owned(),
        ours: mebibytes(resident),
        plain: String::new(),
        compared: String::new(),
        aim: "< 60 MiB",
        is_met: Some(resident < 60.0),
        note: Some(format!(
            "{}; without counting shared pages twice {}",
            each.join(", "),
            mebibytes(proportional)
        )),
    })
}

/// The gateway's peak with this many uploads at a time.
pub(crate) async fn of_uploads(world: &mut World, user: &User, transfers: usize) -> Result<Row> {
    let mut peaks = Series::default();
    for _ in 0..ROUNDS {
        world.restart(Service::Gateway).await?;
        let mut uploads = JoinSet::new();
        for _ in 0..transfers {
            let (user, upload) = (user.clone(), Content::Pieces(pieces_each(transfers)));
            uploads.spawn(async move { user.send(&upload).await });
        }
        let jobs = uploads.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
        peaks.add(peak(world)?);
        for job in jobs {
            user.delete(&format!("/jobs/{}", job.id)).await?.error_for_status()?;
        }
        world.reclaim().await?;
    }
    Ok(row("uploads", transfers, &peaks))
}

/// The gateway's peak with this many downloads at a time.
pub(crate) async fn of_downloads(
    world: &mut World,
    user: &User,
    mp3: &LongMp3,
    transfers: usize,
) -> Result<Row> {
    let mut peaks = Series::default();
    for _ in 0..ROUNDS {
        world.restart(Service::Gateway).await?;
        let mut downloads = JoinSet::new();
        for number in 0..transfers {
            let (user, fid, pieces) = (user.clone(), mp3.fid(), pieces_each(transfers));
            let start = number * pieces % PIECES;
            downloads.spawn(async move { user.download_pieces(&fid, start, pieces).await });
        }
        downloads.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
        peaks.add(peak(world)?);
    }
    Ok(row("downloads", transfers, &peaks))
}

/// A gibibyte altogether: the peak is reached long before, and MongoDB is slow to give the disk space back.
fn pieces_each(transfers: usize) -> usize {
    PIECES / transfers
}

fn row(kind: &str, transfers: usize, peaks: &Series) -> Row {
    let (aim, most) = if transfers == 1 { ("< 64 MiB", 64.0) } else { ("< 128 MiB", 128.0) };
    let kind = if transfers == 1 { kind.trim_end_matches('s') } else { kind };
    Row {
        what: format!("Gateway's peak memory, {transfers} {kind}"),
        ours: peaks.show(mebibytes),
        plain: String::new(),
        compared: String::new(),
        aim,
        is_met: Some(peaks.median() < most),
        note: None,
    }
}

fn peak(world: &World) -> Result<f64> {
    let peak = field(world.pid(Service::Gateway)?, "status", "VmHWM:")?;
    eprintln!("  {}", mebibytes(peak));
    Ok(peak)
}

/// A field of one of the kernel's files about a process, in MiB.
pub(crate) fn field(pid: u32, file: &str, name: &str) -> Result<f64> {
    let path = format!("/proc/{pid}/{file}");
    let text = std::fs::read_to_string(&path).with_context(|| format!("could not read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).context("there is no such field")?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse().context("it is no number")?;
    Ok(kibibytes / 1024.0)
}
