//! Attacks by strangers and users on a gateway with 512 MiB of memory, while other users work with it.
//!
//! Each attack lasts `STORM_SECONDS`, by default three; `make storm` takes a minute for each.

mod attacks;
mod honest;
mod limited;

use std::time::Duration;

use anyhow::{Result, ensure};
use test_kit::media::long_video;
use test_kit::mixdown::{Form, Plan};
use test_kit::services::Service;
use test_kit::wait_until;

use crate::attacks::Attack;
use crate::honest::Honest;
use crate::limited::Limited;

const MEBIBYTE: u64 = 1 << 20;

/// The gateway's limit in `k8s/base/gateway.yaml`.
const MEMORY_LIMIT: u64 = 512 * MEBIBYTE;

/// How much more memory may remain in use a minute after an attack than before it.
const LEFT_OVER: u64 = 20 * MEBIBYTE;

const HONEST_CLIENTS: usize = 20;

fn length_of_an_attack() -> Result<Duration> {
    let seconds = std::env::var("STORM_SECONDS").ok().map_or(Ok(3), |text| text.parse())?;
    Ok(Duration::from_secs(seconds))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_survives_each_attack_while_others_work_with_it() -> Result<()> {
    let mut mixdown = Plan::new().without_mails().start().await?;
    let attacker = mixdown.user().await?;
    let form = Form::of_file(&long_video(Duration::from_mins(2)).await?).await?;
    let job = attacker.submit(form.field("format", "wav")).await?;
    let job = attacker.wait_for_outcome(job.id).await;
    let honest = Honest::new(&mixdown).await?;
    let gateway = Limited::to(MEMORY_LIMIT, mixdown.service(Service::Gateway)?.pid());

    let length = length_of_an_attack()?;
    // Memory that is allocated once, such as for connections to the stores, must not count as an attack's.
    honest.work_during(HONEST_CLIENTS, tokio::time::sleep(length)).await;
    let mut complaints = Vec::new();
    // Measured once for all attacks, because what each leaves would add up.
    let before = gateway.memory()?;
    for attack in Attack::ALL {
        gateway.forget_peak()?;
        let storm = attack.go_on_for(length, &mixdown, &attacker, &job);
        let (storm, report) = honest.work_during(HONEST_CLIENTS, storm).await;
        storm?;
        let peak = gateway.peak()?;
        ensure!(mixdown.service(Service::Gateway)?.is_running(), "{attack:?} ended the gateway");
        let left = memory_left(&gateway, before).await?;
        println!(
            "{attack:?}: {} MiB before all, {} at the most, {} later; {report}",
            before / MEBIBYTE,
            peak / MEBIBYTE,
            left / MEBIBYTE
        );
        if peak > MEMORY_LIMIT {
            complaints.push(format!("{attack:?} took {} MiB", peak / MEBIBYTE));
        }
        if left > before + LEFT_OVER {
            complaints.push(format!("{attack:?} left {} MiB more", (left - before) / MEBIBYTE));
        }
        if !report.is_good() {
            complaints.push(format!("{attack:?}: {report}"));
        }
    }
    ensure!(complaints.is_empty(), "{complaints:#?}");
    Ok(())
}

/// The memory once it has fallen to the allowed value, or else after a minute.
async fn memory_left(gateway: &Limited, before: u64) -> Result<u64> {
    let settled = wait_until_settled(gateway, before);
    match tokio::time::timeout(Duration::from_mins(1), settled).await {
        Ok(left) => Ok(left),
        Err(_) => gateway.memory(),
    }
}

async fn wait_until_settled(gateway: &Limited, before: u64) -> u64 {
    wait_until("the memory is given back", Duration::from_mins(2), async || {
        let now = gateway.memory()?;
        ensure!(now <= before + LEFT_OVER, "it is {} MiB", now / MEBIBYTE);
        Ok(now)
    })
    .await
}
