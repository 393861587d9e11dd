//! Handles a `video` message.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, Delivery, Verdict};
use contracts::{
    Audio, ConversionFinished, ConversionRequested, Failure, FailureCode, JobStatus, MESSAGE_VERSION, Mp3Fid,
    Queue,
};
use jobs::{Claim, ConversionLease, JobStore, JobsError, Record, Turns};
use media_store::MediaStore;
use metrics::counter;
use service_kit::Chain;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::attempt_error::AttemptError;
use crate::config::Config;
use crate::engine::{ConversionError, Engine, ReservationError, ScratchSpace};
use crate::lease::LeaseLost;
use crate::transfer::TransferError;

/// Delays between attempts to commit. Together they last as long as a MongoDB replica set takes to elect a
/// primary.
const COMMIT_DELAYS: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];

/// The conversions of one converter.
pub(crate) struct Conversions {
    pub jobs: JobStore,
    pub videos: MediaStore,
    pub mp3s: MediaStore,
    pub broker: Broker,
    pub turns: Turns,
    pub engine: Arc<Engine>,
    pub scratch: Arc<ScratchSpace>,
    /// Cancelled when the running conversions must be given back, finished or not.
    pub stop: CancellationToken,
    pub worker: String,
    pub config: Config,
}

impl Conversions {
    /// Handles one message. A crash may interrupt this at any point. The message is then delivered again, and
    /// every step is safe to repeat.
    pub(crate) async fn deliver(&self, delivery: Delivery<ConversionRequested>) -> Verdict {
        let message = delivery.message;
        if message.version != MESSAGE_VERSION {
            return Verdict::Reject { reason: format!("message version {} is unknown", message.version) };
        }
        let span = tracing::info_span!("convert", job.id = %message.job_id);
        async {
            // Before the claim: a waiting job must not write to a database that has no room.
            if let Err(full) = self.find_room_in_store(0).await {
                return wait_for_room(&full);
            }
            match self.jobs.claim(message.job_id, &self.worker, self.config.lease).await {
                Ok(Claim::Claimed(lease, record)) => self.attempt(&lease, *record).await,
                // Its converter may have died. The message must be delivered again after the lease has run
                // out.
                Ok(Claim::Busy) => Verdict::Defer { delay: self.config.lease },
                // The job has ended, but perhaps a crash prevented the announcement or the acknowledgement of
                // this message.
                Ok(Claim::Finished(_, record)) => self.announce(&record).await,
                Ok(Claim::Gone) => Verdict::Done,
                Err(error) => retry("could not claim the job", &error),
            }
        }
        .instrument(span)
        .await
    }

    async fn attempt(&self, lease: &ConversionLease, record: Record) -> Verdict {
        if record.job.attempts > self.config.max_attempts {
            tracing::error!(attempts = record.job.attempts, "a job is given up");
            return self.end_failed(lease, record, FailureCode::Interrupted).await;
        }
        match self.make(lease, &record).await {
            Ok(audio) => self.end_converted(lease, record, audio).await,
            Err(error) => self.end_without_mp3(lease, record, error).await,
        }
    }

    async fn end_converted(&self, lease: &ConversionLease, mut record: Record, audio: Audio) -> Verdict {
        match self.commit_converted(lease, &audio).await {
            Ok(true) => {}
            Ok(false) => return self.give_way(audio.fid).await,
            // The file stays: the commit may have taken effect. If it has not, the sweep for unreferenced
            // files deletes it.
            Err(error) => return retry("could not commit the job", &error),
        }
        counter!("mixdown_conversions_total", "outcome" => "converted").increment(1);
        counter!("mixdown_audio_seconds_total").increment(whole_seconds(audio.duration_seconds));
        tracing::info!(bytes = audio.bytes, seconds = audio.duration_seconds, "converted");
        record.job.status = JobStatus::Converted;
        record.job.audio = Some(audio);
        let verdict = self.announce(&record).await;
        if verdict == Verdict::Done && self.config.keep_video.is_zero() {
            self.delete_video(&record).await;
        }
        verdict
    }

    /// Commits the job. Checks the result of a commit that got no answer. `false`: the job is no longer ours.
    async fn commit_converted(&self, lease: &ConversionLease, audio: &Audio) -> Result<bool, JobsError> {
        let mut delays = COMMIT_DELAYS.iter();
        loop {
            let committed =
                self.jobs.commit_converted(lease, audio, self.config.keep_mp3, self.config.keep_video).await;
            match (committed, delays.next()) {
                (Ok(true), _) => return Ok(true),
                // The lease is also gone if an earlier try took effect.
                (Ok(false), _) => {
                    let record = self.jobs.get(lease.job()).await?;
                    return Ok(record
                        .and_then(|record| record.job.audio)
                        .is_some_and(|found| found.fid == audio.fid));
                }
                (Err(error @ JobsError::Unavailable(_)), Some(delay)) => {
                    tracing::warn!(error = %Chain(&error), "could not commit a job, trying again");
                    sleep(*delay).await;
                }
                (Err(error), _) => return Err(error),
            }
        }
    }

    async fn end_without_mp3(&self, lease: &ConversionLease, record: Record, error: AttemptError) -> Verdict {
        match error {
            AttemptError::Convert(ConversionError::Failed { code, detail }) => {
                tracing::info!(code = code.as_str(), detail, "a video cannot be converted");
                self.end_failed(lease, record, code).await
            }
            AttemptError::Transfer(TransferError::Missing(error)) => {
                let error = error.as_ref().map(|error| Chain(error).to_string());
                tracing::error!(error, "a job's video is not in the store");
                self.end_failed(lease, record, FailureCode::Damaged).await
            }
            // The new owner has its own message, unless it dies too.
            AttemptError::LeaseLost(LeaseLost) => {
                tracing::info!("a job was cancelled or taken over");
                Verdict::Defer { delay: self.config.lease }
            }
            AttemptError::Stopped | AttemptError::Convert(ConversionError::Cancelled) => {
                tracing::info!("a job is handed back unfinished");
                note_unreturned(self.jobs.release(lease).await);
                Verdict::HandBack
            }
            AttemptError::NoRoom(error @ ReservationError::NeverFits { .. }) => {
                tracing::error!(error = %Chain(&error), "a video is larger than the scratch folder's disk");
                self.end_failed(lease, record, FailureCode::FileTooLarge).await
            }
            // No step was started that could have failed.
            error @ (AttemptError::NoRoom(ReservationError::NoRoom { .. }) | AttemptError::StoreFull(_)) => {
                note_unreturned(self.jobs.release(lease).await);
                wait_for_room(&error)
            }
            // Other jobs have filled the disk meanwhile. Every retry costs a whole conversion, so the delay
            // grows.
            error if error.is_of_a_full_disk() => {
                counter!("mixdown_conversions_total", "outcome" => "retried").increment(1);
                note_unreturned(self.jobs.release(lease).await);
                retry("the scratch folder's disk is full", &error)
            }
            error @ (AttemptError::Convert(_) | AttemptError::Transfer(_) | AttemptError::NoRoom(_)) => {
                counter!("mixdown_conversions_total", "outcome" => "retried").increment(1);
                note_unreturned(self.jobs.set_back(lease).await);
                retry("the conversion failed by no fault of the video", &error)
            }
        }
    }

    async fn end_failed(&self, lease: &ConversionLease, mut record: Record, code: FailureCode) -> Verdict {
        let failure = Failure::from(code);
        match self.jobs.commit_failed(lease, &failure, self.config.keep_mp3).await {
            Ok(true) => {}
            Ok(false) => return Verdict::Defer { delay: self.config.lease },
            Err(error) => return retry("could not commit the job's failure", &error),
        }
        counter!("mixdown_conversions_total", "outcome" => "failed").increment(1);
        record.job.status = JobStatus::Failed;
        record.job.error = Some(failure);
        self.announce(&record).await
    }

    /// Tells notification how the job ended. The `video` message may be acknowledged when the broker has
    /// confirmed this one.
    async fn announce(&self, record: &Record) -> Verdict {
        let Some(message) = ConversionFinished::of(&record.job, &record.owner) else { return Verdict::Done };
        if let Err(error) = self.jobs.settle_usage(record.job.id).await {
            // The job stays marked as due, so the gateway's reconciler counts it.
            tracing::warn!(error = %Chain(&error), "could not count a conversion yet");
        }
        if let Err(error) = self.broker.publish(Queue::Mp3, &message.message_id(), &message).await {
            return retry("could not announce the job's outcome", &error);
        }
        if let Err(error) = self.jobs.mark_outcome_announced(record).await {
            // The cost is a second message later, which notification recognises as a duplicate.
            tracing::warn!(error = %Chain(&error), "could not mark a job as announced");
        }
        if let Err(error) = self.turns.give(record.owner.id).await {
            // The gateway's reconciler does it later.
            tracing::warn!(error = %Chain(&error), "could not announce a user's next job");
        }
        Verdict::Done
    }

    async fn delete_video(&self, record: &Record) {
        let deleted = async {
            self.videos.delete(record.job.source.fid.0).await.map_err(TransferError::Store)?;
            note_unreturned(self.jobs.mark_video_deleted(record.job.id).await);
            Ok::<_, TransferError>(())
        };
        if let Err(error) = deleted.await {
            // The job stays marked as due, so the sweeper deletes the video.
            tracing::warn!(error = %Chain(&error), "could not delete a converted video");
        }
    }

    pub(crate) async fn give_way(&self, fid: Mp3Fid) -> Verdict {
        tracing::info!("another converter was faster, or the job was cancelled");
        if let Err(error) = self.mp3s.delete(fid.0).await {
            tracing::warn!(error = %Chain(&error), "could not delete an MP3 that no job refers to");
        }
        Verdict::Defer { delay: self.config.lease }
    }
}

/// Delay of a job that finds no room. Checking again costs little.
const ROOM_DELAY: Duration = Duration::from_secs(30);

fn wait_for_room(error: &(dyn Error + 'static)) -> Verdict {
    counter!("mixdown_conversions_total", "outcome" => "deferred").increment(1);
    tracing::warn!(error = %Chain(error), "a job waits until there is room");
    Verdict::Defer { delay: ROOM_DELAY }
}

fn retry(what: &str, error: &(dyn Error + 'static)) -> Verdict {
    Verdict::Retry { reason: format!("{what}: {}", Chain(error)) }
}

/// Logs that a job could not be given back. It stays ours until its lease runs out: it is late then, but not
/// lost.
fn note_unreturned<T>(returned: Result<T, JobsError>) {
    if let Err(error) = returned {
        tracing::warn!(error = %Chain(&error), "could not record what became of a job");
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a length is neither negative nor above 2^64 s"
)]
fn whole_seconds(seconds: f64) -> u64 {
    seconds.round() as u64
}
