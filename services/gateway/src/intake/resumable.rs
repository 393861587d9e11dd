//! Uploads that survive a bad connection: the bytes go into a draft, and it becomes a job when all have
//! arrived.
//!
//! The job's id is generated when the upload begins, and kept with the draft. So every process that creates
//! the job, even another one after a crash, creates the same job, and only one: see `media_store::DraftState`
//! for the order.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use axum::body::Body;
use bytes::Bytes;
use contracts::{ConversionOptions, FileId, JobId, Owner, ProblemCode, UserId};
use futures_util::StreamExt as _;
use jobs::Accepted;
use media_store::{Draft, DraftState, DraftWriter, NewDraft, Resumed, StoreError, StoredFile};
use serde::{Deserialize, Serialize};
use service_kit::{Chain, Problem};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};
use tracing::Instrument as _;

use super::guarded_body::{BodyFault, GuardedBody};
use super::intake_state::Intake;
use super::policy::UploadConfig;
use super::receive::UploadRequest;
use super::storage::{Promise, no_room};
use crate::error::Error;

/// The data that is kept with a draft.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct About {
    /// The job that it becomes.
    pub(crate) job: JobId,
    pub(crate) owner: Owner,
    pub(crate) options: ConversionOptions,
    /// The `Upload-Metadata` as received.
    pub(crate) metadata: String,
}

impl About {
    pub(crate) fn of(draft: &Draft) -> Result<Self, Error> {
        serde_json::from_str(&draft.about).map_err(Error::Draft)
    }
}

/// The expected checksum of one request's bytes.
pub(crate) struct Checksum {
    algorithm: &'static digest::Algorithm,
    expected: Vec<u8>,
}

impl Checksum {
    /// `None`: the algorithm is unknown.
    pub(crate) fn new(algorithm: &str, expected: Vec<u8>) -> Option<Self> {
        let algorithm = match algorithm {
            "sha1" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            "sha256" => &digest::SHA256,
            _ => return None,
        };
        Some(Self { algorithm, expected })
    }
}

/// The state of an upload at the end of a request.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) draft: Draft,
    /// The job that it became, if every byte is there.
    pub(crate) job: Option<JobId>,
}

/// Longer than the lease of a writer that died.
pub(crate) const COMPLETION_TIMEOUT: Duration = Duration::from_secs(13);
const COMPLETION_POLL: Duration = Duration::from_millis(100);

impl Intake {
    /// Begins an upload of this many bytes.
    pub(crate) async fn begin_draft(
        &self,
        owner: Owner,
        bytes: u64,
        request: &UploadRequest,
        metadata: String,
    ) -> Result<Draft, Error> {
        self.admit(&owner, bytes).await?;
        let id = owner.id;
        let about = About { job: JobId::generate(), owner, options: request.options.clone(), metadata };
        let new = NewDraft {
            name: &request.name,
            content_type: &request.content_type,
            bytes,
            owner: &id.to_string(),
            about: &serde_json::to_string(&about).map_err(Error::Draft)?,
            lasts: self.policy.expiry(),
        };
        let draft = self.videos.begin_draft(new).await?;
        // Checked after the draft exists, as with jobs: an erasure that did not see the draft is seen here.
        if self.jobs.is_erased(id).await? {
            self.videos.discard_draft(draft.fid).await?;
            return Err(ProblemCode::InvalidToken.into());
        }
        Ok(draft)
    }

    /// Appends a request's bytes to a draft, at this offset.
    ///
    /// Runs in a task of its own: if the client disconnects, what it has sent is still kept.
    pub(crate) async fn resume(
        self: &Arc<Self>,
        draft: &Draft,
        owner: UserId,
        offset: u64,
        checksum: Option<Checksum>,
        body: Body,
    ) -> Result<Standing, Error> {
        let place = self.edge.limits.receiving.take(owner).await?;
        // A draft that has every byte needs no more room. It is only completed.
        let missing = draft.bytes.saturating_sub(draft.offset);
        let promise = if missing > 0 { Some(self.storage.promise(missing)?) } else { None };
        let (intake, draft) = (Arc::clone(self), draft.clone());
        let receiving = async move {
            let received = Receiving { intake, draft }.run(promise, offset, checksum, body).await;
            drop(place);
            received
        };
        let received = self.shutdown.tasks().spawn(receiving.in_current_span()).await;
        received.unwrap_or_else(|_| Err(ProblemCode::Internal.into()))
    }
}

struct Receiving {
    intake: Arc<Intake>,
    draft: Draft,
}

/// Why no more bytes of a request are taken.
enum End {
    /// The body has ended.
    Whole,
    /// The client is too slow, has disconnected, or sends too much.
    Fault(BodyFault),
    /// Another connection wants to resume the upload.
    Wanted,
    /// This process is shutting down.
    Draining,
    /// MongoDB's disk is almost full.
    NoRoom,
}

impl Receiving {
    async fn run(
        self,
        mut promise: Option<Promise>,
        offset: u64,
        checksum: Option<Checksum>,
        body: Body,
    ) -> Result<Standing, Error> {
        let fid = self.draft.fid;
        let mut writer = match self.intake.videos.resume_draft(fid, offset).await? {
            Resumed::Writing(writer) => *writer,
            Resumed::Elsewhere(offset) => return Err(wrong_offset(offset)),
            Resumed::Complete(draft) => return self.intake.complete(draft, COMPLETION_TIMEOUT).await,
            Resumed::Busy => return Err(ProblemCode::UploadLocked.into()),
            Resumed::Gone => return Err(ProblemCode::NotFound.into()),
        };
        if checksum.is_some() {
            writer = writer.counting_at_the_end();
        }
        let mut sum = checksum.as_ref().map(|checksum| digest::Context::new(checksum.algorithm));
        let body = GuardedBody::new(body, &self.intake.policy, writer.missing());
        let end = self.take(body, &mut writer, promise.as_mut(), sum.as_mut()).await?;
        if let Some((checksum, sum)) = checksum.zip(sum) {
            let is_right = sum.finish().as_ref() == checksum.expected;
            // Without the end, the checksum says nothing about the beginning.
            if !is_right || !matches!(end, End::Whole) {
                writer.undo().await?;
                return Err(
                    refusal(&end, &self.intake.policy).unwrap_or(ProblemCode::ChecksumMismatch.into())
                );
            }
        }
        if writer.missing() == 0 {
            let file = writer.finish().await?;
            let job = self.intake.create_job(file, About::of(&self.draft)?).await?;
            let draft = self.intake.videos.draft(fid).await?.ok_or(ProblemCode::NotFound)?;
            return Ok(Standing { draft, job: Some(job) });
        }
        let draft = writer.pause().await?;
        match refusal(&end, &self.intake.policy) {
            Some(refusal) => Err(refusal),
            None => Ok(Standing { draft, job: None }),
        }
    }

    async fn take(
        &self,
        mut body: GuardedBody,
        writer: &mut DraftWriter,
        mut promise: Option<&mut Promise>,
        mut sum: Option<&mut digest::Context>,
    ) -> Result<End, Error> {
        let mut ticks = interval_at(Instant::now() + DraftWriter::TICK, DraftWriter::TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let drain = self.intake.shutdown.drain();
        loop {
            let piece: Bytes = tokio::select! {
                biased;
                () = drain.cancelled() => return Ok(End::Draining),
                _ = ticks.tick() => {
                    if writer.tick().await? {
                        return Ok(End::Wanted);
                    }
                    continue;
                }
                piece = body.next() => match piece {
                    None => return Ok(End::Whole),
                    Some(Err(fault)) => return Ok(End::Fault(fault)),
                    Some(Ok(piece)) => piece,
                },
            };
            if promise.as_mut().is_some_and(|promise| promise.arrived(piece.len()).is_err()) {
                return Ok(End::NoRoom);
            }
            if let Some(sum) = &mut sum {
                sum.update(&piece);
            }
            writer.write(piece).await?;
        }
    }
}

fn refusal(end: &End, policy: &UploadConfig) -> Option<Error> {
    match end {
        End::Whole => None,
        End::Fault(BodyFault::TooLarge) => Some(policy.too_large().into()),
        End::Fault(BodyFault::TooSlow) => Some(ProblemCode::RequestTimeout.into()),
        End::Fault(BodyFault::Broken(_)) => Some(ProblemCode::IncompleteUpload.into()),
        End::Wanted => Some(ProblemCode::UploadLocked.into()),
        End::Draining => Some(ProblemCode::Unavailable.into()),
        End::NoRoom => Some(no_room().into()),
    }
}

fn wrong_offset(offset: u64) -> Error {
    let detail = format!("The upload stands at {offset}.");
    Problem::new(ProblemCode::WrongOffset).with_detail(detail).into()
}

impl Intake {
    /// Finishes an upload whose last byte has arrived but whose job a crash prevented. Waits up to `timeout`
    /// for another process that is already finishing it.
    pub(crate) async fn complete(&self, mut draft: Draft, timeout: Duration) -> Result<Standing, Error> {
        let about = About::of(&draft)?;
        let deadline = Instant::now() + timeout;
        loop {
            match draft.state {
                DraftState::Open => return Ok(Standing { draft, job: None }),
                DraftState::Settled => return Ok(Standing { draft, job: Some(about.job) }),
                DraftState::Received | DraftState::Stored => {}
            }
            match self.videos.finish_draft(draft.fid).await {
                Ok(Some(file)) => {
                    self.create_job(file, about.clone()).await?;
                }
                Ok(None) if Instant::now() > deadline => return Err(ProblemCode::UploadLocked.into()),
                Ok(None) => sleep(COMPLETION_POLL).await,
                // The job existed, and its owner has deleted it.
                Err(StoreError::Lost) => {}
                Err(error) => return Err(error.into()),
            }
            draft = self.videos.draft(draft.fid).await?.ok_or(ProblemCode::NotFound)?;
        }
    }

    async fn create_job(&self, file: StoredFile, about: About) -> Result<JobId, Error> {
        let (fid, id) = (file.fid, about.job);
        // The upload may have begun a day ago, so the quotas are checked again. They are not if the job
        // already exists.
        if self.jobs.get(id).await?.is_none()
            && let Err(refused) = self.quotas.check(about.owner.id, file.bytes).await
        {
            if let Error::Refused(_) = &refused {
                self.give_up(fid).await?;
            }
            return Err(refused);
        }
        let Some(new) = self.job_of(id, about.owner, file, about.options).await? else {
            self.give_up(fid).await?;
            return Err(ProblemCode::InvalidToken.into());
        };
        // If a crash follows, the next process that completes the upload finds the job and leaves it alone.
        match self.jobs.accept(new).await? {
            Accepted::Queued(record) => self.welcome(&record).await,
            Accepted::Known => {}
            Accepted::OwnerErased => {
                self.give_up(fid).await?;
                return Err(ProblemCode::InvalidToken.into());
            }
        }
        if let Err(error) = self.videos.settle_draft(fid).await {
            // The job exists, and the client needs to know no more.
            tracing::warn!(file.id = %fid, error = %Chain(&error), "could not settle an upload yet");
        }
        Ok(id)
    }
    /// Deletes a whole upload that may not become a job. The next question about it is answered with 404.
    async fn give_up(&self, fid: FileId) -> Result<(), Error> {
        self.videos.delete(fid).await?;
        self.videos.settle_draft(fid).await?;
        self.videos.discard_draft(fid).await?;
        Ok(())
    }
}
