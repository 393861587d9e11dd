//! Transfers a gibibyte through the gateway, and the same bytes through the MongoDB driver's own GridFS
//! streams.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use contracts::JobId;
use futures_util::io::{AsyncReadExt as _, AsyncWriteExt as _};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use mongodb::gridfs::GridFsBucket;

use crate::figures::{Duel, Row, times};
use crate::world::World;
use test_kit::mixdown::{Content, PIECE, PIECE_BYTES, User};

/// 1 GiB.
pub(crate) const PIECES: usize = 1024;

const ROUNDS: usize = 3;

/// More rounds, because both do nearly the same work, so the disk's other work has more influence.
const RESUMABLE_ROUNDS: usize = 9;

/// An MP3 of 1 GiB. No real conversion makes one.
#[derive(Debug)]
pub(crate) struct LongMp3 {
    id: ObjectId,
}

impl LongMp3 {
    pub(crate) fn fid(&self) -> String {
        self.id.to_hex()
    }
}

/// Stores an MP3 with the driver and makes it the result of a job.
///
/// It bypasses the crate that owns the job documents, because only a bench needs this.
pub(crate) async fn store_long_mp3(world: &World, job: JobId) -> Result<LongMp3> {
    let (id, _) = driver_upload(&world.database("mp3s").gridfs_bucket(None)).await?;
    let bytes = i64::try_from(PIECES * PIECE_BYTES)?;
    let audio = doc! { "fid": id.to_hex(), "bytes": bytes, "duration_seconds": 1.0, "bitrate_bps": 1 };
    let converted = doc! { "$set": { "status": "converted", "audio": audio } };
    let jobs = world.database("mixdown").collection::<Document>("jobs");
    let updated = jobs.update_one(doc! { "_id": job.to_string() }, converted).await?;
    ensure!(updated.matched_count == 1, "there is no such job");
    Ok(LongMp3 { id })
}

pub(crate) async fn uploads(world: &World, user: &User, rows: &mut Vec<Row>) -> Result<()> {
    let bucket = world.database("driver").gridfs_bucket(None);
    let mut duel = Duel::default();
    let ended = async {
        for number in 0..ROUNDS {
            let (ours, plain);
            if number.is_multiple_of(2) {
                ours = upload(world, user).await?;
                plain = driver_round(world, &bucket).await?;
            } else {
                plain = driver_round(world, &bucket).await?;
                ours = upload(world, user).await?;
            }
            duel.add(ours, plain);
        }
        Ok(())
    };
    let ended = ended.await;
    rows.extend(row("Upload of 1 GiB", &duel, "≥ 1.2×", 1.2, ROUNDS));
    ended
}

pub(crate) async fn resumable_uploads(world: &World, user: &User, rows: &mut Vec<Row>) -> Result<()> {
    let mut duel = Duel::default();
    let ended = async {
        for number in 0..RESUMABLE_ROUNDS {
            let (resumable, plain);
            if number.is_multiple_of(2) {
                resumable = resumable_upload(world, user).await?;
                plain = upload(world, user).await?;
            } else {
                plain = upload(world, user).await?;
                resumable = resumable_upload(world, user).await?;
            }
            duel.add(resumable, plain);
        }
        Ok(())
    };
    let ended = ended.await;
    let what = "Resumable upload of 1 GiB, against the plain one";
    rows.extend(row(what, &duel, "≥ 0.9×", 0.9, RESUMABLE_ROUNDS));
    ended
}

pub(crate) async fn downloads(world: &World, user: &User, mp3: &LongMp3) -> Result<Row> {
    let bucket = world.database("mp3s").gridfs_bucket(None);
    // A first download, so that both find the file in the same caches.
    driver_download(&bucket, mp3).await?;
    let mut duel = Duel::default();
    for number in 0..ROUNDS {
        let (ours, plain);
        if number.is_multiple_of(2) {
            ours = download(user, mp3).await?;
            plain = driver_download(&bucket, mp3).await?;
        } else {
            plain = driver_download(&bucket, mp3).await?;
            ours = download(user, mp3).await?;
        }
        duel.add(ours, plain);
    }
    row("Download of 1 GiB", &duel, "≥ 1.0×", 1.0, ROUNDS).context("no round was measured")
}

/// The row for the completed rounds, if there are any.
fn row(what: &str, duel: &Duel, aim: &'static str, least: f64, rounds: usize) -> Option<Row> {
    let measured = duel.rounds();
    #[expect(clippy::cast_precision_loss, reason = "it is 1024")]
    let rate = |seconds: f64| format!("{:.0} MiB/s", PIECES as f64 / seconds);
    (measured > 0).then(|| Row {
        what: what.to_owned(),
        ours: rate(duel.ours().median()),
        plain: rate(duel.plain().median()),
        compared: format!("{} the rate", duel.rates().show(times)),
        aim,
        is_met: Some(duel.rates().median() >= least),
        note: (measured < rounds).then(|| format!("broke off after {measured} of {rounds} rounds")),
    })
}

/// Uploads until the gateway has accepted: stored, made a job, and announced to the converters.
async fn upload(world: &World, user: &User) -> Result<Duration> {
    let began = Instant::now();
    let job = user.send(&Content::Pieces(PIECES)).await?;
    let took = began.elapsed();
    user.delete(&format!("/jobs/{}", job.id)).await?.error_for_status()?;
    world.reclaim().await?;
    Ok(took)
}

async fn resumable_upload(world: &World, user: &User) -> Result<Duration> {
    let began = Instant::now();
    let job = user.send_resumably(&Content::Pieces(PIECES)).await?;
    let took = began.elapsed();
    user.delete(&format!("/jobs/{job}")).await?.error_for_status()?;
    world.reclaim().await?;
    Ok(took)
}

async fn download(user: &User, mp3: &LongMp3) -> Result<Duration> {
    let began = Instant::now();
    user.download_pieces(&mp3.fid(), 0, PIECES).await?;
    Ok(began.elapsed())
}

async fn driver_round(world: &World, bucket: &GridFsBucket) -> Result<Duration> {
    let (id, took) = driver_upload(bucket).await?;
    bucket.delete(id.into()).await.context("could not delete the driver's file")?;
    world.reclaim().await?;
    Ok(took)
}

async fn driver_upload(bucket: &GridFsBucket) -> Result<(ObjectId, Duration)> {
    let began = Instant::now();
    let mut stream = bucket.open_upload_stream("driver").await?;
    for _ in 0..PIECES {
        stream.write_all(&PIECE).await.context("the driver could not write")?;
    }
    stream.close().await.context("the driver could not end its file")?;
    let id = stream.id().as_object_id().context("the file's id is none")?;
    Ok((id, began.elapsed()))
}

async fn driver_download(bucket: &GridFsBucket, mp3: &LongMp3) -> Result<Duration> {
    let mut piece = vec![0; PIECE_BYTES];
    let began = Instant::now();
    let mut stream = bucket.open_download_stream(mp3.id.into()).await?;
    let mut arrived = 0;
    loop {
        match stream.read(&mut piece).await.context("the driver could not read")? {
            0 => break,
            length => arrived += length,
        }
    }
    ensure!(arrived == PIECES * PIECE_BYTES, "{arrived} bytes arrived through the driver");
    Ok(began.elapsed())
}
