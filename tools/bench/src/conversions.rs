//! Compares the time from an upload's first byte to its MP3 with FFmpeg's time for a file on the disk.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use contracts::{Job, JobId, JobStatus, Phase};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use test_kit::services::Service;

use crate::figures::{Duel, Row, Series, milliseconds, seconds, times};
use crate::media::Clips;
use crate::processor::{self, Whose};
use crate::world::World;
use test_kit::mixdown::{Content, User};

const CLIP_ROUNDS: usize = 20;
const VIDEO_ROUNDS: usize = 3;
const BATCH_ROUNDS: usize = 3;
const BATCH: usize = 40;

/// Browsers open six connections to a server.
const UPLOADS_AT_ONCE: usize = 6;

/// After "converted", the mail is sent and the video deleted. The plain tool must not compete with that work.
const AFTERMATH: Duration = Duration::from_millis(500);

/// The times of a job's events, counted from the start of its upload.
#[derive(Debug)]
pub(crate) struct Conversion {
    accepted: Duration,
    claimed: Duration,
    encoding: Duration,
    converted: Duration,
    bytes: u64,
}

pub(crate) async fn convert(user: &User, video: &Path) -> Result<Conversion> {
    let began = Instant::now();
    let job = user.send(&Content::File(video.to_path_buf())).await?;
    let accepted = began.elapsed();
    let (mut claimed, mut encoding, mut bytes) = (None, None, 0);
    let told = |job: &Job| {
        bytes = job.audio.as_ref().map_or(0, |audio| audio.bytes);
        if job.status != JobStatus::Queued {
            claimed.get_or_insert_with(|| began.elapsed());
        }
        if !matches!(job.progress.phase, Phase::Waiting | Phase::Probing) {
            encoding.get_or_insert_with(|| began.elapsed());
        }
    };
    user.follow(job.id, told).await?;
    let converted = began.elapsed();
    Ok(Conversion {
        accepted,
        claimed: claimed.unwrap_or(converted),
        encoding: encoding.unwrap_or(converted),
        converted,
        bytes,
    })
}

/// A round of both. The order alternates, so that neither always comes second.
async fn round(user: &User, clips: &Clips, video: &Path, number: usize) -> Result<(Conversion, Duration)> {
    if number.is_multiple_of(2) {
        let ours = convert(user, video).await?;
        tokio::time::sleep(AFTERMATH).await;
        Ok((ours, clips.plain_conversion(video).await?))
    } else {
        let plain = clips.plain_conversion(video).await?;
        let ours = convert(user, video).await?;
        tokio::time::sleep(AFTERMATH).await;
        Ok((ours, plain))
    }
}

pub(crate) async fn clip(user: &User, clips: &Clips) -> Result<Row> {
    // A warm-up: opens the connections and loads FFmpeg's libraries into the page cache.
    round(user, clips, &clips.ten_seconds, 0).await?;
    let mut duel = Duel::default();
    let [mut accepted, mut claimed, mut encoding] = [(); 3].map(|()| Series::default());
    for number in 0..CLIP_ROUNDS {
        let (ours, plain) = round(user, clips, &clips.ten_seconds, number).await?;
        accepted.add(ours.accepted.as_secs_f64());
        claimed.add(ours.claimed.as_secs_f64());
        encoding.add(ours.encoding.as_secs_f64());
        duel.add(ours.converted, plain);
    }
    let at = |series: &Series| milliseconds(series.median());
    Ok(Row {
        what: "Submit to converted, clip of 10 s".to_owned(),
        ours: duel.ours().show(milliseconds),
        plain: duel.plain().show(milliseconds),
        compared: format!("{} over", duel.excess().show(milliseconds)),
        aim: "≤ 60 ms over",
        is_met: Some(duel.excess().median() <= 0.060),
        note: Some(format!(
            "accepted after {}, claimed is told after {}, probed after {}, converted after {}",
            at(&accepted),
            at(&claimed),
            at(&encoding),
            at(&duel.ours())
        )),
    })
}

pub(crate) async fn video(user: &User, clips: &Clips) -> Result<Row> {
    let mut duel = Duel::default();
    let mut accepted = Series::default();
    for number in 0..VIDEO_ROUNDS {
        let (ours, plain) = round(user, clips, &clips.ten_minutes, number).await?;
        accepted.add(ours.accepted.as_secs_f64());
        duel.add(ours.converted, plain);
    }
    let megabytes = std::fs::metadata(&clips.ten_minutes)?.len() / 1_000_000;
    Ok(Row {
        what: "Submit to converted, video of 10 min".to_owned(),
        ours: duel.ours().show(seconds),
        plain: duel.plain().show(seconds),
        compared: format!("{} the time", duel.times().show(|ratio| format!("{ratio:.3}×"))),
        aim: "≤ 1.05×",
        is_met: Some(duel.times().median() <= 1.05),
        note: Some(format!(
            "the file has {megabytes} MB, and is accepted after {}",
            seconds(accepted.median())
        )),
    })
}

/// A long video: the time from its delivery to the converter until the commit, compared with FFmpeg on a file
/// on the disk.
pub(crate) async fn long(
    world: &World,
    user: &User,
    clips: &Clips,
    (name, video, rounds): (&str, &Path, usize),
) -> Result<[Row; 3]> {
    let converter = world.pid(Service::Converter)?;
    let (mut wall, mut processor) = (Duel::default(), Duel::default());
    let (mut size, mut probed) = (Series::default(), Series::default());
    for _ in 0..rounds {
        let before = processor::time(Whose::ProcessAndChildren(converter))?;
        let ours = convert(user, video).await?;
        tokio::time::sleep(AFTERMATH).await;
        let our_time = processor::time(Whose::ProcessAndChildren(converter))?.saturating_sub(before);
        let before = processor::time(Whose::OwnChildren)?;
        let plain = clips.plain_conversion(video).await?;
        let plain_time = processor::time(Whose::OwnChildren)?.saturating_sub(before);
        wall.add(ours.converted.saturating_sub(ours.accepted), plain);
        processor.add(our_time, plain_time);
        probed.add(ours.encoding.saturating_sub(ours.accepted).as_secs_f64());
        let plain_bytes = std::fs::metadata(clips.plain_output()).context("there is no MP3")?.len();
        #[expect(clippy::cast_precision_loss, reason = "it is below 2^53")]
        size.add(ours.bytes as f64 / plain_bytes as f64);
    }
    let ratio = |ratio: f64| format!("{ratio:.3}×");
    let row = |what: &str, duel: &Duel, aim, most| Row {
        what: format!("{what}, {name}"),
        ours: duel.ours().show(seconds),
        plain: duel.plain().show(seconds),
        compared: format!("{} the time", duel.times().show(ratio)),
        aim,
        is_met: Some(duel.times().median() <= most),
        note: None,
    };
    let fetched = format!("fetched from GridFS and probed after {}", probed.show(milliseconds));
    Ok([
        Row { note: Some(fetched), ..row("Delivered to committed", &wall, "≤ 0.55×", 0.55) },
        row("Processor time", &processor, "≤ 1.10×", 1.10),
        Row {
            what: format!("Size, {name}"),
            ours: String::new(),
            plain: String::new(),
            compared: format!("{} the size", size.show(ratio)),
            aim: "none set",
            is_met: None,
            note: None,
        },
    ])
}

/// Many clips that are queued when the converter starts.
pub(crate) async fn batch(world: &mut World, user: &User, clips: &Clips) -> Result<Row> {
    let mut duel = Duel::default();
    for number in 0..BATCH_ROUNDS {
        let (ours, plain);
        if number.is_multiple_of(2) {
            ours = convert_batch(world, user, &clips.thirty_seconds).await?;
            tokio::time::sleep(AFTERMATH).await;
            plain = clips.plain_batch(&clips.thirty_seconds, BATCH).await?;
        } else {
            plain = clips.plain_batch(&clips.thirty_seconds, BATCH).await?;
            ours = convert_batch(world, user, &clips.thirty_seconds).await?;
            tokio::time::sleep(AFTERMATH).await;
        }
        duel.add(ours, plain);
    }
    #[expect(clippy::cast_precision_loss, reason = "it is 40")]
    let per_minute = |seconds: f64| format!("{:.0}", BATCH as f64 * 60.0 / seconds);
    Ok(Row {
        what: "Jobs per minute, 40 clips of 30 s".to_owned(),
        ours: per_minute(duel.ours().median()),
        plain: per_minute(duel.plain().median()),
        compared: format!("{} the rate", duel.rates().show(times)),
        aim: "≥ 0.95×",
        is_met: Some(duel.rates().median() >= 0.95),
        note: None,
    })
}

/// The time from the start of the converter, with all clips queued, to the last MP3.
async fn convert_batch(world: &mut World, user: &User, clip: &Path) -> Result<Duration> {
    world.stop(Service::Converter).await?;
    let upload = Content::File(clip.to_path_buf());
    let ids: Vec<JobId> = stream::iter(0..BATCH)
        .map(|_| async { anyhow::Ok(user.send(&upload).await?.id) })
        .buffer_unordered(UPLOADS_AT_ONCE)
        .try_collect()
        .await?;
    let began = Instant::now();
    world.restart(Service::Converter).await?;
    loop {
        let jobs = user.jobs().await?;
        let mut of_batch = jobs.iter().filter(|job| ids.contains(&job.id));
        if let Some(failed) = of_batch.clone().find(|job| job.status == JobStatus::Failed) {
            bail!("job {} failed", failed.id);
        }
        if of_batch.all(|job| job.status == JobStatus::Converted) {
            return Ok(began.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
