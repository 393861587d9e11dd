//! Accepting an upload: whether a user may send it, and the job that it becomes.

use std::time::Duration;

use axum::extract::Request;
use contracts::{
    AccountMail, AccountMailContent, ConversionOptions, Job, JobId, MailId, Owner, ProblemCode, Queue,
    Source, VideoFid,
};
use headers::{ContentLength, HeaderMapExt as _};
use jobs::{Accepted, NewJob, Record};
use media_store::StoredFile;
use service_kit::Chain;

use super::intake_state::Intake;
use super::storage::no_room;
use crate::error::Error;

/// How long an upload waits for RabbitMQ before its body is read.
const BROKER_TIMEOUT: Duration = Duration::from_secs(2);

impl Intake {
    /// Receives a form with a video, and creates its job.
    pub(crate) async fn take_upload(&self, owner: Owner, request: Request) -> Result<Job, Error> {
        let announced =
            request.headers().typed_get::<ContentLength>().map_or(0, |ContentLength(bytes)| bytes);
        self.admit(&owner, announced).await?;
        let place = self.edge.limits.receiving.take(owner.id).await?;
        let promise = self.storage.promise(announced)?;
        let received = self.receive(request, owner.id, promise).await?;
        drop(place);
        if let Err(refused) = self.quotas.check(owner.id, received.file.bytes).await {
            if let Err(error) = self.videos.delete(received.file.fid).await {
                // The sweeper deletes it later.
                tracing::warn!(error = %Chain(&error), "could not delete an upload over the quota yet");
            }
            return Err(refused);
        }
        let new = self.job_of(JobId::generate(), owner, received.file, received.options).await?;
        let record = self.accept(new.ok_or(ProblemCode::InvalidToken)?).await?;
        self.welcome(&record).await;
        Ok(record.job)
    }

    /// Whether this user may upload this many bytes now.
    pub(crate) async fn admit(&self, owner: &Owner, bytes: u64) -> Result<(), Error> {
        self.edge.limits.upload(owner.id)?;
        // Before the body: a client should not send a gigabyte only to learn that there is no queue.
        self.broker.ready(BROKER_TIMEOUT).await.map_err(|_| Error::BrokerAway)?;
        if self.broker.is_blocked() {
            return Err(no_room().into());
        }
        self.storage.admit(bytes)?;
        self.quotas.check(owner.id, bytes).await
    }

    /// The job that a stored video becomes. `None`, and the video is deleted, if its owner's account is gone.
    pub(super) async fn job_of(
        &self,
        id: JobId,
        mut owner: Owner,
        file: StoredFile,
        options: ConversionOptions,
    ) -> Result<Option<NewJob>, Error> {
        // The upload may have taken hours, or days.
        if self.revocations.is_erased(owner.id) {
            self.videos.delete(file.fid).await?;
            return Ok(None);
        }
        if let Some(email) = self.revocations.new_address(owner.id) {
            owner.email = email;
        }
        let source = Source {
            fid: VideoFid(file.fid),
            name: file.name,
            bytes: file.bytes,
            duration_seconds: None,
            declared_seconds: None,
            audio_tracks: Vec::new(),
        };
        Ok(Some(NewJob { id, owner, source, options }))
    }

    /// Stores the job. A crash before this leaves a file that no job refers to, which the sweeper deletes;
    /// one after this leaves a job that is not announced, which the reconciler announces.
    async fn accept(&self, new: NewJob) -> Result<Record, Error> {
        let fid = new.source.fid.0;
        let record = match self.jobs.accept(new).await? {
            Accepted::Queued(record) => record,
            Accepted::OwnerErased => {
                self.videos.delete(fid).await?;
                return Err(ProblemCode::InvalidToken.into());
            }
            Accepted::Known => return Err(ProblemCode::Internal.into()),
        };
        if !self.videos.is_kept(fid).await? {
            // This process was delayed so long between storing the video and the job that a sweeper
            // considered the video an orphan.
            tracing::warn!(job.id = %record.job.id, "an upload was swept away before its job was stored");
            self.jobs.erase(record.owner.id, record.job.id).await?;
            return Err(ProblemCode::Unavailable.into());
        }
        Ok(*record)
    }

    /// Follows up on a stored job: sends its owner a mail, if they want that, and announces the job to the
    /// converters when it is its turn.
    pub(super) async fn welcome(&self, record: &Record) {
        let job = &record.job;
        tracing::info!(job.id = %job.id, user.id = %record.owner.id, bytes = job.source.bytes, "accepted");
        if record.owner.mails.submitted
            && let Err(error) = self.tell_of_acceptance(record).await
        {
            // The job says that the mail is due, so the reconciler sends it.
            tracing::warn!(job.id = %job.id, error = %Chain(&error), "could not send an acceptance mail yet");
        }
        self.give_turn_or_leave(record.owner.id).await;
    }

    /// Requests the acceptance mail of a job. May run twice: the mail's id is the job's.
    pub(crate) async fn tell_of_acceptance(&self, record: &Record) -> Result<(), Error> {
        let content = AccountMailContent::Submitted { name: record.job.source.name.clone() };
        let mail_id = MailId::from(record.job.id);
        let mail = AccountMail::new(mail_id, record.owner.email.clone(), content);
        self.broker.publish(Queue::Account, &mail_id.to_string(), &mail).await?;
        self.jobs.mark_welcomed(record.job.id).await?;
        Ok(())
    }
}
