//! How long it takes from the first byte of an upload to the MP3, against FFmpeg on a file that is there already.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::figures::{Duel, Row, Series, milliseconds, seconds, times};
use crate::media::Clips;
use crate::person::{Person, Upload};

const CLIP_ROUNDS: usize = 20;
const VIDEO_ROUNDS: usize = 3;
const BATCH_ROUNDS: usize = 3;
const BATCH: usize = 50;

/// Browsers keep six connections to a server.
const UPLOADS_AT_ONCE: usize = 6;

/// After "converted" the mail goes out and the video is deleted, for which the plain tool shall not have to make room.
const AFTERMATH: Duration = Duration::from_millis(500);

/// When which news of a job came, from the start of its upload.
#[derive(Debug)]
pub(crate) struct Conversion {
    pub(crate) job: String,
    accepted: Duration,
    claimed: Duration,
    encoding: Duration,
    converted: Duration,
}

pub(crate) async fn convert(person: &Person, video: &Path) -> Result<Conversion> {
    let began = Instant::now();
    let job = person.upload(&Upload::File(video.to_path_buf())).await?;
    let accepted = began.elapsed();
    let (mut claimed, mut encoding) = (None, None);
    let told = |job: &crate::person::Job| {
        if job.status != "queued" {
            claimed.get_or_insert_with(|| began.elapsed());
        }
        if job.progress.phase != "waiting" && job.progress.phase != "probing" {
            encoding.get_or_insert_with(|| began.elapsed());
        }
    };
    person.follow(&job.id, told).await?;
    let converted = began.elapsed();
    Ok(Conversion {
        job: job.id,
        accepted,
        claimed: claimed.unwrap_or(converted),
        encoding: encoding.unwrap_or(converted),
        converted,
    })
}

/// A round of both, in turns so that neither always comes second.
async fn round(
    person: &Person,
    clips: &Clips,
    video: &Path,
    number: usize,
) -> Result<(Conversion, Duration)> {
    if number.is_multiple_of(2) {
        let ours = convert(person, video).await?;
        tokio::time::sleep(AFTERMATH).await;
        Ok((ours, clips.plain_conversion(video).await?))
    } else {
        let plain = clips.plain_conversion(video).await?;
        let ours = convert(person, video).await?;
        tokio::time::sleep(AFTERMATH).await;
        Ok((ours, plain))
    }
}

pub(crate) async fn clip(person: &Person, clips: &Clips) -> Result<Row> {
    // The first connections, and FFmpeg's libraries in the page cache.
    round(person, clips, &clips.ten_seconds, 0).await?;
    let mut duel = Duel::default();
    let [mut accepted, mut claimed, mut encoding] = [(); 3].map(|()| Series::default());
    for number in 0..CLIP_ROUNDS {
        let (ours, plain) = round(person, clips, &clips.ten_seconds, number).await?;
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

pub(crate) async fn video(person: &Person, clips: &Clips) -> Result<Row> {
    let mut duel = Duel::default();
    let mut accepted = Series::default();
    for number in 0..VIDEO_ROUNDS {
        let (ours, plain) = round(person, clips, &clips.ten_minutes, number).await?;
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

pub(crate) async fn batch(person: &Person, clips: &Clips) -> Result<Row> {
    let mut duel = Duel::default();
    for number in 0..BATCH_ROUNDS {
        let (ours, plain);
        if number.is_multiple_of(2) {
            ours = convert_batch(person, &clips.thirty_seconds).await?;
            tokio::time::sleep(AFTERMATH).await;
            plain = clips.plain_batch(&clips.thirty_seconds, BATCH).await?;
        } else {
            plain = clips.plain_batch(&clips.thirty_seconds, BATCH).await?;
            ours = convert_batch(person, &clips.thirty_seconds).await?;
            tokio::time::sleep(AFTERMATH).await;
        }
        duel.add(ours, plain);
    }
    #[expect(clippy::cast_precision_loss, reason = "it is 50")]
    let per_minute = |seconds: f64| format!("{:.0}", BATCH as f64 * 60.0 / seconds);
    Ok(Row {
        what: "Jobs per minute, 50 clips of 30 s".to_owned(),
        ours: per_minute(duel.ours().median()),
        plain: per_minute(duel.plain().median()),
        compared: format!("{} the rate", duel.rates().show(times)),
        aim: "none set",
        is_met: None,
        note: None,
    })
}

/// From the first upload to the last MP3.
async fn convert_batch(person: &Person, clip: &Path) -> Result<Duration> {
    let began = Instant::now();
    let upload = Upload::File(clip.to_path_buf());
    let ids: Vec<String> = stream::iter(0..BATCH)
        .map(|_| async { anyhow::Ok(person.upload(&upload).await?.id) })
        .buffer_unordered(UPLOADS_AT_ONCE)
        .try_collect()
        .await?;
    loop {
        let jobs = person.jobs().await?;
        let mut of_batch = jobs.iter().filter(|job| ids.contains(&job.id));
        if let Some(failed) = of_batch.clone().find(|job| job.status == "failed") {
            bail!("job {} failed", failed.id);
        }
        if of_batch.all(|job| job.status == "converted") {
            return Ok(began.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
