//! One attempt at a job: downloads the video from the store, converts it, and stores the audio file.

use std::sync::Arc;
use std::time::{Duration, Instant};

use contracts::{Audio, ConversionOptions, Mp3Fid, Phase, Progress};
use jobs::{ConversionLease, Record};
use metrics::{gauge, histogram};
use service_kit::Chain;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::attempt_error::AttemptError;
use crate::conversions::Conversions;
use crate::engine::{Converted, Report, Reservation, ReservationError};
use crate::lease::LeaseKeeper;
use crate::transfer::{self, TransferError};

/// Delays between attempts to store an audio file. Together they last as long as a MongoDB server takes to
/// start.
const STORE_DELAYS: [Duration; 3] = [Duration::from_secs(2), Duration::from_secs(5), Duration::from_secs(10)];

impl Conversions {
    /// Converts the video and stores the audio file, while it renews the lease.
    ///
    /// The file is in the store when this returns, but no job refers to it yet.
    pub(crate) async fn make(&self, lease: &ConversionLease, record: &Record) -> Result<Audio, AttemptError> {
        let _running = Running::begin();
        let (report, reports) = watch::channel(Report::default());
        let stop = self.stop.child_token();
        let mut keeper = LeaseKeeper::new(&self.jobs, lease, reports);
        let mut work = std::pin::pin!(self.work(lease, record, &report, &stop));
        let made = tokio::select! {
            made = &mut work => made,
            lost = keeper.keep() => {
                // Cancelled, not only dropped: when another converter owns the job, none of our FFmpeg
                // processes may still work on it.
                stop.cancel();
                self.forget(work.await).await;
                return Err(lost.into());
            }
        };
        if let Err(lost) = keeper.write_source().await {
            self.forget(made).await;
            return Err(lost.into());
        }
        made
    }

    async fn work(
        &self,
        lease: &ConversionLease,
        record: &Record,
        report: &watch::Sender<Report>,
        stop: &CancellationToken,
    ) -> Result<Audio, AttemptError> {
        let source = &record.job.source;
        let _room = self.reserve_room(source.bytes, &record.job.options).await?;
        let scratch = self.scratch.begin_job().map_err(TransferError::Scratch)?;
        let path = scratch.source();
        let fetched =
            unless(stop, async { Ok(transfer::fetch(&self.videos, source.fid, &path).await?) }).await;
        let converted = match fetched {
            // Boxed: the conversion's state is large, and would otherwise be moved with every future around
            // it.
            Ok(()) => Box::pin(self.engine.convert(&scratch, &record.job.options, report, stop)).await,
            Err(error) => return Err(self.judge_full_disk(error, &scratch)),
        };
        let converted = converted.map_err(|error| self.judge_full_disk(error.into(), &scratch))?;
        report.send_modify(|report| report.progress = Progress { phase: Phase::Storing, ratio: 1.0 });
        self.find_room_in_store(converted.audio.bytes).await?;
        let fid = unless(stop, self.store(lease, &source.name, &converted)).await?;
        Ok(Audio {
            fid,
            bytes: converted.audio.bytes,
            duration_seconds: converted.audio.duration_seconds,
            begins_at_seconds: converted.begins_at_seconds,
            tracks: converted.tracks,
            bitrate_bps: converted.audio.bitrate_bps,
            format: converted.format,
            is_copy: converted.is_copy,
            has_cover: converted.has_cover,
            loudness: converted.loudness,
        })
    }

    /// Runs before the download, so that a job that cannot succeed does not fill the disk.
    async fn reserve_room(
        &self,
        video_bytes: u64,
        options: &ConversionOptions,
    ) -> Result<Reservation, AttemptError> {
        const LEAST: u64 = 64 * 1024 * 1024;
        // The worst input is audio alone at 128 kbit/s: as a WAV file it is twelve times as large. A lossy
        // file is seldom larger than its video.
        let times = if options.format.is_lossless() { 12 } else { 1 };
        let audio = video_bytes.saturating_mul(times).max(LEAST).min(self.config.engine.max_audio_bytes);
        let (scratch, needed) = (Arc::clone(&self.scratch), video_bytes.saturating_add(audio));
        let reserved = spawn_blocking(move || scratch.reserve(needed, video_bytes)).await;
        Ok(reserved.map_err(|panic| ReservationError::Look(panic.into()))??)
    }

    /// Stores the audio file. Retries while the database restarts: that costs less than another conversion.
    async fn store(
        &self,
        lease: &ConversionLease,
        video: &str,
        converted: &Converted,
    ) -> Result<Mp3Fid, AttemptError> {
        let name = transfer::file_name(video, converted.format);
        for delay in STORE_DELAYS {
            match transfer::store(&self.mp3s, &name, converted, lease.right()).await {
                Err(TransferError::Store(error)) => {
                    tracing::warn!(error = %Chain(&error), "could not store an MP3, trying again");
                    sleep(delay).await;
                }
                stored => return Ok(stored?),
            }
        }
        Ok(transfer::store(&self.mp3s, &name, converted, lease.right()).await?)
    }

    /// Deletes the file of an attempt that no longer owns its job.
    async fn forget(&self, made: Result<Audio, AttemptError>) {
        if let Ok(audio) = made {
            self.give_way(audio.fid).await;
        }
    }
}

/// Runs `work` until it ends or is cancelled.
async fn unless<T>(
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, AttemptError>>,
) -> Result<T, AttemptError> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(AttemptError::Stopped),
        done = work => done,
    }
}

/// Counts an attempt as running until it is dropped, which a panic does too.
struct Running(Instant);

impl Running {
    fn begin() -> Self {
        gauge!("mixdown_jobs_running").increment(1.0);
        Self(Instant::now())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        gauge!("mixdown_jobs_running").decrement(1.0);
        histogram!("mixdown_conversion_seconds").record(self.0.elapsed().as_secs_f64());
    }
}
